import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { BodyBuffers, bufferBytes, heldBytesOf } from '../../src/query/body-buffers.ts';
import type { ReadBatch } from '../../src/query/types.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import { bodyBytes, openQueryHarness, querySpec } from '../lib/query-harness.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

describe('free buffers of bodies', () => {
  test('a body gets a buffer a quarter longer at most, and one that is too small or too large its own', () => {
    for (let bytes = 32 * KIB; bytes <= 8 * MIB; bytes += 31_337) {
      expect(bufferBytes(bytes)).toBeGreaterThanOrEqual(bytes);
      expect(bufferBytes(bytes)).toBeLessThanOrEqual(1.25 * bytes);
    }
    const buffers = new BodyBuffers();
    for (const bytes of [0, 32 * KIB - 1, 8 * MIB + 1]) {
      expect(buffers.take(bytes)).toEqual(new ArrayBuffer(bytes));
    }
  });

  test('one buffer serves one body at a time', () => {
    const buffers = new BodyBuffers();
    const first = new SharedArrayBuffer(bufferBytes(100_000));
    buffers.give(first);
    expect(buffers.take(100_000)).toBe(first);
    expect(buffers.take(100_000)).not.toBe(first);
    buffers.give(first);
    expect(buffers.takeAll()).toEqual([first]);
    expect(buffers.takeAll()).toEqual([]);
    expect(buffers.take(100_000)).not.toBe(first);
  });

  test('no more than 16 MiB wait, those given last', () => {
    const buffers = new BodyBuffers();
    const given = Array.from({ length: 20 }, () => new SharedArrayBuffer(MIB));
    for (const buffer of given) buffers.give(buffer);
    expect(buffers.takeAll()).toEqual(given.slice(4));
  });
});

describe('bodies from query threads', () => {
  const RECORDS = 8;
  const contents = Array.from({ length: RECORDS }, () => randomBytes(64 * KIB));
  let path = '';
  let harness: QueryHarness;
  let bucket: Bucket;
  let entry: Entry;

  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    harness = await openQueryHarness(path, { threads: 1, limits: { maxRecords: 1 } });
    bucket = await harness.newBucket();
    const records = contents.map((payload, index) => ({ ts: BigInt(index), payload }));
    entry = await harness.write(bucket, 'e', records);
  });
  afterAll(async () => {
    await harness.close();
    await rm(path, { recursive: true, force: true });
  });

  async function readFirst(startTs: bigint): Promise<ReadBatch> {
    const { queries } = harness;
    const id = BigInt(queries.create(bucket, entry, querySpec({ startTs })));
    const batch = await queries.readBatch(bucket, entry, id, true);
    if (batch === undefined) throw new Error('nothing read');
    return batch;
  }

  test('a body stays as it is until it is given back, and then its memory serves a later one', async () => {
    const first = await readFirst(0n);
    const others = [await readFirst(1n), await readFirst(2n)];
    expect(bodyBytes(first)).toEqual(contents[0]);
    expect(heldBytesOf(first.body)).toBe(64 * KIB);
    harness.queries.recycle(first);
    const later = await readFirst(3n);
    expect(bodyBytes(later)).toEqual(contents[3]);
    // The same memory.
    expect(bodyBytes(first)).toEqual(contents[3]);
    expect(others.map(bodyBytes)).toEqual(contents.slice(1, 3));
  });
});
