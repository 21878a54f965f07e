import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import type { QueryHarness, QueryHarnessOptions, WrittenRecord } from '../lib/query-harness.ts';
import { decodeV1, openQueryHarness, querySpec, readAllBatches } from '../lib/query-harness.ts';

let path = '';
let harness: QueryHarness;
let bucket: Bucket;
let nowMs = 0;

async function open(options: QueryHarnessOptions = {}): Promise<void> {
  harness = await openQueryHarness(path, options);
  bucket = await harness.newBucket();
}

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  nowMs = 0;
});

afterEach(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

/** Records at 1, 2, 3 … µs. */
function records(count: number, fields: Partial<WrittenRecord> = {}): WrittenRecord[] {
  return Array.from({ length: count }, (_, index) => ({ ...fields, ts: BigInt(index + 1) }));
}

async function writeEntry(count: number, fields?: Partial<WrittenRecord>): Promise<Entry> {
  return await harness.write(bucket, 'e', records(count, fields));
}

const NOT_FOUND = (id: number | bigint): unknown =>
  expect.objectContaining({
    status: 404,
    message: `Query ${id} not found and it might have expired. Check TTL in your query request.`,
  });

describe('batches', () => {
  test('100 empty records are 85 that are not the last and 15 that are', async () => {
    await open();
    const entry = await writeEntry(100);
    const id = harness.queries.create(bucket, entry, querySpec());
    const batches = await readAllBatches(harness.queries, bucket, entry, id);
    expect(batches.map(({ recordCount, last }) => [recordCount, last])).toEqual([
      [85, false],
      [15, true],
    ]);
  });

  test('exactly 85 records are one batch that is not the last, and then the end', async () => {
    await open();
    const entry = await writeEntry(85);
    const id = BigInt(harness.queries.create(bucket, entry, querySpec()));
    const batch = await harness.queries.readBatch(bucket, entry, id, true);
    expect(batch).toMatchObject({ recordCount: 85, last: false });
    expect(await harness.queries.readBatch(bucket, entry, id, true)).toBeUndefined();
    expect(await harness.queries.readBatch(bucket, entry, id, true)).toBeUndefined();
  });

  test('a batch ends with the record that exceeds the body limit', async () => {
    await open();
    const entry = await writeEntry(5, { payload: Buffer.alloc(500_000, 1) });
    const spec = querySpec({ whenText: '{"#batch_size":1000000}' });
    const id = harness.queries.create(bucket, entry, spec);
    const batches = await readAllBatches(harness.queries, bucket, entry, id);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([3, 2]);
  });

  test('without a body its size does not limit the batch, and lengths stay real', async () => {
    await open({ limits: { maxBodyBytes: 1 } });
    const entry = await writeEntry(3, { payload: Buffer.alloc(10) });
    const id = harness.queries.create(bucket, entry, querySpec());
    const batches = await readAllBatches(harness.queries, bucket, entry, id, false);
    expect(batches).toMatchObject([{ recordCount: 3, bodyBytes: 30, body: [], last: true }]);
    expect(batches.flatMap(decodeV1).map(({ lengthBytes }) => lengthBytes)).toEqual([10, 10, 10]);
  });

  test('header lines stay below what fetch of Node.js accepts, but one record is always sent', async () => {
    await open();
    const large = { ts: 50n, labels: ['long', 'x'.repeat(20_000)] };
    const entry = await harness.write(bucket, 'e', [
      ...records(60, { labels: ['long', 'y'.repeat(400)] }).filter(({ ts }) => ts !== 50n),
      large,
    ]);
    const id = harness.queries.create(bucket, entry, querySpec());
    const batches = await readAllBatches(harness.queries, bucket, entry, id);
    const sizes = batches.map(({ headerLines }) => headerLines.length + 2);
    expect(sizes.filter((bytes) => bytes > 14_000)).toHaveLength(1);
    expect(batches[sizes.findIndex((bytes) => bytes > 14_000)]?.recordCount).toBe(1);
    expect(batches.flatMap(decodeV1)).toHaveLength(60);
  });

  test('directives change the limits and select labels', async () => {
    await open();
    const entry = await writeEntry(5, { labels: ['a', '1', 'b', '2'] });
    const whenText = '{"#batch_records":2,"#select_labels":["b"],"&a":{"$eq":1}}';
    const id = harness.queries.create(bucket, entry, querySpec({ whenText }));
    const batches = await readAllBatches(harness.queries, bucket, entry, id);
    expect(batches.map(({ recordCount }) => recordCount)).toEqual([2, 2, 1]);
    expect(batches.flatMap(decodeV1).map(({ labels }) => labels)).toEqual(
      records(5).map(() => ['b', '2']),
    );
  });

  test('requests that come at once get consecutive batches', async () => {
    await open({ limits: { maxRecords: 2 } });
    const entry = await writeEntry(5);
    const id = BigInt(harness.queries.create(bucket, entry, querySpec()));
    const read = (): Promise<unknown> => harness.queries.readBatch(bucket, entry, id, true);
    const batches = await Promise.all([read(), read(), read(), read()]);
    expect(batches).toMatchObject([
      { recordCount: 2, headerLines: expect.stringContaining('x-reduct-time-1:') },
      { recordCount: 2, headerLines: expect.stringContaining('x-reduct-time-3:') },
      { recordCount: 1, headerLines: expect.stringContaining('x-reduct-time-5:') },
      undefined,
    ]);
  });

  test('too many requests for one query at once are refused', async () => {
    await open();
    const entry = await writeEntry(5);
    const id = BigInt(harness.queries.create(bucket, entry, querySpec()));
    const reads = Array.from({ length: 17 }, () =>
      harness.queries.readBatch(bucket, entry, id, true),
    );
    const outcomes = await Promise.allSettled(reads);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ status: 503 }) },
    ]);
  });
});

