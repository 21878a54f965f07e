/** Time as policies need it; tests have their own. */

export interface LifecycleClock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Calls back once, after `delayMs` of any length. @returns what calls it off. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The longest delay a timer of the platform takes. */
const MAX_TIMER_MS = 2_147_483_647;

export const SYSTEM_CLOCK: LifecycleClock = {
  nowMs: () => Date.now(),
  after(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const next = leftMs > MAX_TIMER_MS ? () => arm(leftMs - MAX_TIMER_MS) : callback;
      timer = setTimeout(next, Math.min(leftMs, MAX_TIMER_MS));
      timer.unref();
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};
