import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { hideTombstones } from '../../src/query/tombstone-filter.ts';
import { parseJson, stringifyJson } from '../../src/wire/json.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import {
  decodeV1,
  decodeV2,
  openQueryHarness,
  querySpec,
  readAllBatches,
  readAllMulti,
} from '../lib/query-harness.ts';

const FILTER = '{"$and":[{"$has":"remove"},{"&remove":{"$eq":true}}]}';

test.each([
  ['null', `{"$not":[${FILTER}]}`],
  ['{}', `{"$not":[${FILTER}]}`],
  ['{"&a":1,"$limit":2}', `{"&a":1,"$limit":2,"$not":[${FILTER}]}`],
  ['{"$not":["&a"],"$limit":2}', `{"$not":["&a",${FILTER}],"$limit":2}`],
  ['{"$not":[]}', `{"$not":[${FILTER}]}`],
  [
    '{"#batch_records":1,"$not":{"&a":{"$eq":1}},"$limit":2}',
    `{"#batch_records":1,"$and":[{"$not":{"&a":{"$eq":1}},"$limit":2}],"$not":[${FILTER}]}`,
  ],
  ['true', `{"$and":[true],"$not":[${FILTER}]}`],
  ['2.0', `{"$and":[2.0],"$not":[${FILTER}]}`],
])('%s with the filter', (when, expected) => {
  expect(stringifyJson(hideTombstones(parseJson(when, { keepFloats: true })))).toBe(expected);
});

describe('queries on attachments', () => {
  let path = '';
  let harness: QueryHarness;
  let bucket: Bucket;
  let entry: Entry;

  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    harness = await openQueryHarness(path);
    bucket = await harness.newBucket();
    const records = Array.from({ length: 6 }, (_, i) => ({
      ts: BigInt(i),
      labels: ['key', `k${i}`, 'even', String(i % 2 === 0)],
    }));
    entry = await harness.write(bucket, 'e/$meta', records);
    // 0 and 3 are removed; 4 says that it is not.
    const relabel = (ts: bigint, value: string) => ({ entry, ts, operations: ['remove', value] });
    await harness.changes.update([relabel(0n, 'true'), relabel(3n, 'true'), relabel(4n, 'false')]);
  });

  afterAll(async () => {
    await harness.close();
    await rm(path, { recursive: true, force: true });
  });

  test.each([
    [undefined, [1n, 2n, 4n, 5n]],
    ['{}', [1n, 2n, 4n, 5n]],
    ['true', [1n, 2n, 4n, 5n]],
    ['{"&even":{"$eq":true}}', [2n, 4n]],
    ['{"$not":[{"&even":{"$eq":true}}]}', [1n, 5n]],
    ['{"$not":"&even"}', [1n, 5n]],
    // The caller's own limit and sampling come first, and count what is removed.
    ['{"$limit":2}', [1n]],
    ['{"$each_n":2}', [1n, 5n]],
  ])('with the condition %s see what is not removed', async (whenText, expected) => {
    for (const strict of [false, true]) {
      const wanted = querySpec({ whenText, strict });
      const id = harness.queries.create(bucket, entry, wanted);
      const batches = await readAllBatches(harness.queries, bucket, entry, id);
      expect(batches.flatMap(decodeV1).map(({ ts }) => ts)).toEqual(expected);
      const multiId = harness.queries.createMulti(bucket, ['e/$meta'], wanted);
      const multi = await readAllMulti(harness.queries, bucket, multiId);
      expect(multi.flatMap(decodeV2).map(({ ts }) => ts)).toEqual(expected);
    }
  });

  test('go on behind a full batch where they were', async () => {
    const wanted = querySpec({ whenText: '{"#batch_records":1}' });
    const id = harness.queries.create(bucket, entry, wanted);
    const batches = await readAllBatches(harness.queries, bucket, entry, id);
    expect(batches.map((batch) => decodeV1(batch).map(({ ts }) => ts))).toEqual([
      [1n],
      [2n],
      [4n],
      [5n],
    ]);
  });

  test('leave other entries alone', async () => {
    const plain = await harness.write(bucket, 'e', [{ ts: 1n, labels: ['remove', 'true'] }]);
    const id = harness.queries.create(bucket, plain, querySpec());
    const batches = await readAllBatches(harness.queries, bucket, plain, id);
    expect(batches.flatMap(decodeV1).map(({ ts }) => ts)).toEqual([1n]);
  });

  test('that remove see everything', async () => {
    const filtered = querySpec({ whenText: '{"&even":{"$eq":true}}' });
    expect(await harness.removals.removeFromBucket(bucket, ['e/$meta'], filtered)).toBe(0);
    expect(await harness.removals.removeFromEntry(entry, filtered)).toBe(3);
    expect(await harness.removals.removeFromEntry(entry, querySpec())).toBe(3);
  });
});