describe('single reads', () => {
  test('give one record after the other, then the end once, then 400', async () => {
    await open();
    const entry = await harness.write(bucket, 'e', [
      { ts: 1n, payload: Buffer.from('one'), labels: ['k', 'v'], contentType: 'text/plain' },
      { ts: 2n },
    ]);
    const id = BigInt(harness.queries.create(bucket, entry, querySpec()));
    const read = (): Promise<unknown> => harness.queries.readRecord(bucket, entry, id, true);
    expect(await read()).toEqual({
      entryName: 'e',
      ts: 1n,
      contentType: 'text/plain',
      labels: ['k', 'v'],
      lengthBytes: 3,
      payload: new Uint8Array(Buffer.from('one')),
      large: undefined,
    });
    expect(await read()).toMatchObject({ ts: 2n, lengthBytes: 0, payload: new Uint8Array(0) });
    expect(await read()).toBeUndefined();
    const text = `Query'${bucket.name}/e/${id}' was closed: broken channel`;
    await expect(read()).rejects.toMatchObject({ status: 400, message: text });
    expect(await harness.queries.readBatch(bucket, entry, id, true)).toBeUndefined();
  });

  test('without body a record has its length but no content', async () => {
    await open();
    const entry = await writeEntry(1, { payload: Buffer.from('one') });
    const id = BigInt(harness.queries.create(bucket, entry, querySpec()));
    expect(await harness.queries.readRecord(bucket, entry, id, false)).toMatchObject({
      lengthBytes: 3,
      payload: undefined,
      large: undefined,
    });
  });
});

describe('creation', () => {
  test.each([
    ['a start behind the newest', { startTs: 9n }, 'Start time must be before stop time'],
    ['a start behind the stop', { startTs: 2n, stopTs: 1n }, 'Start time must be before stop time'],
    ['each_n 0', { eachN: 0 }, "'each_n' must be greater than 0"],
    ['each_s 0', { eachS: 0 }, 'Time must be greater than 0 seconds'],
    ['a negative each_s', { eachS: -1 }, 'Time must be greater than 0 seconds'],
    ['an each_s that is no number', { eachS: NaN }, 'Time must be greater than 0 seconds'],
    ['limit 0', { limit: 0 }, "'limit' must be greater than 0"],
    ['an unknown operator', { whenText: '{"$foo":1}' }, "Operator '$foo' not supported"],
  ])('%s is refused', async (_, overrides, message) => {
    await open();
    const entry = await writeEntry(3);
    expect(() => harness.queries.create(bucket, entry, querySpec(overrides))).toThrow(
      expect.objectContaining({ status: 422, message }),
    );
  });

  test('a condition with an extension is refused', async () => {
    await open();
    const entry = await writeEntry(1);
    const id = harness.queries.reserveId() + 1;
    const create = (): number =>
      harness.queries.create(bucket, entry, querySpec({ whenText: '{"#ext":{"ros":{}}}' }));
    const message = `Unknown extension 'ros' in query id=${id}`;
    expect(create).toThrow(expect.objectContaining({ status: 422, message }));
  });

  test('ids count up, over several entries by one for each', async () => {
    await open();
    const entry = await writeEntry(1);
    await harness.write(bucket, 'other', records(1));
    const first = harness.queries.create(bucket, entry, querySpec());
    const multi = harness.queries.createMulti(bucket, undefined, querySpec());
    const next = harness.queries.create(bucket, entry, querySpec());
    expect([multi - first, next - multi]).toEqual([1, 3]);
    expect(harness.queries.reserveId()).toBe(next + 1);
  });

  test('too many open queries are refused until one expires', async () => {
    await open({ maxQueries: 2, nowMs: () => nowMs });
    const entry = await writeEntry(1);
    const create = (): number => harness.queries.create(bucket, entry, querySpec({ ttlMs: 100 }));
    create();
    create();
    expect(create).toThrow(expect.objectContaining({ status: 503 }));
    nowMs = 1_000;
    expect(create()).toBeGreaterThan(0);
    expect(harness.queries.openQueries).toBe(1);
  });
});

