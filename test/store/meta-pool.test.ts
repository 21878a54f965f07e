import { describe, expect, test } from 'vitest';
import { BlockView, blockBytesBound, encodeBlock } from '../../src/store/block.ts';
import { encodeMeta } from '../../src/store/record-meta.ts';
import { MetaPool } from '../../src/store/meta-pool.ts';
import type { Labels } from '../../src/store/labels.ts';

function blockOf(metas: readonly Buffer[]): Buffer {
  const source = Buffer.alloc(0);
  const records = metas.map((meta, i) => ({ ts: BigInt(i), length: 0, source, offset: 0, meta }));
  const out = Buffer.alloc(blockBytesBound(records));
  const identity = { sequence: 1, bucketId: 1, entryId: 1, bucketOrdinal: 0 };
  return out.subarray(0, encodeBlock(out, identity, records));
}

describe('a pool of metas', () => {
  test('gives equal content types and labels of different blocks as one object', () => {
    const pool = new MetaPool();
    const metas = [encodeMeta('a/b', ['x', '1']), encodeMeta('a/b', ['x', '2'])];
    const first = new BlockView(blockOf(metas), pool);
    const second = new BlockView(blockOf(metas.toReversed()), pool);
    expect(first.metaOf(0)).toBe(second.metaOf(1));
    expect(first.metaOf(1)).toBe(second.metaOf(0));
    expect(first.metaOf(0)).toEqual({ contentType: 'a/b', labels: ['x', '1'] });
  });

  test('gives what a block alone gives, however many and however long they are', () => {
    const pool = new MetaPool();
    for (let i = 0; i < 5_000; i++) {
      const long = i % 10 === 0 ? 'v'.repeat(2_000) : 'ü\u{1f600}';
      const labels: Labels = [`name-${i}`, `${long}${i}`];
      const bytes = blockOf([encodeMeta(`t/${i % 3}`, labels), encodeMeta('', [])]);
      const view = new BlockView(bytes, pool);
      expect(view.metaOf(0)).toEqual({ contentType: `t/${i % 3}`, labels });
      expect(view.metaOf(1)).toEqual({ contentType: '', labels: [] });
    }
  });
});
