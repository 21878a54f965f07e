/** Wakes the slices of one thread when something is published: one wait on the ring, however many slices there are. */
import type { RingReader } from '../ring/reader.ts';

/** The wait is renewed after this time, so that a thread without slices holds no waiter for ever. */
const MAX_WAIT_MS = 10_000;

export class RingWatcher {
  readonly #ring: RingReader;
  readonly #listeners: Set<() => void> = new Set();
  #isWaiting = false;

  constructor(ring: RingReader) {
    this.#ring = ring;
  }

  /**
   * Calls `listener` after every publish until `remove`. Add first and look at the head then: nothing is missed between.
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
      await this.#ring.waitForPublish(seen, MAX_WAIT_MS);
    }
    this.#isWaiting = false;
  }
}
