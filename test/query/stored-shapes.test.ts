import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import type { MillraceError } from '../../src/errors/errors.ts';
import { StoredRecordReader } from '../../src/query/record-reader.ts';
import { rewriteBlock } from '../../src/store/block-rewrite.ts';
import { CHUNK_BYTES, COLUMN_BLOCKS } from '../../src/store/format.ts';
import { blockKey } from '../../src/store/keys.ts';
import { readBlock, runAtOrBefore } from '../../src/store/run-index.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import {
  bodyBytes,
  decodeV1,
  openQueryHarness,
  querySpec,
  readAllBatches,
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

const content = (ts: bigint): Buffer => Buffer.from(`content of ${ts}`);

async function writeGroup(...times: bigint[]): Promise<Entry> {
  const records = times.map((ts) => ({ ts, payload: content(ts) }));
  return await harness.write(bucket, 'e', records);
}

async function readTimes(entry: Entry): Promise<bigint[]> {
  const id = harness.queries.create(bucket, entry, querySpec());
  const batches = await readAllBatches(harness.queries, bucket, entry, id);
  const times = batches.flatMap(decodeV1).map(({ ts }) => ts);
  expect(Buffer.concat(batches.map(bodyBytes))).toEqual(Buffer.concat(times.map(content)));
  return times;
}

/** Sequence of the block that holds the record. */
function sequenceOf(entry: Entry, ts: bigint): number {
  return runAtOrBefore(harness.store.db, entry.id, ts)?.sequence ?? -1;
}

function removeRecordInBlock(entry: Entry, ts: bigint): void {
  const sequence = sequenceOf(entry, ts);
  const view = readBlock(harness.store.db, sequence);
  if (view === undefined) throw new Error(`no block of ${ts}`);
  const index = view.lowerBound(ts, 0, view.recordCount);
  const batch = harness.store.db.batch();
  batch.put(COLUMN_BLOCKS, blockKey(sequence), rewriteBlock(view, new Map([[index, null]])));
  batch.commit(false);
}

function removeBlock(entry: Entry, ts: bigint): void {
  const batch = harness.store.db.batch();
  batch.del(COLUMN_BLOCKS, blockKey(sequenceOf(entry, ts)));
  batch.commit(false);
}

/** A record whose content lies in chunks. */
async function writeLarge(ts: bigint, lengthBytes: number): Promise<void> {
  const { commits, catalog } = harness.store;
  const upload = commits.openUpload();
  for (let at = 0; at < lengthBytes; at += CHUNK_BYTES) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, lengthBytes - at), at / CHUNK_BYTES + 1);
    await settled((done) => upload.append(chunk, done));
  }
  const target = catalog.entryForWrite(bucket.name, 'e');
  await settled((done) => {
    const sink = { onWritten: (_tag: number, error: MillraceError | null) => done(error) };
    commits.stageUpload(target, ts, 'video/x', ['k', 'v'], upload, sink, 0);
  });
}

