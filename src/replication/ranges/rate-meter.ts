/** How fast something goes: progress over the last minute. Clocks come in as parameters. */

interface Sample {
  readonly ms: number;
  readonly records: number;
  readonly bytes: number;
}

const WINDOW_MS = 60_000;
/** Samples closer together than this share a place. */
const RESOLUTION_MS = 1_000;

export interface Rate {
  readonly recordsPerS: number;
  readonly bytesPerS: number;
}

const STANDING: Rate = { recordsPerS: 0, bytesPerS: 0 };

export class RateMeter {
  #samples: Sample[] = [];

  /** Records and bytes done in total at this time. @param ms monotonic. */
  add(ms: number, records: number, bytes: number): void {
    const last = this.#samples.at(-1);
    const beforeLast = this.#samples.at(-2);
    const isClose = last !== undefined && beforeLast !== undefined;
    if (isClose && ms - beforeLast.ms < RESOLUTION_MS) this.#samples.pop();
    this.#samples.push({ ms, records, bytes });
    while ((this.#samples[1]?.ms ?? ms) < ms - WINDOW_MS) this.#samples.shift();
  }

  /** Progress goes on from here. Time since the last sample counts, unless there was a long pause. */
  begin(ms: number, records: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && ms - last.ms <= WINDOW_MS) return;
    this.#samples = [{ ms, records, bytes }];
  }

  /** Time up to now does not count: after a pause. */
  reset(): void {
    this.#samples = [];
  }

  /** @param nowMs monotonic; time without progress counts. */
  rate(nowMs: number): Rate {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || nowMs <= first.ms) return STANDING;
    const seconds = (nowMs - first.ms) / 1000;
    return {
      recordsPerS: (last.records - first.records) / seconds,
      bytesPerS: (last.bytes - first.bytes) / seconds,
    };
  }
}
