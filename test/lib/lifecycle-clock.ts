/** Time that passes when a test says so. */
import type { LifecycleClock } from '../../src/lifecycle/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class FakeLifecycleClock implements LifecycleClock {
  ms: number;
  readonly #timers = new Set<Timer>();
  readonly #armed: (() => void)[] = [];

  constructor(ms: number) {
    this.ms = ms;
  }

  nowMs(): number {
    return this.ms;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.ms + delayMs, callback };
    this.#timers.add(timer);
    for (const resolve of this.#armed.splice(0)) resolve();
    return () => void this.#timers.delete(timer);
  }

  /** Delays of what waits, ascending. */
  get delaysMs(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.ms).toSorted((a, b) => a - b);
  }

  /** Passes to the next timer and lets it go. */
  fire(): void {
    const [next] = [...this.#timers].toSorted((a, b) => a.dueMs - b.dueMs);
    if (next === undefined) throw new Error('nothing waits');
    this.#timers.delete(next);
    this.ms = Math.max(this.ms, next.dueMs);
    next.callback();
  }

  /** Like `fire`, and waits until what it began has asked for its next turn. */
  async runNext(): Promise<void> {
    const armed = new Promise<void>((resolve) => this.#armed.push(resolve));
    this.fire();
    await armed;
  }
}