function settled(start: (done: (error: MillraceError | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}

describe('removed records', () => {
  test('a block that is gone while the index names it is skipped', async () => {
    await writeGroup(1n, 2n);
    await writeGroup(3n, 4n);
    const entry = await writeGroup(5n, 6n);
    removeBlock(entry, 3n);
    expect(await readTimes(entry)).toEqual([1n, 2n, 5n, 6n]);
  });

  test('a record removed from the middle of a block is skipped', async () => {
    const entry = await writeGroup(1n, 2n, 3n, 4n);
    removeRecordInBlock(entry, 2n);
    removeRecordInBlock(entry, 4n);
    expect(await readTimes(entry)).toEqual([1n, 3n]);
  });

  test('a query created after the removal sees it, even where one before has read the block', async () => {
    const entry = await writeGroup(1n, 2n, 3n);
    expect(await readTimes(entry)).toEqual([1n, 2n, 3n]);
    removeRecordInBlock(entry, 2n);
    expect(await readTimes(entry)).toEqual([1n, 3n]);
  });

  test('a record that was accepted but not delivered yet is skipped', async () => {
    const entry = await writeGroup(1n, 2n, 3n);
    const whenText = '{"#batch_records":1,"#ctx_before":5,"$timestamp":{"$eq":3}}';
    const id = BigInt(harness.queries.create(bucket, entry, querySpec({ whenText })));
    const first = await harness.queries.readBatch(bucket, entry, id, true);
    expect(first === undefined ? [] : decodeV1(first)).toMatchObject([{ ts: 1n }]);
    removeRecordInBlock(entry, 2n);
    const second = await harness.queries.readBatch(bucket, entry, id, true);
    expect(second === undefined ? [] : decodeV1(second)).toMatchObject([{ ts: 3n }]);
  });
});

describe('large records', () => {
  test('are references between the contents of small ones', async () => {
    await writeGroup(1n, 2n);
    await writeLarge(3n, 2 * CHUNK_BYTES + 5);
    const entry = await writeGroup(4n);
    const id = harness.queries.create(bucket, entry, querySpec());
    const batches = await readAllBatches(harness.queries, bucket, entry, id);
    const [batch] = batches;
    expect(batches).toHaveLength(1);
    expect(batch?.body).toEqual([
      new Uint8Array(Buffer.concat([content(1n), content(2n)])),
      { uploadId: expect.any(Number), chunkBytes: CHUNK_BYTES, lengthBytes: 2 * CHUNK_BYTES + 5 },
      new Uint8Array(content(4n)),
    ]);
    const lengths = batches.flatMap(decodeV1).map(({ lengthBytes }) => lengthBytes);
    expect(lengths).toEqual([12, 12, 2 * CHUNK_BYTES + 5, 12]);
    expect(batch?.bodyBytes).toBe(36 + 2 * CHUNK_BYTES + 5);
  });

  test('are a reference in single reads', async () => {
    await writeLarge(3n, CHUNK_BYTES + 1);
    const entry = await writeGroup(4n);
    const id = BigInt(harness.queries.create(bucket, entry, querySpec()));
    expect(await harness.queries.readRecord(bucket, entry, id, true)).toMatchObject({
      ts: 3n,
      contentType: 'video/x',
      labels: ['k', 'v'],
      lengthBytes: CHUNK_BYTES + 1,
      payload: undefined,
      large: { chunkBytes: CHUNK_BYTES },
    });
  });
});

describe('reading by timestamp', () => {
  test('finds a record in whatever block it lies', async () => {
    await writeGroup(10n, 20n, 30n);
    const entry = await writeGroup(15n, 40n);
    const reader = new StoredRecordReader(harness.store.db);
    for (const ts of [10n, 15n, 20n, 30n, 40n]) {
      const record = reader.read(entry, ts);
      expect(record).toMatchObject({ entryName: 'e', ts, lengthBytes: content(ts).length });
      expect(Buffer.from(record.payload ?? [])).toEqual(content(ts));
    }
    expect(reader.read(entry, undefined).ts).toBe(40n);
  });

  test.each([0n, 12n, 35n, 41n, 2n ** 64n - 1n])('misses the record %s', async (ts) => {
    await writeGroup(10n, 20n, 30n);
    const entry = await writeGroup(15n, 40n);
    const reader = new StoredRecordReader(harness.store.db);
    const message = `Record ${ts} not found in entry ${bucket.name}/e`;
    expect(() => reader.read(entry, ts)).toThrow(expect.objectContaining({ status: 404, message }));
  });

  test('misses removed records', async () => {
    await writeGroup(10n, 20n, 30n);
    const entry = await writeGroup(40n);
    const reader = new StoredRecordReader(harness.store.db);
    removeRecordInBlock(entry, 20n);
    removeBlock(entry, 40n);
    expect(() => reader.read(entry, 20n)).toThrow('Record 20 not found');
    expect(() => reader.read(entry, 40n)).toThrow('Record 40 not found');
    expect(reader.read(entry, 30n).ts).toBe(30n);
  });

  test('the newest record of an entry without records is record 0', async () => {
    const entry = await harness.write(bucket, 'parent/child', [{ ts: 1n }]);
    const parent = harness.store.catalog.entry(bucket.name, 'parent');
    const reader = new StoredRecordReader(harness.store.db);
    const message = `Record 0 not found in entry ${bucket.name}/parent`;
    expect(() => reader.read(parent, undefined)).toThrow(
      expect.objectContaining({ status: 404, message }),
    );
    expect(reader.read(entry, undefined).ts).toBe(1n);
  });

  test('chunks of large records are read one by one', async () => {
    await writeLarge(3n, CHUNK_BYTES + 3);
    const entry = harness.store.catalog.entry(bucket.name, 'e');
    const reader = new StoredRecordReader(harness.store.db);
    const { large, payload } = reader.read(entry, 3n);
    expect(payload).toBeUndefined();
    const uploadId = large?.uploadId ?? -1;
    expect(await reader.readChunk(uploadId, 0)).toEqual(Buffer.alloc(CHUNK_BYTES, 1));
    expect(await reader.readChunk(uploadId, 1)).toEqual(Buffer.alloc(3, 2));
    expect(await reader.readChunk(uploadId, 2)).toBeUndefined();
  });
});
