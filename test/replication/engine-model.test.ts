/** Random histories of one task against a model: what was written while it was not disabled is stored once, in order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EngineFixture, until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { budgetOrNone, eventStep, faultStep, Outages, type OutageStep } from '../lib/outages.ts';

type Step =
  | { readonly do: 'write'; readonly entry: string; readonly count: number; readonly tag: string }
  | { readonly do: 'mode'; readonly mode: 'enabled' | 'paused' | 'disabled' }
  | { readonly do: 'update' }
  | OutageStep;

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
  { weight: 1, arbitrary: faultStep },
  { weight: 3, arbitrary: eventStep },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('update' as const) }) },
);

class History {
  readonly #fixture: EngineFixture;
  readonly #target: FakeTarget;
  readonly #expected: Map<string, number[]> = new Map();
  readonly #nextTs: Map<string, number> = new Map();
  readonly #outages: Outages;
  #mode = 'enabled';

  constructor(fixture: EngineFixture, target: FakeTarget) {
    this.#fixture = fixture;
    this.#target = target;
    this.#outages = new Outages(fixture, target);
  }

  async run(steps: readonly Step[], budget: object | null): Promise<void> {
    const url = this.#target.url;
    await this.#fixture.create('t', url, { exclude: { tag: 'drop' }, budget });
    for (const one of steps) await this.#apply(one, url);
    await this.#outages.end();
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
      case 'update': {
        const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: url, mode: this.#mode };
        const update = { ...settings, exclude: { tag: 'drop' } };
        return this.#fixture.service.update('t', JSON.stringify(update));
      }
      case 'fault':
      case 'restart':
      case 'crash':
      case 'target-down':
      case 'target-up':
      case 'wait':
        return this.#outages.take(one);
    }
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
      budgetOrNone,
      async (steps, budget) => {
        const options = { sliceMs: 30, noProgressTimeoutMs: 500, batchMaxRecords: 7 };
        const fixture = await EngineFixture.open(options);
        const target = new FakeTarget();
        await target.start();
        try {
          await new History(fixture, target).run(steps, budget);
        } finally {
          await fixture.close();
          await target.stop();
        }
      },
    ),
    { numRuns: 15, endOnFailure: false },
  );
});
