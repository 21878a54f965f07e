/** How much went through in the last minute. The clock comes in as a parameter; memory is fixed. */

const SECONDS = 60;

export interface MinuteFigures {
  readonly recordsPerS: number;
  readonly bytesPerS: number;
}

export class MinuteRate {
  /** Of the seconds that the places of the sums belong to. */
  readonly #seconds: Float64Array = new Float64Array(SECONDS).fill(-1);
  readonly #records: Float64Array = new Float64Array(SECONDS);
  readonly #bytes: Float64Array = new Float64Array(SECONDS);
  readonly #startMs: number;

  /** @param startMs of the same clock as `nowMs` everywhere else, monotonic. */
  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  add(nowMs: number, records: number, bytes: number): void {
    const second = Math.floor(nowMs / 1000);
    const place = second % SECONDS;
    if (this.#seconds[place] !== second) {
      this.#seconds[place] = second;
      this.#records[place] = 0;
      this.#bytes[place] = 0;
    }
    this.#records[place] = (this.#records[place] ?? 0) + records;
    this.#bytes[place] = (this.#bytes[place] ?? 0) + bytes;
  }

  /** Means over the last 60 s, or since the start when that is less, at least one second. */
  rate(nowMs: number): MinuteFigures {
    const newest = Math.floor(nowMs / 1000);
    let records = 0;
    let bytes = 0;
    for (let place = 0; place < SECONDS; place++) {
      if ((this.#seconds[place] ?? -1) <= newest - SECONDS) continue;
      records += this.#records[place] ?? 0;
      bytes += this.#bytes[place] ?? 0;
    }
    const seconds = Math.min(SECONDS, Math.max(1, (nowMs - this.#startMs) / 1000));
    return { recordsPerS: records / seconds, bytesPerS: bytes / seconds };
  }
}
