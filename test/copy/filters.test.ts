import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planFilter } from '../../src/copy/filter-plan.ts';
import { type CopyFilter, NO_FILTER } from '../../src/copy/types.ts';
import type { TestRecord } from '../lib/api.ts';
import { withInstance } from '../lib/instance.ts';
import { copyAll, fill, sinkOf, sourceOf, withClient } from './lib/copy-harness.ts';
import { SpoilingProxy } from './lib/spoiling-proxy.ts';

const VALUE = fc.constantFrom('1', '01', 'true', 'True', 'ok', '1h', '2.0');
const LABELS = fc.dictionary(fc.constantFrom('a', 'b'), VALUE, { maxKeys: 2 });
const PAIRS = fc.dictionary(fc.constantFrom('a', 'b'), VALUE, { maxKeys: 2 });

const FILTER: fc.Arbitrary<CopyFilter> = fc.record({
  include: PAIRS,
  exclude: PAIRS,
  eachN: fc.option(fc.integer({ min: 1, max: 4 })),
  eachS: fc.option(fc.constantFrom(0.001, 0.0025, 0.004)),
  // The second and fourth matching record and so on: it must not see what the others leave out.
  whenText: fc.option(fc.constantFrom('{"$has": ["a"]}', '{"&a": {"$eq": 1}, "$each_n": 2}')),
  strict: fc.constant(false),
  limit: fc.option(fc.integer({ min: 1, max: 12 })),
  extText: fc.constant(null),
});

/** Replication §2.1 and §2.4, as plainly as it can be said. */
function model(records: readonly TestRecord[], filter: CopyFilter): TestRecord[] {
  const { include, exclude, eachN, eachS, whenText, limit } = filter;
  const hasAll = (labels: Readonly<Record<string, string>>, pairs: typeof include): boolean =>
    Object.entries(pairs).every(([name, value]) => labels[name] === value);
  let kept = records.filter(({ labels }) => hasAll(labels, include));
  if (Object.keys(exclude).length > 0) kept = kept.filter(({ labels }) => !hasAll(labels, exclude));
  if (eachN !== null) kept = kept.filter((_, index) => index % eachN === 0);
  if (eachS !== null) {
    let last: bigint | undefined;
    kept = kept.filter(({ ts }) => {
      if (last !== undefined && ts - last < BigInt(eachS * 1_000_000)) return false;
      last = ts;
      return true;
    });
  }
  if (whenText?.includes('$has') === true) kept = kept.filter(({ labels }) => 'a' in labels);
  else if (whenText !== null) {
    // Numbers and booleans compare as numbers (when §7).
    kept = kept.filter(({ labels }) => ['1', '01', 'true'].includes(labels['a'] ?? ''));
    kept = kept.filter((_, index) => index % 2 === 1);
  }
  return limit === null ? kept : kept.slice(0, limit);
}

describe('filters of a copy', () => {
  test.each(['1.21', '1.19'])(
    'choose what the model chooses, also when run again, from a server that says it is %s',
    async (version) => {
      await withInstance(async ({ url, api }) => {
        const proxy = new SpoilingProxy(url);
        proxy.rewrite = { 'x-reduct-api': version };
        await proxy.start();
        let round = 0;
        const property = fc.asyncProperty(
          fc.array(LABELS, { minLength: 1, maxLength: 40 }),
          FILTER,
          async (labelSets, filter) => {
            const [from, to] = [`from-${round}`, `to-${round++}`];
            const records = labelSets.map((labels, index) => ({
              ts: 1_000_000n + BigInt(index) * 1_000n,
              payload: Buffer.from(`${index}`),
              labels: { ...labels },
            }));
            await fill(api, from, 'one', records);
            await withClient(proxy.url, async (client) => {
              await copyAll(sourceOf(client, from), sinkOf(client, to), { filter });
              await copyAll(sourceOf(client, from), sinkOf(client, to), { filter });
            });
            expect(await api.readAll(to, 'one')).toEqual(model(records, filter));
          },
        );
        try {
          await fc.assert(property, { numRuns: 30 });
        } finally {
          await proxy.stop();
        }
      });
    },
    120_000,
  );

  test('let the server do what it does exactly, and nothing else', () => {
    const include = { anomaly: 'true', id: '1h' };
    const modern = planFilter({ ...NO_FILTER, include, exclude: { status: 'ok' } }, [1, 21]);
    expect(modern.query.whenText).toBe('{"$and":[{"&anomaly":{"$eq":true}},{"$has":["id"]}]}');
    expect(modern.client).toMatchObject({ include, exclude: { status: 'ok' } });
    const old = planFilter({ ...NO_FILTER, include }, [1, 20]);
    expect(old.query).toMatchObject({ include });
    expect(old.query.whenText).toBeUndefined();
    const sampled = planFilter({ ...NO_FILTER, eachN: 5, whenText: '{"$has":["a"]}' }, [1, 21]);
    expect(sampled.query.whenText).toBeUndefined();
    expect(sampled).toMatchObject({ mustList: true, isStateful: false });
  });
});
