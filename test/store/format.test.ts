import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { decodeStats, emptyStats, encodeStats } from '../../src/catalog/rows.ts';
import { HEADER, ringBytes, SLOT } from '../../src/ring/layout.ts';
import type { BlockRecord } from '../../src/store/block.ts';
import {
  blockBytesBound,
  BlockView,
  encodeBlock,
  encodeLargeBlock,
} from '../../src/store/block.ts';
import {
  decodeMeta,
  encodeMeta,
  metaWithoutPath,
  pathOfMeta,
  writtenLabelsOfMeta,
} from '../../src/store/record-meta.ts';
import { rewriteBlock } from '../../src/store/block-rewrite.ts';
import * as format from '../../src/store/format.ts';
import * as keys from '../../src/store/keys.ts';
import { decodeRun, encodeRun } from '../../src/store/run-index.ts';

describe('on-disk format 1', () => {
  test('keys are these bytes', () => {
    expect(keys.blockKey(0x010203040506).toString('hex')).toBe('000001010203040506');
    expect(keys.chunkKey(5, 7).toString('hex')).toBe('00000200000000000500000007');
    expect(keys.indexKey(3, 0x0102030405060708n).toString('hex')).toBe('000000030102030405060708');
    expect(keys.metaKey(format.META.bucket, 9).toString('hex')).toBe('0200000009');
    expect(keys.metaKey64(format.META.extent, 9, 1n).toString('hex')).toBe(
      '05000000090000000000000001',
    );
    expect(keys.uploadKey(2).toString('hex')).toBe('08000000000002');
    expect(keys.tokenKey('té').toString('hex')).toBe('0a74c3a9');
    expect(keys.lifecycleKey('té').toString('hex')).toBe('0c74c3a9');
    expect(keys.attachmentKey(9, 'abc').toString('hex')).toBe(
      '0b00000009ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  test('offsets of block header and record table are these', () => {
    expect(format.BLOCK).toEqual({
      version: 0,
      kind: 1,
      metaCount: 2,
      bucketId: 4,
      entryId: 8,
      recordCount: 12,
      sequence: 16,
      bucketOrdinal: 22,
      metaBytes: 28,
      payloadBytes: 32,
      headerBytes: 36,
    });
    expect(format.BLOCK_ROW).toEqual({ timestamp: 0, length: 8, metaIndex: 14, bytes: 16 });
    expect(format.META).toEqual({
      header: 1,
      bucket: 2,
      entry: 3,
      entryStats: 4,
      extent: 5,
      task: 6,
      cursor: 7,
      upload: 8,
      deadLetter: 9,
      token: 10,
      attachment: 11,
      lifecycle: 12,
      taskRange: 13,
      updateBlock: 14,
      budgetUse: 15,
    });
  });

  test('offsets of the ring are these', () => {
    expect(HEADER).toEqual({
      magic: 0,
      version: 4,
      dataBytes: 8,
      slotCount: 12,
      head: 64,
      wake: 72,
      tail: 128,
      bytes: 192,
    });
    expect(SLOT).toEqual({ sequenceLow: 0, offset: 4, length: 8, bucketId: 12, bytes: 16 });
    expect(ringBytes(1000)).toBe(192 + 65_536 * 16 + 1000);
  });

  test('a meta with a path is these bytes, and is read with and without it', () => {
    const path = 'instance:7';
    const meta = encodeMeta('t', ['a', 'b'], path);
    const plain = '0001' + '74' + '0001' + '000161' + '0000000162';
    expect(meta.toString('hex')).toBe(plain + Buffer.from(path).toString('hex'));
    expect(pathOfMeta(meta)).toBe(path);
    expect(decodeMeta(meta, 0)).toEqual({ contentType: 't', labels: ['a', 'b'] });
    expect(metaWithoutPath(meta).toString('hex')).toBe(plain);
    expect(pathOfMeta(Buffer.from(plain, 'hex'))).toBe('');
  });

  test('a meta with the labels a record was written with is these bytes, and each part is read alone', () => {
    const meta = encodeMeta('t', ['a', 'b'], 'i:7', ['c', 'd']);
    const plain = '0001' + '74' + '0001' + '000161' + '0000000162';
    const path = Buffer.from('i:7').toString('hex');
    expect(meta.toString('hex')).toBe(`${plain}${path}00` + '0001' + '000163' + '0000000164');
    expect(pathOfMeta(meta)).toBe('i:7');
    expect(writtenLabelsOfMeta(meta)).toEqual(['c', 'd']);
    expect(decodeMeta(meta, 0)).toEqual({ contentType: 't', labels: ['a', 'b'] });
    expect(metaWithoutPath(meta).toString('hex')).toBe(plain);
    const withoutPath = encodeMeta('t', ['a', 'b'], '', []);
    expect([pathOfMeta(withoutPath), writtenLabelsOfMeta(withoutPath)]).toEqual(['', []]);
    expect(writtenLabelsOfMeta(encodeMeta('t', [], 'i:7'))).toBe(null);
  });

  test('a block is these bytes', () => {
    const meta = encodeMeta('text/plain', ['a', 'b']);
    const source = Buffer.from('xyz');
    const records: BlockRecord[] = [
      { ts: 1n, length: 2, source, offset: 0, meta },
      { ts: 0x0102030405060708n, length: 1, source, offset: 2, meta },
    ];
    const out = Buffer.alloc(blockBytesBound(records));
    const identity = { sequence: 6, bucketId: 1, entryId: 2, bucketOrdinal: 9 };
    const bytes = out.subarray(0, encodeBlock(out, identity, records));
    expect(bytes.toString('hex')).toBe(
      [
        '01010001',
        '00000001',
        '00000002',
        '00000002',
        '000000000006',
        '000000000009',
        '00000016',
        '00000003',
        '0000000000000001' + '000000000002' + '0000',
        '0102030405060708' + '000000000001' + '0000',
        '00000000',
        '000a' + Buffer.from('text/plain').toString('hex') + '0001' + '000161' + '0000000162',
        '78797a',
      ].join(''),
    );
  });

  test('an index row is these bytes and reads back', () => {
    const run = {
      firstTs: 4n,
      lastTs: 5n,
      sequence: 6,
      startIndex: 7,
      count: 8,
      large: true,
      whole: true,
      sizeBytes: 9,
    };
    const value = encodeRun(run);
    expect(value.toString('hex')).toBe(
      '0000000000000005' + '000000000006' + '00000007' + '00000008' + '03' + '000000000009',
    );
    expect(decodeRun(keys.indexKey(1, 4n), value)).toEqual(run);
  });

  test('figures of an entry read back', () => {
    const stats = {
      ...emptyStats(),
      recordCount: 2 ** 40,
      sizeBytes: 2 ** 47,
      oldestTs: 1n,
      latestTs: format.U64_MAX,
      extentCount: 3,
      bucketOrdinal: 2 ** 41,
      extent: { startTs: 2n, contentBytes: 2 ** 39, records: 1024 },
    };
    expect(decodeStats(encodeStats(stats))).toEqual(stats);
    expect(decodeStats(encodeStats(emptyStats()))).toEqual(emptyStats());
  });
});

describe('block', () => {
  const record = fc.record({
    ts: fc.bigInt({ min: 0n, max: format.U64_MAX }),
    payload: fc.uint8Array({ maxLength: 300 }),
    contentType: fc.constantFrom('', 'application/octet-stream', 'text/plain'),
    labels: fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), {
      maxLength: 4,
    }),
  });

  test('any records with any labels read back as they were written', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), (written) => {
        const records = written.map(({ ts, payload, contentType, labels }) => ({
          ts,
          length: payload.length,
          source: Buffer.from(payload),
          offset: 0,
          meta: encodeMeta(contentType, labels.flat()),
        }));
        const out = Buffer.alloc(blockBytesBound(records));
        const identity = { sequence: 77, bucketId: 5, entryId: 6, bucketOrdinal: 123 };
        const view = new BlockView(out.subarray(0, encodeBlock(out, identity, records)));
        expect(view).toMatchObject(identity);
        expect(view.recordCount).toBe(written.length);
        for (const [at, expected] of written.entries()) {
          expect(view.ts(at)).toBe(expected.ts);
          expect([...view.payload(at)]).toEqual([...expected.payload]);
          expect(view.metaOf(at)).toEqual({
            contentType: expected.contentType,
            labels: expected.labels.flat(),
          });
        }
      }),
    );
  });

  test('records that go to and fro between a few labels share them, also after one was changed or removed', () => {
    const states = ['working', 'working', 'idle', 'failed'];
    const metas = new Map(states.map((state) => [state, encodeMeta('', ['state', state])]));
    const changed = encodeMeta('', ['state', 'changed']);
    const source = Buffer.from('abcd');
    const records = Array.from({ length: 40 }, (_, at) => {
      const meta = metas.get(states[at % states.length] ?? '') ?? changed;
      return { ts: BigInt(at), length: at % 5, source, offset: 0, meta };
    });
    const out = Buffer.alloc(blockBytesBound(records));
    const identity = { sequence: 1, bucketId: 1, entryId: 1, bucketOrdinal: 0 };
    const view = new BlockView(out.subarray(0, encodeBlock(out, identity, records)));
    const changes = new Map([
      [7, null],
      [21, changed],
    ]);
    const rewritten = new BlockView(rewriteBlock(view, changes));
    expect(view.metaCount).toBe(3);
    expect(rewritten.metaCount).toBe(4);
    expect(rewritten.isRemoved(7)).toBe(true);
    for (const [at, { length }] of records.entries()) {
      const state = states[at % states.length];
      expect(view.metaOf(at).labels).toEqual(['state', state]);
      expect(view.payload(at).toString()).toBe('abcd'.slice(0, length));
      if (at === 7) continue;
      expect(rewritten.metaOf(at).labels).toEqual(['state', at === 21 ? 'changed' : state]);
      expect(rewritten.payload(at).toString()).toBe('abcd'.slice(0, length));
    }
  });

  test('a block cut anywhere, or with bytes behind it, is not accepted', () => {
    const meta = encodeMeta('', []);
    const records = [{ ts: 1n, length: 4, source: Buffer.from('abcd'), offset: 0, meta }];
    const out = Buffer.alloc(blockBytesBound(records));
    const identity = { sequence: 1, bucketId: 1, entryId: 1, bucketOrdinal: 0 };
    const whole = out.subarray(0, encodeBlock(out, identity, records));
    for (let length = 0; length < whole.length; length++) {
      expect(() => new BlockView(whole.subarray(0, length))).toThrow();
    }
    expect(() => new BlockView(Buffer.concat([whole, Buffer.from('x')]))).toThrow();
  });

  test('the block of a large record names its chunks and the whole length', () => {
    const out = Buffer.alloc(200);
    const written = encodeLargeBlock(
      out,
      { sequence: 1, bucketId: 1, entryId: 1, bucketOrdinal: 0 },
      { ts: 9n, length: 2 ** 33, meta: encodeMeta('video/mp4', []) },
      { uploadId: 44, chunkBytes: 1 << 20 },
    );
    const view = new BlockView(out.subarray(0, written));
    expect(view.length(0)).toBe(2 ** 33);
    expect(view.large()).toEqual({ uploadId: 44, chunkBytes: 1 << 20 });
  });
});
