/** When the head of the log was where, for lag: blocks carry no time of their commit. */

interface Mark {
  readonly sequence: number;
  readonly ms: number;
}

/** Heads closer together in time than this share a mark. */
const RESOLUTION_MS = 5;

/** When there are this many marks, every second one of the older half goes: old lag needs no fine resolution. */
const MAX_MARKS = 512;

export class HeadMarks {
  /** Ascending. A mark says: at `ms` the head moved to behind `sequence`. */
  #marks: Mark[];

  /** @param sequence head at the start; how old what lies before it is, is not known. */
  constructor(sequence: number, nowMs: number) {
    this.#marks = [{ sequence, ms: nowMs }];
  }

  /** The head is now at `sequence`. */
  add(sequence: number, nowMs: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && nowMs - last.ms < RESOLUTION_MS && this.#marks.length > 1) {
      this.#marks[this.#marks.length - 1] = { sequence, ms: last.ms };
      return;
    }
    this.#marks.push({ sequence, ms: nowMs });
    if (this.#marks.length > MAX_MARKS) this.#thinOut();
  }

  /** For how long the block at `sequence` has been there, in ms. At least: the start is the oldest that is known. */
  ageMs(sequence: number, nowMs: number): number {
    let low = 0;
    let high = this.#marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#marks[middle]?.sequence ?? 0) > sequence) high = middle;
      else low = middle + 1;
    }
    const mark = this.#marks[low];
    return mark === undefined ? 0 : Math.max(0, nowMs - mark.ms);
  }

  #thinOut(): void {
    const half = MAX_MARKS / 2;
    this.#marks = this.#marks.filter((_, at) => at >= half || at % 2 === 0);
  }
}
