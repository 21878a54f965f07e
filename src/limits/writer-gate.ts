/**
 * `RS_IO_MAX_WRITERS_IN_FLIGHT`: how many writes may be under way at the same time (http-api §7). The others wait in
 * the order they came. Main thread only.
 */

export interface GateWaiter {
  /** It is a writer in flight from now on, and has to `leave`. */
  onAdmitted(): void;
}

export class WriterGate {
  readonly #maxWriters: number;
  #writers = 0;
  /** In the order they came. */
  readonly #waiting = new Set<GateWaiter>();
  /** They have a place already and are told at the end of this turn. */
  #admitted: GateWaiter[] = [];

  /** @param maxWriters at least 1. */
  constructor(maxWriters: number) {
    this.#maxWriters = maxWriters;
  }

  get writers(): number {
    return this.#writers;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a place if one is free and nobody waits for it. */
  tryEnter(): boolean {
    if (this.#writers >= this.#maxWriters) return false;
    this.#writers++;
    return true;
  }

  wait(waiter: GateWaiter): void {
    this.#waiting.add(waiter);
  }

  /** @returns false when it does not wait any more: it is, or is about to be, admitted. */
  cancel(waiter: GateWaiter): boolean {
    return this.#waiting.delete(waiter);
  }

  /** Gives a place back, which the first of the waiting takes. */
  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#writers--;
      return;
    }
    this.#waiting.delete(next);
    this.#admitted.push(next);
    // Not at once: who leaves may stand in the middle of an answer of its own.
    if (this.#admitted.length === 1) queueMicrotask(() => this.#tellAdmitted());
  }

  #tellAdmitted(): void {
    const admitted = this.#admitted;
    this.#admitted = [];
    for (const waiter of admitted) waiter.onAdmitted();
  }
}
