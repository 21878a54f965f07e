/** Reads of continuous queries that wait for new records. */

/** After a commit, reads look again after a pause that doubles while they find nothing, so that a busy bucket whose
 * records a query does not want costs little. */
const FIRST_PAUSE_MS = 4;
const MAX_PAUSE_MS = 250;

/** Longest delay a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Waiter {
  readonly bucketId: number;
  readonly pauseMs: number;
  readonly isReady: () => boolean;
  readonly resolve: (isReady: boolean) => void;
  pauseTimer: NodeJS.Timeout | undefined;
  isSettled: boolean;
}

/** Main thread only. A commit costs O(1) per bucket nobody waits for. */
export class CommitWaiters {
  readonly #waiters = new Set<Waiter>();
  /** By bucket: those that the next commit starts. */
  readonly #armed = new Map<number, Set<Waiter>>();

  get size(): number {
    return this.#waiters.size;
  }

  /** @param buckets ids of the buckets that received records. */
  onCommitted(buckets: Iterable<number>): void {
    if (this.#armed.size === 0) return;
    for (const bucketId of buckets) {
      const armed = this.#armed.get(bucketId);
      if (armed === undefined) continue;
      this.#armed.delete(bucketId);
      for (const waiter of armed) this.#startPause(waiter);
    }
  }

  /**
   * @param isReady asked once the pause is over, and again after later commits.
   * @param fruitless how often this read was ready already and found nothing.
   * @returns false when the time is over, or on `releaseAll`.
   */
  wait(
    bucketId: number,
    isReady: () => boolean,
    timeoutMs: number,
    fruitless: number,
  ): Promise<boolean> {
    if (timeoutMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** fruitless, MAX_PAUSE_MS);
      const timer = setTimeout(
        () => this.#settle(waiter, false),
        Math.min(timeoutMs, MAX_TIMER_MS),
      );
      const waiter: Waiter = {
        bucketId,
        pauseMs,
        isReady,
        resolve: (isReadyNow) => {
          clearTimeout(timer);
          resolve(isReadyNow);
        },
        pauseTimer: undefined,
        isSettled: false,
      };
      this.#waiters.add(waiter);
      // A commit may have come between the job's last look at the store and now.
      if (isReady()) this.#startPause(waiter);
      else this.#arm(waiter);
    });
  }

  /** Ends all waits as if their time were over. */
  releaseAll(): void {
    for (const waiter of this.#waiters) this.#settle(waiter, false);
  }

  #arm(waiter: Waiter): void {
    const armed = this.#armed.get(waiter.bucketId);
    if (armed === undefined) this.#armed.set(waiter.bucketId, new Set([waiter]));
    else armed.add(waiter);
  }

  #startPause(waiter: Waiter): void {
    waiter.pauseTimer = setTimeout(() => {
      if (waiter.isReady()) this.#settle(waiter, true);
      else this.#arm(waiter);
    }, waiter.pauseMs);
  }

  #settle(waiter: Waiter, isReady: boolean): void {
    if (waiter.isSettled) return;
    waiter.isSettled = true;
    clearTimeout(waiter.pauseTimer);
    this.#waiters.delete(waiter);
    const armed = this.#armed.get(waiter.bucketId);
    armed?.delete(waiter);
    if (armed?.size === 0) this.#armed.delete(waiter.bucketId);
    waiter.resolve(isReady);
  }
}
