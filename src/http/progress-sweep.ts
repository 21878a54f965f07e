/**
 * The one timer for all bodies being received. The library drops a connection that is slower than 16 KB/s for about
 * nine seconds; the contract allows a pause of `RS_IO_OPERATION_TIMEOUT` between any two bytes. So every few seconds
 * each body is visited: it renews the library's timer, or decides that its time is up.
 */

/** Well below the library's nine seconds, two ticks of its four-second clock. */
const SWEEP_PERIOD_MS = 4000;

export interface SweptBody {
  /** @param nowMs of `performance.now()`. */
  tick(nowMs: number): void;
}

export class ProgressSweep {
  /** Longest pause without a byte. */
  readonly timeoutMs: number;
  readonly #bodies = new Set<SweptBody>();
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  add(body: SweptBody): void {
    this.#bodies.add(body);
    if (this.#timer !== undefined) return;
    const periodMs = Math.min(SWEEP_PERIOD_MS, this.timeoutMs / 2);
    this.#timer = setInterval(() => this.#sweep(), periodMs);
    this.#timer.unref();
  }

  delete(body: SweptBody): void {
    this.#bodies.delete(body);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    // Bodies come and go many times between two ticks, so the timer ends here and not with the last body.
    if (this.#bodies.size === 0) this.stop();
    const nowMs = performance.now();
    for (const body of this.#bodies) body.tick(nowMs);
  }
}
