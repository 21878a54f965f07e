/**
 * Random histories of one task with ranges against a model: outages with jumps of the live cursor, back-fills, label updates
 * and crashes. Every record arrives, none twice, and in the end with the labels it has at the source.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EngineFixture, until } from '../../lib/engine-fixture.ts';
import { FakeTarget } from '../../lib/fake-target.ts';
import { budgetOrNone, eventStep, faultStep, Outages, type OutageStep } from '../../lib/outages.ts';

type Step =
  | { readonly do: 'write'; readonly count: number }
  | { readonly do: 'relabel'; readonly which: number; readonly names: readonly string[] }
  | { readonly do: 'backfill' | 'pause' }
  | OutageStep;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('relabel' as const),
      which: fc.nat(),
      names: fc.subarray(['a', 'b', 'c']),
    }),
  },
  { weight: 1, arbitrary: faultStep },
  { weight: 4, arbitrary: eventStep },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('backfill' as const, 'pause' as const) }),
  },
);

class History {
  readonly #fixture: EngineFixture;
  readonly #target: FakeTarget;
  readonly #outages: Outages;
  /** By timestamp: block and labels. */
  readonly #written: Map<number, { readonly sequence: number; labels: string[] }> = new Map();
  #serial = 0;
  #changes = 0;
  #isPaused = false;

  constructor(fixture: EngineFixture, target: FakeTarget) {
    this.#fixture = fixture;
    this.#target = target;
    this.#outages = new Outages(fixture, target);
  }

  async run(steps: readonly Step[], budget: object | null): Promise<void> {
    this.#write(30);
    const settings = { order: 'newest', start: 'beginning', budget };
    await this.#fixture.create('t', this.#target.url, settings);
    for (const one of steps) await this.#take(one);
    await this.#outages.end();
    if (this.#isPaused) await this.#take({ do: 'pause' });
    await until(async () => (await this.#fixture.pending('t')) === 0);
    await until(() => this.#difference() === '', 5_000).catch(() => {
      throw new Error(this.#difference());
    });
    expect(await this.#fixture.store.letters.read(1, 0, 10)).toEqual([]);
  }

  /** What source and target do not agree in. */
  #difference(): string {
    const records = this.#target.recordsOf('dst/e');
    const times = records.map(({ ts }) => Number(ts));
    if (new Set(times).size < times.length) return 'a record is there twice';
    const missing = [...this.#written.keys()].filter((ts) => !times.includes(ts));
    if (missing.length > 0) return `missing: ${missing.join()}`;
    for (const { ts, labels } of records) {
      const there = [...labels].toSorted(([a], [b]) => (a < b ? -1 : 1)).flat();
      const here = this.#written.get(Number(ts))?.labels ?? [];
      if (there.join() !== here.join()) {
        return `record ${ts} has ${there.join()} instead of ${here.join()}`;
      }
    }
    return '';
  }

  async #take(one: Step): Promise<void> {
    switch (one.do) {
      case 'write':
        return this.#write(one.count);
      case 'relabel':
        return this.#relabel(one.which, one.names);
      case 'backfill':
        await this.#fixture.service.backfills.create('t', '{}').catch((error: unknown) => {
          // Sixteen of them wait already.
          expect(error).toMatchObject({ status: 409 });
        });
        return;
      case 'pause': {
        this.#isPaused = !this.#isPaused;
        const mode = this.#isPaused ? 'paused' : 'enabled';
        return this.#fixture.service.setMode('t', JSON.stringify({ mode }));
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

  #write(count: number): void {
    const timestamps = Array.from({ length: count }, () => this.#serial++);
    const sequence = this.#fixture.log.headSequence;
    for (const ts of timestamps) this.#written.set(ts, { sequence, labels: ['a', '0'] });
    this.#fixture.write('e', timestamps, ['a', '0']);
  }

  #relabel(which: number, names: readonly string[]): void {
    const ts = which % this.#serial;
    const record = this.#written.get(ts);
    if (record === undefined) throw new Error(`no record ${ts}`);
    record.labels = names.flatMap((name) => [name, String(++this.#changes)]);
    this.#fixture.relabel('src', record.sequence, ts, record.labels);
  }
}

test('whatever happens, every record arrives once, with the labels of the source', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }),
      budgetOrNone,
      async (steps, budget) => {
        const fixture = await EngineFixture.open(
          { sliceMs: 30, noProgressTimeoutMs: 500, batchMaxRecords: 7 },
          {},
          undefined,
          { lagMs: 30, records: 25 },
        );
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
    { numRuns: Number(process.env['RANGE_HISTORIES'] ?? 15), endOnFailure: false },
  );
}, 300_000);
