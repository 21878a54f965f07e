/** Holds the requests of one slice to a budget. Runs in workers. */

/** What of a task's budget a slice may use; plain data. */
export interface SliceBudget {
  readonly bytesPerSecond: number | null;
  /** Wall clock, ms: until then earlier requests use up the rate. */
  readonly busyUntilMs: number;
  /** No window is begun once so many bytes went over the link; `null`: no limit. */
  readonly allowanceBytes: number | null;
}

/** A slice waits itself for a turn that comes so soon, and ends for a later one. */
const SHORT_WAIT_MS = 20;

export class Pacer {
  readonly #budget: SliceBudget;
  readonly #nowMs: () => number;
  #usedBytes = 0;
  #busyUntilMs: number;

  /** @param nowMs wall clock. */
  constructor(budget: SliceBudget, nowMs: () => number) {
    this.#budget = budget;
    this.#nowMs = nowMs;
    this.#busyUntilMs = budget.busyUntilMs;
  }

  /** Bytes of this slice, in both directions. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get busyUntilMs(): number {
    return this.#busyUntilMs;
  }

  /** How long the next request has to wait, ms. */
  waitMs(): number {
    return Math.max(0, this.#busyUntilMs - this.#nowMs());
  }

  /** Whether nothing more may be begun in this slice. What is begun is finished, at the pace of the budget. */
  isOver(): boolean {
    const { allowanceBytes } = this.#budget;
    if (allowanceBytes !== null && this.#usedBytes >= allowanceBytes) return true;
    return this.waitMs() > SHORT_WAIT_MS;
  }

  /**
   * @param totalBytes of the slice so far.
   * @param beganMs when the requests began that they were used for.
   */
  used(totalBytes: number, beganMs: number): void {
    const bytes = totalBytes - this.#usedBytes;
    this.#usedBytes = totalBytes;
    const { bytesPerSecond } = this.#budget;
    if (bytesPerSecond === null || bytes <= 0) return;
    const fromMs = Math.max(this.#busyUntilMs, beganMs);
    this.#busyUntilMs = fromMs + (bytes / bytesPerSecond) * 1000;
  }
}
