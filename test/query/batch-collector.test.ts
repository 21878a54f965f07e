import { describe, expect, test } from 'vitest';
import type { PickedRecord } from '../../src/query/scan/batch-collector.ts';
import { BatchCollector, MAX_HELD_BLOCK_BYTES } from '../../src/query/scan/batch-collector.ts';
import { BatchV1Format } from '../../src/query/scan/batch-formats.ts';
import { BlockView, blockBytesBound, encodeBlock } from '../../src/store/block.ts';
import { encodeMeta } from '../../src/store/record-meta.ts';

/** A block of two records; the second one has all the content. */
function blockOf(payloadBytes: number): Buffer {
  const meta = encodeMeta('text/plain', []);
  const source = Buffer.alloc(payloadBytes);
  const records = [
    { ts: 1n, length: 0, source, offset: 0, meta },
    { ts: 2n, length: payloadBytes, source, offset: 0, meta },
  ];
  const out = Buffer.alloc(blockBytesBound(records));
  const identity = { sequence: 1, bucketId: 1, entryId: 1, bucketOrdinal: 0 };
  return out.subarray(0, encodeBlock(out, identity, records));
}

function pick(block: BlockView, ts: bigint, lengthBytes = 0): PickedRecord {
  return { ordinal: 0, ts, block, index: 0, lengthBytes, contentType: 'text/plain', labels: [] };
}

const LIMITS = { maxRecords: 1_000, maxBodyBytes: 1_000, maxMetadataBytes: 1e6 };

describe('a batch', () => {
  test('ends when the blocks it holds are too large together', () => {
    const bytes = blockOf(1024 * 1024);
    const collector = new BatchCollector(new BatchV1Format(), LIMITS, true);
    let ts = 0n;
    while (!collector.isFull) {
      const block = new BlockView(bytes);
      // Records of one block count it once.
      collector.offer(pick(block, ++ts));
      if (!collector.isFull) collector.offer(pick(block, ++ts));
    }
    const blocks = new Set(collector.records.map(({ block }) => block)).size;
    expect(blocks).toBe(Math.floor(MAX_HELD_BLOCK_BYTES / bytes.length) + 1);
  });

  test('holds one record more than the body limit allows', () => {
    const block = new BlockView(blockOf(10));
    const collector = new BatchCollector(new BatchV1Format(), LIMITS, true);
    collector.offer(pick(block, 1n, 1_000));
    expect(collector.isFull).toBe(false);
    collector.offer(pick(block, 2n, 1));
    expect(collector.isFull).toBe(true);
    expect(collector.bodyBytes).toBe(1_001);
  });

  test('ends before the record whose header line would be too much', () => {
    const block = new BlockView(blockOf(10));
    const limits = { ...LIMITS, maxMetadataBytes: 2 * 'x-reduct-time-1: 0,text/plain\r\n'.length };
    const collector = new BatchCollector(new BatchV1Format(), limits, true);
    expect([1n, 2n, 3n].map((ts) => collector.offer(pick(block, ts)))).toEqual([true, true, false]);
    expect(collector.isFull).toBe(true);
    expect(collector.finish().headerLines).toBe(
      'x-reduct-time-1: 0,text/plain\r\nx-reduct-time-2: 0,text/plain',
    );
  });
});
