import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket } from '../../src/catalog/model.ts';
import type { ReadBatch } from '../../src/query/types.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import { decodeV1, decodeV2, openQueryHarness, querySpec } from '../lib/query-harness.ts';

/** A query may wait this long between two reads; a read that finds nothing waits for a quarter of it. */
const TTL_MS = 4_000;

let path = '';
let harness: QueryHarness;
let bucket: Bucket;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path, { batchTimeoutMs: 50 });
  bucket = await harness.newBucket();
});

afterEach(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

function times(batch: ReadBatch | undefined): bigint[] | undefined {
  return batch === undefined ? undefined : decodeV1(batch).map(({ ts }) => ts);
}

describe('a continuous query of one entry', () => {
  test('delivers what is there, then nothing, then what has been written since', async () => {
    const entry = await harness.write(bucket, 'e', [{ ts: 10n }, { ts: 20n }]);
    const spec = querySpec({ continuous: true, ttlMs: TTL_MS });
    const id = BigInt(harness.queries.create(bucket, entry, spec));
    const read = (): Promise<ReadBatch | undefined> =>
      harness.queries.readBatch(bucket, entry, id, true);
    const first = await read();
    expect(times(first)).toEqual([10n, 20n]);
    expect(first?.last).toBe(true);
    expect(await read()).toBeUndefined();
    await harness.write(bucket, 'e', [{ ts: 15n }, { ts: 30n }]);
    expect(times(await read())).toEqual([30n]);
    expect(await read()).toBeUndefined();
  });

  test('a read that waits goes on when a record is committed', async () => {
    const entry = await harness.write(bucket, 'e', [{ ts: 10n }]);
    const spec = querySpec({ continuous: true, startTs: 20n });
    const id = BigInt(harness.queries.create(bucket, entry, spec));
    const waiting = harness.queries.readBatch(bucket, entry, id, true);
    await harness.write(bucket, 'e', [{ ts: 11n }]);
    await harness.write(bucket, 'e', [{ ts: 20n }]);
    expect(times(await waiting)).toEqual([20n]);
  });

  test('its condition starts anew when it is drained', async () => {
    const entry = await harness.write(bucket, 'e', [{ ts: 1n }, { ts: 2n }, { ts: 3n }]);
    const spec = querySpec({ continuous: true, ttlMs: TTL_MS, whenText: '{"$each_n":2}' });
    const id = BigInt(harness.queries.create(bucket, entry, spec));
    const read = (): Promise<ReadBatch | undefined> =>
      harness.queries.readBatch(bucket, entry, id, true);
    expect(times(await read())).toEqual([2n]);
    await harness.write(bucket, 'e', [{ ts: 4n }]);
    expect(await read()).toBeUndefined();
    await harness.write(bucket, 'e', [{ ts: 5n }, { ts: 6n }]);
    expect(times(await read())).toEqual([6n]);
  });

  test('single reads never end it', async () => {
    const entry = await harness.write(bucket, 'e', [{ ts: 1n }]);
    const spec = querySpec({ continuous: true, ttlMs: TTL_MS });
    const id = BigInt(harness.queries.create(bucket, entry, spec));
    const read = (): Promise<unknown> => harness.queries.readRecord(bucket, entry, id, true);
    expect(await read()).toMatchObject({ ts: 1n });
    expect(await read()).toBeUndefined();
    expect(await read()).toBeUndefined();
    await harness.write(bucket, 'e', [{ ts: 2n }]);
    expect(await read()).toMatchObject({ ts: 2n });
  });

  test('$limit ends it', async () => {
    const entry = await harness.write(bucket, 'e', [{ ts: 1n }, { ts: 2n }]);
    const spec = querySpec({ continuous: true, ttlMs: TTL_MS, whenText: '{"$limit":1}' });
    const id = BigInt(harness.queries.create(bucket, entry, spec));
    expect(times(await harness.queries.readBatch(bucket, entry, id, true))).toEqual([1n]);
    await harness.write(bucket, 'e', [{ ts: 3n }]);
    expect(await harness.queries.readBatch(bucket, entry, id, true)).toBeUndefined();
  });
});

describe('a continuous query of several entries', () => {
  test('answers with an empty batch when nothing comes, and is never at its last batch', async () => {
    await harness.write(bucket, 'a', [{ ts: 1n }]);
    await harness.write(bucket, 'b', [{ ts: 2n }]);
    const id = BigInt(
      harness.queries.createMulti(bucket, undefined, querySpec({ continuous: true })),
    );
    const read = (): Promise<ReadBatch | undefined> =>
      harness.queries.readMulti(bucket, id, true, true);
    expect(await read()).toMatchObject({ recordCount: 2, last: false });
    expect(await read()).toEqual({
      headerLines: 'x-reduct-entries: \r\nx-reduct-start-ts: 0',
      recordCount: 0,
      bodyBytes: 0,
      body: [],
      last: false,
    });
    await harness.write(bucket, 'b', [{ ts: 3n }]);
    const batch = await read();
    expect(batch === undefined ? [] : decodeV2(batch)).toMatchObject([{ entryName: 'b', ts: 3n }]);
  });

  test('a read that waits goes on when a record is committed', async () => {
    await harness.close();
    harness = await openQueryHarness(path, { batchTimeoutMs: 20_000 });
    bucket = await harness.newBucket();
    await harness.write(bucket, 'a', [{ ts: 1n }]);
    const spec = querySpec({ continuous: true, startTs: 2n });
    const id = BigInt(harness.queries.createMulti(bucket, ['a'], spec));
    const waiting = harness.queries.readMulti(bucket, id, true, true);
    await harness.write(bucket, 'other', [{ ts: 2n }]);
    await harness.write(bucket, 'a', [{ ts: 2n }]);
    expect(await waiting).toMatchObject({ recordCount: 1 });
  });

  test('ends when the time to live runs out during a read', async () => {
    await harness.close();
    harness = await openQueryHarness(path, { batchTimeoutMs: 60_000 });
    bucket = await harness.newBucket();
    await harness.write(bucket, 'a', [{ ts: 1n }]);
    const spec = querySpec({ continuous: true, startTs: 2n, ttlMs: TTL_MS });
    const id = BigInt(harness.queries.createMulti(bucket, ['a'], spec));
    expect(await harness.queries.readMulti(bucket, id, true, true)).toBeUndefined();
    await expect(harness.queries.readMulti(bucket, id, true, true)).rejects.toMatchObject({
      status: 404,
    });
  });
});
