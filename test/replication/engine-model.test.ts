/** Random histories of one task against a model: what was written while it was not disabled is stored once, in order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EngineFixture, until } from '../lib/engine-fixture.ts';
import { FakeTarget, type Fault } from '../lib/fake-target.ts';

type Step =
  | { readonly do: 'write'; readonly entry: string; readonly count: number; readonly tag: string }
  | { readonly do: 'mode'; readonly mode: 'enabled' | 'paused' | 'disabled' }
  | { readonly do: 'fault'; readonly fault: number }
  | { readonly do: 'restart' | 'crash' | 'target-down' | 'target-up' | 'wait' | 'update' };

const FAULTS: readonly Fault[] = [
  { kind: 'ok' },
  { kind: 'reset' },
  { kind: 'reset-mid-answer' },
  { kind: 'status', status: 429, text: 'slow' },
];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      entry: fc.constantFrom('a', 'b'),
      count: fc.integer({ min: 1, max: 40 }),
      tag: fc.constantFrom('keep', 'drop'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('mode' as const),
      mode: fc.constantFrom('enabled' as const, 'paused' as const, 'disabled' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.integer({ min: 0, max: FAULTS.length - 1 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'restart' as const,
        'crash' as const,
        'target-down' as const,
        'target-up' as const,
        'wait' as const,
        'update' as const,
      ),
    }),
  },
);

class History {
  readonly #fixture: EngineFixture;
  readonly #target: FakeTarget;
  readonly #expected: Map<string, number[]> = new Map();
  readonly #nextTs: Map<string, number> = new Map();
  readonly #port: number;
  #mode = 'enabled';
  #isUp = true;

  constructor(fixture: EngineFixture, target: FakeTarget) {
    this.#fixture = fixture;
    this.#target = target;
    this.#port = target.port;
  }

  async run(steps: readonly Step[]): Promise<void> {
    const url = this.#target.url;
    await this.#fixture.create('t', url, { exclude: { tag: 'drop' } });
    for (const one of steps) await this.#apply(one, url);
    this.#target.faultOf = () => ({ kind: 'ok' });
    if (!this.#isUp) await this.#target.start(this.#port);
    await this.#fixture.service.setMode('t', '{"mode":"enabled"}');
    await until(async () => (await this.#fixture.pending('t')) === 0);
    for (const entry of ['a', 'b']) {
      const stored = this.#target.recordsOf(`dst/${entry}`).map(({ ts }) => Number(ts));
      expect(stored).toEqual(this.#expected.get(entry) ?? []);
    }
  }

  async #apply(one: Step, url: string): Promise<void> {
    switch (one.do) {
      case 'write':
        return this.#write(one.entry, one.count, one.tag);
      case 'mode':
        this.#mode = one.mode;
        return this.#fixture.service.setMode('t', JSON.stringify({ mode: one.mode }));
      case 'fault':
        this.#target.faultOf = () => FAULTS[one.fault] ?? { kind: 'ok' };
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
      case 'update': {
        const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: url, mode: this.#mode };
        const update = { ...settings, exclude: { tag: 'drop' } };
        return this.#fixture.service.update('t', JSON.stringify(update));
      }
    }
  }

  /** The cursor in the store is that of some moments ago. */
  async #crash(): Promise<void> {
    const { store } = this.#fixture;
    const cursors = new Map(store.cursors);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#fixture.engine.stop(0);
    for (const [id, cursor] of cursors) store.cursors.set(id, cursor);
    await this.#fixture.restart(0);
  }

  #write(entry: string, count: number, tag: string): void {
    const first = this.#nextTs.get(entry) ?? 1;
    const timestamps = Array.from({ length: count }, (_, at) => first + at);
    this.#nextTs.set(entry, first + count);
    this.#fixture.write(entry, timestamps, ['tag', tag]);
    if (this.#mode === 'disabled' || tag === 'drop') return;
    this.#expected.set(entry, [...(this.#expected.get(entry) ?? []), ...timestamps]);
  }
}

test('whatever happens, every wanted record is stored once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }),
      async (steps) => {
        const fixture = await EngineFixture.open({ sliceMs: 30, noProgressTimeoutMs: 500 });
        const target = new FakeTarget();
        await target.start();
        try {
          await new History(fixture, target).run(steps);
        } finally {
          await fixture.close();
          await target.stop();
        }
      },
    ),
    { numRuns: 15, endOnFailure: false },
  );
});
