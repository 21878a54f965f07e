import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MAX_AGE_MS } from '../../../src/replication/scan/block-cache.ts';
import { PageReader } from '../../../src/replication/scan/page-reader.ts';
import type { RangeIterator, RocksReader } from '../../../src/store/rocks.ts';
import { LogFixture } from '../../lib/log-fixture.ts';

const BUCKET = 1;
const BLOCKS = 30;
/** A page of 1 MiB takes five of them. */
const PAYLOAD = Buffer.alloc(250_000, 7);

let log: LogFixture;
let opened = 0;
let open = 0;
let reader: RocksReader;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  log = await LogFixture.open();
  for (let i = 0; i < BLOCKS; i++) log.append(BUCKET, 1, [{ ts: BigInt(i), payload: PAYLOAD }]);
  opened = 0;
  open = 0;
  const { db } = log;
  reader = {
    get: (column, key) => db.get(column, key),
    getMany: (column, keys) => db.getMany(column, keys),
    getAsync: (column, key) => db.getAsync(column, key),
    iterate: (column, range): RangeIterator => {
      const iterator = db.iterate(column, range);
      opened++;
      open++;
      return {
        next: (rows) => iterator.next(rows),
        close: () => {
          open--;
          iterator.close();
        },
      };
    },
  };
});

afterEach(async () => {
  vi.runAllTimers();
  vi.useRealTimers();
  await log.close();
});

/** Reads page after page until `limit`. Returns the sequences of the blocks. */
function readAll(pages: PageReader, from: number, limit: number, nowMs: number): number[] {
  const sequences: number[] = [];
  for (let at = from; at < limit;) {
    const page = pages.read(at, limit, nowMs);
    expect(page.from).toBe(at);
    expect(page.to).toBeGreaterThan(at);
    sequences.push(...page.blocks.map((block) => block.sequence));
    at = page.to;
  }
  return sequences;
}

describe('pages of the store', () => {
  test('one iterator reads all pages, and is closed behind the last one', () => {
    const all = Array.from({ length: BLOCKS }, (_, index) => index + 1);
    expect(readAll(new PageReader(reader), 1, log.headSequence, 0)).toEqual(all);
    expect(opened).toBe(1);
    expect(open).toBe(0);
  });

  test('removed blocks are holes in a page, and the last page reaches the limit', () => {
    for (const sequence of [3, 4, 5, 6, 7, 8, 29, 30]) log.removeBlock(sequence);
    const left = readAll(new PageReader(reader), 1, log.headSequence, 0);
    expect(left).toHaveLength(BLOCKS - 8);
    expect(left).not.toContain(5);
    expect(left.at(-1)).toBe(28);
  });

  test('readers at different places keep their own iterators, and at most four of them', () => {
    const pages = new PageReader(reader);
    const places = [1, 3, 5, 7, 9, 11].map((at) => pages.read(at, log.headSequence, 0).to);
    expect(open).toBe(4);
    pages.read(places[5] ?? 0, log.headSequence, 0);
    expect(opened).toBe(6);
    pages.read(places[0] ?? 0, log.headSequence, 0);
    expect(opened).toBe(7);
  });

  test('a kept iterator is not used when what it sees is old', () => {
    const pages = new PageReader(reader);
    const { to } = pages.read(1, log.headSequence, 0);
    const page = pages.read(to, log.headSequence, MAX_AGE_MS);
    expect(opened).toBe(2);
    expect(page.readMs).toBe(MAX_AGE_MS);
  });

  test('a page is as old as the iterator that read it', () => {
    const pages = new PageReader(reader);
    const { to } = pages.read(1, log.headSequence, 0);
    expect(pages.read(to, log.headSequence, MAX_AGE_MS / 4).readMs).toBe(0);
    expect(pages.pageAt(to, MAX_AGE_MS)).toBeDefined();
    expect(pages.pageAt(to, MAX_AGE_MS + 1)).toBeUndefined();
  });

  test('pages are found by what they contain, until there are newer ones', () => {
    const pages = new PageReader(reader);
    const first = pages.read(1, log.headSequence, 0);
    expect(pages.pageAt(first.to - 1, 0)).toBe(first);
    expect(pages.pageAt(first.to, 0)).toBeUndefined();
    readAll(pages, first.to, log.headSequence, 0);
    expect(pages.pageAt(1, 0)).toBeUndefined();
    expect(pages.pageAt(BLOCKS, 0)).toBeDefined();
  });

  test('nothing is kept when nobody reads any more', () => {
    const pages = new PageReader(reader);
    pages.read(1, log.headSequence, 0);
    expect(open).toBe(1);
    vi.advanceTimersByTime(MAX_AGE_MS);
    expect(open).toBe(0);
    expect(pages.pageAt(1, 0)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });
});
