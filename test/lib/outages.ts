/** What befalls a task in random histories, whatever else they do: failing targets, restarts, crashes. */
import fc from 'fast-check';
import type { EngineFixture } from './engine-fixture.ts';
import type { FakeTarget, Fault } from './fake-target.ts';

export type OutageStep =
  | { readonly do: 'fault'; readonly fault: number }
  | { readonly do: 'restart' | 'crash' | 'target-down' | 'target-up' | 'wait' };

const FAULTS: readonly Fault[] = [
  { kind: 'ok' },
  { kind: 'reset' },
  { kind: 'reset-mid-answer' },
  { kind: 'status', status: 429, text: 'slow' },
];

export const faultStep: fc.Arbitrary<OutageStep> = fc.record({
  do: fc.constant('fault' as const),
  fault: fc.integer({ min: 0, max: FAULTS.length - 1 }),
});

export const eventStep: fc.Arbitrary<OutageStep> = fc.record({
  do: fc.constantFrom(
    'restart' as const,
    'crash' as const,
    'target-down' as const,
    'target-up' as const,
    'wait' as const,
  ),
});

/** With a link budget, which is never used up, blocks are cut and what a slice may use is stored before it begins. */
export const budgetOrNone: fc.Arbitrary<object | null> = fc.constantFrom(null, {
  bytes_per_day: 1_000_000_000,
});

/** Of one engine and one target. */
export class Outages {
  readonly #fixture: EngineFixture;
  readonly #target: FakeTarget;
  readonly #port: number;
  #isUp = true;

  constructor(fixture: EngineFixture, target: FakeTarget) {
    this.#fixture = fixture;
    this.#target = target;
    this.#port = target.port;
  }

  async take(step: OutageStep): Promise<void> {
    switch (step.do) {
      case 'fault':
        this.#target.faultOf = () => FAULTS[step.fault] ?? { kind: 'ok' };
        return;
      case 'restart':
        return this.#fixture.restart(20);
      case 'crash':
        return this.#crash();
      case 'target-down':
        this.#isUp = false;
        return this.#target.stop();
      case 'target-up':
        if (!this.#isUp) await this.#target.start(this.#port);
        this.#isUp = true;
        return;
      case 'wait':
        return new Promise((resolve) => setTimeout(resolve, 15));
    }
  }

  /** The target is there, and answers as it should. */
  async end(): Promise<void> {
    this.#target.faultOf = () => ({ kind: 'ok' });
    await this.take({ do: 'target-up' });
  }

  /** What is stored is what was stored some moments ago. */
  async #crash(): Promise<void> {
    const { store } = this.#fixture;
    const cursors = new Map(store.cursors);
    const ranges = new Map(store.ranges);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#fixture.engine.stop(0);
    for (const [id, cursor] of cursors) store.cursors.set(id, cursor);
    for (const [id, rows] of ranges) store.ranges.set(id, rows);
    await this.#fixture.restart(0);
  }
}
