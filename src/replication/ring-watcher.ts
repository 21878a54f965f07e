/** Wakes the slices of one thread when something is published: one wait on the ring, however many slices there are. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RingReader } from '../ring/reader.ts';

/** The wait is renewed after this time, so that a thread without slices holds no waiter for ever. */
const MAX_WAIT_MS = 10_000;

/**
 * Listeners are not called more often than this. In a stream of publishes most find nobody waiting, which makes them cheap
 * for the producer too; one after a pause is heard at once.
 */
const MIN_INTERVAL_MS = 1;

export class RingWatcher {
  readonly #ring: RingReader;
  readonly #nowMs: () => number;
  readonly #listeners: Set<() => void> = new Set();
  #isWaiting = false;

  constructor(ring: RingReader, nowMs: () => number) {
    this.#ring = ring;
    this.#nowMs = nowMs;
  }

  /**
   * Calls `listener` after every publish until `remove`, once for several in a short time. Add first and look at the head
   * then: nothing is missed between.
   */
  add(listener: () => void): void {
    this.#listeners.add(listener);
    if (!this.#isWaiting) void this.#watch();
  }

  remove(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  async #watch(): Promise<void> {
    this.#isWaiting = true;
    while (this.#listeners.size > 0) {
      // Listeners run before the count is read again: what is published after they looked changes the count.
      const seen = this.#ring.wakeCount();
      for (const listener of this.#listeners) listener();
      const calledMs = this.#nowMs();
      await this.#ring.waitForPublish(seen, MAX_WAIT_MS);
      if (this.#nowMs() - calledMs < MIN_INTERVAL_MS) await sleep(MIN_INTERVAL_MS);
    }
    this.#isWaiting = false;
  }
}
