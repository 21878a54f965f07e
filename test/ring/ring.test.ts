import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RingReader } from '../../src/ring/reader.ts';
import { RingWriter } from '../../src/ring/writer.ts';
import { SLOT_COUNT } from '../../src/ring/layout.ts';

const MEBIBYTE = 1 << 20;
const BUCKET = 7;
const allocate = (bytes: number): Buffer => Buffer.allocUnsafe(bytes);

/** A block whose content proves which sequence it is and that it is whole. */
function checkedBlock(sequence: number, bytes: number): Buffer {
  const block = Buffer.alloc(Math.max(16, bytes), sequence & 0xff);
  block.writeDoubleLE(sequence, 0);
  block.writeUInt32LE(crc32(block.subarray(12)) >>> 0, 8);
  return block;
}

/** Equality without the cost of a diff. */
function isBlock(copy: unknown, sequence: number, bytes: number): boolean {
  return Buffer.isBuffer(copy) && copy.equals(checkedBlock(sequence, bytes));
}

interface ReaderResult {
  readonly read: number;
  readonly torn: number;
  readonly inStore: number;
  readonly lapped: number;
}

async function hammer(
  dataBytes: number,
  blocks: number,
  maxBytes: number,
): Promise<ReaderResult[]> {
  const writer = new RingWriter(dataBytes, 1);
  const url = fileURLToPath(new URL('../workers/ring-reader.mjs', import.meta.url));
  const workers = [false, true, true].map(
    (stepBack) =>
      new Worker(url, { workerData: { buffer: writer.buffer, last: blocks, stepBack } }),
  );
  const results = workers.map(async (worker) => {
    const [result]: ReaderResult[] = await once(worker, 'message');
    if (result === undefined) throw new Error('no result');
    return result;
  });
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  for (let sequence = 1; sequence <= blocks; sequence++) {
    writer.append(sequence, BUCKET, checkedBlock(sequence, (sequence * 7919) % maxBytes));
    if (sequence % 5 === 0 || sequence === blocks) writer.publish();
  }
  const all = await Promise.all(results);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return all;
}

