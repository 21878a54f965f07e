import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket } from '../../src/catalog/model.ts';
import type { QuerySpec, ReadBatch } from '../../src/query/types.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import {
  bodyBytes,
  decodeV2,
  headerPairs,
  openQueryHarness,
  querySpec,
  readAllMulti,
} from '../lib/query-harness.ts';

let path = '';
let harness: QueryHarness;
let bucket: Bucket;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path);
  bucket = await harness.newBucket();
});

afterEach(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

async function write(entryName: string, ...times: bigint[]): Promise<void> {
  const records = times.map((ts) => ({ ts, payload: Buffer.from(`${entryName}${ts} `) }));
  await harness.write(bucket, entryName, records);
}

async function readAll(
  spec: Partial<QuerySpec> = {},
  patterns?: readonly string[],
  isInterleavingSafe = true,
): Promise<ReadBatch[]> {
  const id = harness.queries.createMulti(bucket, patterns, querySpec(spec));
  return await readAllMulti(harness.queries, bucket, id, isInterleavingSafe);
}

const keys = (batch: ReadBatch): string[] =>
  decodeV2(batch).map(({ entryName, ts }) => `${entryName}${ts}`);

describe('a query of several entries', () => {
  test('groups a batch by entry in order of their first record, headers and body alike', async () => {
    await write('a', 2n, 4n);
    await write('b', 1n, 3n);
    const batches = await readAll();
    expect(batches.map(keys)).toEqual([['b1', 'b3', 'a2', 'a4']]);
    expect(batches.map(bodyBytes).join('')).toBe('b1 b3 a2 a4 ');
    const headers = new Map(batches.flatMap(({ headerLines }) => headerPairs(headerLines)));
    expect(headers.get('x-reduct-entries')).toBe('b,a');
    expect(headers.get('x-reduct-start-ts')).toBe('1');
    expect(batches[0]?.last).toBe(true);
  });

  test('for other clients a batch ends before an entry comes back', async () => {
    await write('a', 1n, 2n, 5n);
    await write('b', 3n, 4n);
    const batches = await readAll({}, undefined, false);
    expect(batches.map(keys)).toEqual([['a1', 'a2', 'b3', 'b4'], ['a5']]);
    expect(batches.map(({ last }) => last)).toEqual([false, true]);
  });

  test('at equal times the entries follow by name', async () => {
    await write('b', 7n);
    await write('a', 7n);
    await write('a/b', 7n);
    const batches = await readAll({}, undefined, false);
    expect(batches.map(keys)).toEqual([['a7', 'a/b7', 'b7']]);
  });

  test('without a selected entry there is an id and nothing to read', async () => {
    await write('a', 1n);
    expect(await readAll({}, ['none'])).toEqual([]);
    expect(await readAll({ continuous: true }, ['none'])).toEqual([]);
  });

  test('an entry whose range would be refused contributes nothing', async () => {
    await write('old/child', 5n);
    await write('new', 50n);
    expect((await readAll({ startTs: 20n })).map(keys)).toEqual([['new50']]);
  });

  test('an entry that is being removed is refused', async () => {
    await write('a', 1n);
    await write('b', 1n);
    harness.store.catalog.entry(bucket.name, 'b').status = 'DELETING';
    const message = `Entry 'b' in bucket '${bucket.name}' is being deleted`;
    expect(() => harness.queries.createMulti(bucket, undefined, querySpec())).toThrow(
      expect.objectContaining({ status: 409, message }),
    );
    expect((await readAll({}, ['a'])).map(keys)).toEqual([['a1']]);
  });

  test('limits and conditions count for each entry', async () => {
    await write('a', 1n, 2n, 3n);
    await write('b', 1n, 2n, 3n);
    const limited = await readAll({ limit: 2 });
    expect(limited.map(keys)).toEqual([['a1', 'a2', 'b1', 'b2']]);
    const conditional = await readAll({ whenText: '{"$each_n":2}' });
    expect(conditional.map(keys)).toEqual([['a2', 'b2']]);
  });

  test('many entries whose records lie far apart are read in order of time', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `n${String(index).padStart(2, '0')}`);
    for (const [index, name] of names.entries()) {
      await write(name, 0n, BigInt(1_000 - index), BigInt(2_000 + index));
    }
    const batches = await readAll({ startTs: 1n });
    // Inside a batch records are grouped by entry.
    const order = (x: bigint, y: bigint): number => (x < y ? -1 : 1);
    const found = batches.flatMap((batch) =>
      decodeV2(batch)
        .map(({ ts }) => ts)
        .toSorted(order),
    );
    expect(found).toHaveLength(120);
    expect(found).toEqual(found.toSorted(order));
  });
});