describe('the time to live', () => {
  test('of 0 lets the creation pass and no read', async () => {
    await open();
    const entry = await writeEntry(1);
    const id = harness.queries.create(bucket, entry, querySpec({ ttlMs: 0 }));
    await expect(harness.queries.readBatch(bucket, entry, BigInt(id), true)).rejects.toEqual(
      NOT_FOUND(id),
    );
    const multi = harness.queries.createMulti(bucket, undefined, querySpec({ ttlMs: 0 }));
    await expect(harness.queries.readMulti(bucket, BigInt(multi), true, true)).rejects.toEqual(
      NOT_FOUND(multi),
    );
  });

  test('begins anew with every read, also after the end', async () => {
    await open({ nowMs: () => nowMs });
    const entry = await writeEntry(1);
    const id = harness.queries.create(bucket, entry, querySpec({ ttlMs: 100 }));
    const read = (): Promise<unknown> => harness.queries.readBatch(bucket, entry, BigInt(id), true);
    nowMs = 99;
    expect(await read()).toMatchObject({ recordCount: 1 });
    nowMs = 198;
    expect(await read()).toBeUndefined();
    nowMs = 298;
    await expect(read()).rejects.toEqual(NOT_FOUND(id));
  });
});

describe('a query belongs to its entry or bucket', () => {
  test('reading it elsewhere is 404', async () => {
    await open();
    const entry = await writeEntry(1);
    const other = await harness.write(bucket, 'other', records(1));
    const otherBucket = await harness.newBucket();
    const { queries } = harness;
    const single = BigInt(queries.create(bucket, entry, querySpec()));
    const multi = BigInt(queries.createMulti(bucket, undefined, querySpec()));
    await expect(queries.readBatch(bucket, other, single, true)).rejects.toEqual(NOT_FOUND(single));
    await expect(queries.readRecord(bucket, other, single, true)).rejects.toEqual(
      NOT_FOUND(single),
    );
    await expect(queries.readMulti(bucket, single, true, true)).rejects.toEqual(NOT_FOUND(single));
    await expect(queries.readBatch(bucket, entry, multi, true)).rejects.toEqual(NOT_FOUND(multi));
    await expect(queries.readMulti(otherBucket, multi, true, true)).rejects.toEqual(
      NOT_FOUND(multi),
    );
    const huge = 2n ** 64n - 1n;
    await expect(queries.readBatch(bucket, entry, huge, true)).rejects.toEqual(NOT_FOUND(huge));
  });
});

describe('an error of a strict condition', () => {
  const strict = querySpec({ strict: true, whenText: '{"&a":{"$eq":1}}' });

  test('replaces the batch once, and then the query is over', async () => {
    await open();
    const entry = await harness.write(bucket, 'e', [{ ts: 1n, labels: ['a', '1'] }, { ts: 2n }]);
    const id = BigInt(harness.queries.create(bucket, entry, strict));
    const read = (): Promise<unknown> => harness.queries.readBatch(bucket, entry, id, true);
    await expect(read()).rejects.toMatchObject({ status: 404, message: "Reference 'a' not found" });
    expect(await read()).toBeUndefined();
  });

  test('closes single reads', async () => {
    await open();
    const entry = await harness.write(bucket, 'e', [{ ts: 1n, labels: ['a', '1'] }, { ts: 2n }]);
    const id = BigInt(harness.queries.create(bucket, entry, strict));
    const read = (): Promise<unknown> => harness.queries.readRecord(bucket, entry, id, true);
    expect(await read()).toMatchObject({ ts: 1n });
    await expect(read()).rejects.toMatchObject({ status: 404 });
    await expect(read()).rejects.toMatchObject({ status: 400 });
  });
});