describe('ring log', () => {
  test('a published block reads back until the producer has lapped it', () => {
    const writer = new RingWriter(MEBIBYTE, 10);
    const reader = new RingReader(writer.buffer);
    expect(reader.read(10, BUCKET, allocate)).toBe('not-published');
    writer.append(10, BUCKET, checkedBlock(10, 1000));
    expect(reader.read(10, BUCKET, allocate)).toBe('not-published');
    writer.publish();
    expect(reader.read(10, BUCKET, allocate)).toEqual(checkedBlock(10, 1000));
    expect(reader.read(9, BUCKET, allocate)).toBe('in-store');
    for (let sequence = 11; sequence < 80; sequence++) {
      writer.append(sequence, BUCKET, checkedBlock(sequence, 60_000));
    }
    writer.publish();
    expect(reader.read(10, BUCKET, allocate)).toBe('in-store');
    expect(reader.read(79, BUCKET, allocate)).toEqual(checkedBlock(79, 60_000));
  });

  test('blocks of other buckets are recognised without being copied', () => {
    const writer = new RingWriter(MEBIBYTE, 1);
    const reader = new RingReader(writer.buffer);
    writer.append(1, BUCKET + 1, checkedBlock(1, 100));
    writer.publish();
    const neverAllocate = (): Buffer => {
      throw new Error('copied');
    };
    expect(reader.read(1, BUCKET, neverAllocate)).toBe('other-bucket');
  });

  test('a block too large for the ring is left to the store and counted', () => {
    const writer = new RingWriter(MEBIBYTE, 1);
    const reader = new RingReader(writer.buffer);
    writer.append(1, BUCKET, Buffer.alloc(MEBIBYTE / 8));
    writer.append(2, BUCKET, checkedBlock(2, 100));
    writer.publish();
    expect(reader.read(1, BUCKET, allocate)).toBe('in-store');
    expect(reader.read(2, BUCKET, allocate)).toEqual(checkedBlock(2, 100));
    expect(writer.stats().tooLarge).toBe(1);
  });

  test('blocks of buckets that nobody reads are left to the store and counted', () => {
    const writer = new RingWriter(MEBIBYTE, 1);
    const reader = new RingReader(writer.buffer);
    writer.setReadBuckets(new Set([BUCKET]));
    writer.append(1, BUCKET + 1, checkedBlock(1, 100));
    writer.append(2, BUCKET, checkedBlock(2, 100));
    writer.publish();
    expect(reader.read(1, BUCKET + 1, allocate)).toBe('in-store');
    expect(reader.read(2, BUCKET, allocate)).toEqual(checkedBlock(2, 100));
    expect(writer.stats().unread).toBe(1);
  });

  test('sequences must come without a gap', () => {
    const writer = new RingWriter(MEBIBYTE, 1);
    expect(() => writer.append(2, BUCKET, Buffer.alloc(16))).toThrow(
      'BUG: ring expects sequence 1, got 2',
    );
  });

  test('more blocks than slots push the tail, also when all would fit in bytes', () => {
    const writer = new RingWriter(16 * MEBIBYTE, 1);
    const reader = new RingReader(writer.buffer);
    const total = SLOT_COUNT + 100;
    for (let sequence = 1; sequence <= total; sequence++) {
      writer.append(sequence, BUCKET, checkedBlock(sequence, 16));
    }
    writer.publish();
    expect(reader.tail()).toBe(101);
    expect(reader.read(100, BUCKET, allocate)).toBe('in-store');
    expect(reader.read(101, BUCKET, allocate)).toEqual(checkedBlock(101, 16));
    expect(reader.read(total, BUCKET, allocate)).toEqual(checkedBlock(total, 16));
  });

  test('sequences beyond 2^32 keep their identity', () => {
    const start = 2 ** 32 - 2;
    const writer = new RingWriter(MEBIBYTE, start);
    const reader = new RingReader(writer.buffer);
    for (let i = 0; i < 5; i++) writer.append(start + i, BUCKET, checkedBlock(start + i, 64));
    writer.publish();
    expect(reader.head()).toBe(start + 5);
    expect(reader.read(start + 4, BUCKET, allocate)).toEqual(checkedBlock(start + 4, 64));
  });

  test('whatever the sizes, a reader gets the exact block or is sent to the store', () => {
    const sizes = fc.array(fc.integer({ min: 16, max: MEBIBYTE / 16 }), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(sizes, (lengths) => {
        const writer = new RingWriter(MEBIBYTE, 1);
        const reader = new RingReader(writer.buffer);
        for (const [at, bytes] of lengths.entries()) {
          writer.append(at + 1, BUCKET, checkedBlock(at + 1, bytes));
          writer.publish();
          for (let sequence = 1; sequence <= at + 1; sequence++) {
            const copy = reader.read(sequence, BUCKET, allocate);
            if (copy === 'in-store') expect(sequence).toBeLessThan(reader.tail());
            else expect(isBlock(copy, sequence, lengths[sequence - 1] ?? 0)).toBe(true);
          }
          // The newest block is always there: readers that keep up never touch the disk.
          expect(reader.read(at + 1, BUCKET, allocate)).not.toBe('in-store');
        }
      }),
      { numRuns: 30 },
    );
  });

  test('a waiting reader wakes on publish and after its timeout', async () => {
    const writer = new RingWriter(MEBIBYTE, 1);
    const reader = new RingReader(writer.buffer);
    const seen = reader.wakeCount();
    const waiting = reader.waitForPublish(seen, 20_000);
    writer.append(1, BUCKET, checkedBlock(1, 16));
    writer.publish();
    await waiting;
    expect(reader.head()).toBe(2);
    await reader.waitForPublish(reader.wakeCount(), 5);
    await reader.waitForPublish(seen, 20_000);
  });

  test('threads lapped on purpose never accept a torn block', async () => {
    const results = await hammer(MEBIBYTE, 60_000, 4000);
    expect(results.map((result) => result.torn)).toEqual([0, 0, 0]);
    for (const result of results) expect(result.read).toBeGreaterThan(0);
    // The test is only worth something if readers really were overtaken.
    const overtaken = results.reduce((sum, { lapped, inStore }) => sum + lapped + inStore, 0);
    expect(overtaken).toBeGreaterThan(0);
  });
});
