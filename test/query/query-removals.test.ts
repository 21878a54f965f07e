import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import type { QuerySpec } from '../../src/query/types.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import {
  decodeV1,
  decodeV2,
  openQueryHarness,
  querySpec,
  readAllBatches,
  readAllMulti,
} from '../lib/query-harness.ts';

let path = '';
let harness: QueryHarness;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path, { maxQueries: 1_000_000, maxStateBytes: 1 << 30 });
});

afterAll(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

const COLORS = ['red', 'green', ''] as const;

const record = fc.record({
  entryName: fc.constantFrom('a', 'a/b', 'c'),
  ts: fc.oneof(fc.bigInt(0n, 80n), fc.constantFrom(0n, 2n ** 64n - 1n)),
  color: fc.constantFrom(...COLORS),
});
const groups = fc.array(fc.array(record, { minLength: 1, maxLength: 16 }), {
  minLength: 1,
  maxLength: 8,
});

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const spec: fc.Arbitrary<QuerySpec> = fc
  .record({
    startTs: optional(fc.bigInt(0n, 40n)),
    stopTs: optional(fc.bigInt(41n, 90n)),
    include: fc.constantFrom([], [], ['color', 'red']),
    exclude: fc.constantFrom([], [], ['color', 'green']),
    eachN: optional(fc.integer({ min: 1, max: 4 })),
    limit: optional(fc.integer({ min: 1, max: 15 })),
    whenText: fc.constantFrom(
      undefined,
      undefined,
      '{"&color":{"$eq":"red"}}',
      '{"$each_n":2}',
      '{"&color":{"$eq":"red"},"$limit":3}',
      '{"#ctx_before":2,"#ctx_after":1,"&color":{"$eq":"red"}}',
    ),
  })
  .map((overrides) => querySpec(overrides));

type WrittenGroup = readonly {
  readonly entryName: string;
  readonly ts: bigint;
  readonly color: string;
}[];

async function write(written: readonly WrittenGroup[]): Promise<Bucket> {
  const bucket = await harness.newBucket();
  for (const group of written) {
    await Promise.all(
      group.map(({ entryName, ts, color }) => {
        const target = harness.store.catalog.entryForWrite(bucket.name, entryName);
        const labels = color === '' ? [] : ['color', color];
        return harness.store.write(target, ts, Buffer.from(`${entryName}@${ts}`), labels);
      }),
    );
  }
  return bucket;
}

async function found(bucket: Bucket, entry: Entry, wanted: QuerySpec): Promise<bigint[]> {
  if (entry.stats.recordCount === 0) return [];
  const id = harness.queries.create(bucket, entry, wanted);
  const batches = await readAllBatches(harness.queries, bucket, entry, id, false);
  return batches.flatMap(decodeV1).map(({ ts }) => ts);
}

async function foundIn(bucket: Bucket, patterns: readonly string[] | undefined, wanted: QuerySpec) {
  const id = harness.queries.createMulti(bucket, patterns, wanted);
  const batches = await readAllMulti(harness.queries, bucket, id);
  return batches.flatMap(decodeV2).map(({ entryName, ts }) => `${entryName}@${ts}`);
}

describe('a removal', () => {
  test('takes exactly the records that the same query returns', async () => {
    await fc.assert(
      fc.asyncProperty(groups, spec, async (written, wanted) => {
        const bucket = await write(written);
        for (const entry of bucket.entries.values()) {
          const { oldestTs, latestTs, recordCount } = entry.stats;
          if (recordCount > 0 && (wanted.startTs ?? oldestTs) > (wanted.stopTs ?? latestTs + 1n)) {
            continue;
          }
          const before = await found(bucket, entry, querySpec());
          const matching = new Set(await found(bucket, entry, wanted));
          const removed = await harness.removals.removeFromEntry(entry, wanted);
          expect(removed).toBe(matching.size);
          const left = before.filter((ts) => !matching.has(ts));
          expect(await found(bucket, entry, querySpec())).toEqual(left);
          expect(entry.stats.recordCount).toBe(left.length);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('over a bucket takes what the same query over the same entries returns', async () => {
    const patterns = fc.constantFrom(undefined, ['a'], ['a*'], ['!c'], ['**', '!a']);
    await fc.assert(
      fc.asyncProperty(groups, spec, patterns, async (written, wanted, selected) => {
        const bucket = await write(written);
        const before = await foundIn(bucket, undefined, querySpec());
        const matching = new Set(await foundIn(bucket, selected, wanted));
        const removed = await harness.removals.removeFromBucket(bucket, selected, wanted);
        expect(removed).toBe(matching.size);
        const left = before.filter((name) => !matching.has(name));
        expect(new Set(await foundIn(bucket, undefined, querySpec()))).toEqual(new Set(left));
      }),
      { numRuns: 60 },
    );
  });

  test('of more records than a page holds leaves none of them', async () => {
    const bucket = await harness.newBucket();
    const records = Array.from({ length: 10_000 }, (_, i) => ({
      ts: BigInt(i),
      labels: ['odd', String(i % 2)],
    }));
    for (let at = 0; at < records.length; at += 1_000) {
      await harness.write(bucket, 'e', records.slice(at, at + 1_000));
    }
    const entry = harness.store.catalog.entry(bucket.name, 'e');
    const whenText = '{"&odd":{"$eq":1}}';
    expect(await harness.removals.removeFromEntry(entry, querySpec({ whenText }))).toBe(5_000);
    expect(entry.stats).toMatchObject({ recordCount: 5_000, oldestTs: 0n, latestTs: 9_998n });
    expect(await harness.removals.removeFromEntry(entry, querySpec())).toBe(5_000);
    expect(entry.stats).toMatchObject({ recordCount: 0, sizeBytes: 0, extentCount: 0 });
  });

  test('a record that was removed and written again behind the search stays', async () => {
    const bucket = await harness.newBucket();
    const entry = await harness.write(bucket, 'e', [{ ts: 1n }, { ts: 2n }]);
    const timestamps = BigUint64Array.of(1n, 2n);
    const sequence = harness.store.commits.headSequence - 1;
    const sequences = Float64Array.of(sequence, sequence);
    await harness.changes.remove({ entry, timestamps: BigUint64Array.of(2n) });
    await harness.write(bucket, 'e', [{ ts: 2n, payload: Buffer.from('new') }]);
    const errors = await harness.changes.remove({ entry, timestamps, sequences });
    expect(errors.map((error) => error?.status ?? null)).toEqual([null, 404]);
    expect(await found(bucket, entry, querySpec())).toEqual([2n]);
  });

  test('in strict mode ends with the error of the condition', async () => {
    const bucket = await harness.newBucket();
    const entry = await harness.write(bucket, 'e', [{ ts: 1n }, { ts: 2n, labels: ['x', '1'] }]);
    const strict = querySpec({ whenText: '{"&x":{"$eq":1}}', strict: true });
    await expect(harness.removals.removeFromEntry(entry, strict)).rejects.toMatchObject({
      status: 404,
    });
    expect(await found(bucket, entry, querySpec())).toEqual([1n, 2n]);
    const broken = querySpec({ whenText: '{"$nope":1}' });
    await expect(harness.removals.removeFromEntry(entry, broken)).rejects.toMatchObject({
      status: 422,
    });
  });

  test('of an entry that is deleted meanwhile is refused', async () => {
    const bucket = await harness.newBucket();
    const entry = await harness.write(bucket, 'e', [{ ts: 1n, labels: ['x', '1'] }]);
    entry.status = 'DELETING';
    const filtered = querySpec({ whenText: '{"&x":{"$eq":1}}' });
    for (const wanted of [querySpec(), filtered]) {
      await expect(harness.removals.removeFromEntry(entry, wanted)).rejects.toMatchObject({
        status: 409,
        message: `Entry 'e' in bucket '${bucket.name}' is being deleted`,
      });
    }
    await expect(
      harness.removals.removeFromBucket(bucket, undefined, querySpec()),
    ).rejects.toMatchObject({ status: 409 });
    entry.status = 'READY';
  });
});
