import { describe, expect, test } from 'vitest';
import { SlicedRemover } from '../../src/catalog/removal.ts';
import { COLUMN_BLOCKS, COLUMN_INDEX, COLUMN_META, META } from '../../src/store/format.ts';
import type { ColumnName } from '../../src/store/rocks.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

async function withStore(use: (store: StoreHarness, path: string) => Promise<void>): Promise<void> {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    await use(store, path);
  });
}

const write = (store: StoreHarness, entryName: string, ts = 1n): Promise<unknown> =>
  store.write(store.catalog.entryForWrite('b', entryName), ts, Buffer.from(entryName));

/** Names of durable entries, sorted. */
function names(store: StoreHarness, bucketName = 'b'): string[] {
  const entries = [...store.catalog.bucket(bucketName).entries.values()];
  return entries
    .filter(({ isDurable }) => isDurable)
    .map(({ name }) => name)
    .sort();
}

async function reopened(store: StoreHarness, path: string): Promise<StoreHarness> {
  await store.close();
  return openHarness(path);
}

function countRows(store: StoreHarness, column: ColumnName): number {
  const iterator = store.db.iterate(column, { keysOnly: true });
  try {
    return iterator.next(100_000).rows.length / 2;
  } finally {
    iterator.close();
  }
}

/** Ends when entries marked as DELETING are gone. */
async function untilRemoved(store: StoreHarness): Promise<void> {
  for (;;) {
    const entries = [...store.catalog.bucket('b').entries.values()];
    if (entries.every(({ status }) => status === 'READY')) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('renaming an entry', () => {
  test('takes all descendants along, and creates the parents of the new name', async () => {
    await withStore(async (store, path) => {
      await Promise.all(['a', 'a/x', 'a/x/$meta', 'ab'].map((name) => write(store, name)));
      await store.catalog.renameEntry('b', 'a', 'n/m');
      const expected = ['ab', 'n', 'n/m', 'n/m/x', 'n/m/x/$meta'];
      expect(names(store)).toEqual(expected);
      const again = await reopened(store, path);
      expect(names(again)).toEqual(expected);
      expect(again.catalog.entry('b', 'n/m/x').stats.recordCount).toBe(1);
      await again.close();
    });
  });

  test('also takes an entry along that is being created in the same turn', async () => {
    await withStore(async (store, path) => {
      await write(store, 'a');
      const late = write(store, 'a/new');
      await store.catalog.renameEntry('b', 'a', 'z');
      expect(await late).toBeNull();
      expect(names(store)).toEqual(['z', 'z/new']);
      const again = await reopened(store, path);
      expect(names(again)).toEqual(['z', 'z/new']);
      await again.close();
    });
  });

  test('a request that began under the old name writes to the renamed entry', async () => {
    await withStore(async (store) => {
      await write(store, 'a');
      const target = store.catalog.entryForWrite('b', 'a');
      await store.catalog.renameEntry('b', 'a', 'z');
      expect(await store.write(target, 2n, Buffer.from('x'))).toBeNull();
      expect(store.catalog.entry('b', 'z').stats.recordCount).toBe(2);
      await store.close();
    });
  });

  test('an entry that never came to be is neither in the way nor left behind', async () => {
    await withStore(async (store, path) => {
      await store.catalog.updateBucket('b', {
        ...TEST_SETTINGS,
        quota_type: 'HARD',
        quota_size: 1,
      });
      expect(await write(store, 'ghost')).toMatchObject({ status: 400 });
      await store.catalog.updateBucket('b', TEST_SETTINGS);
      const ghost = store.catalog.entryForWrite('b', 'ghost');
      await write(store, 'a');
      await store.catalog.renameEntry('b', 'a', 'ghost');
      expect(await store.write(ghost, 9n, Buffer.from('x'))).toMatchObject({ status: 409 });
      expect(await write(store, 'ghost', 9n)).toBeNull();
      const again = await reopened(store, path);
      expect(names(again)).toEqual(['ghost']);
      expect(again.catalog.entry('b', 'ghost').stats.recordCount).toBe(2);
      await again.close();
    });
  });

  test.each([
    ['a', 'a', 409, "Entry 'a' already exists in bucket 'b'"],
    ['a', 'a/below', 409, "Entry 'a/below' already exists in bucket 'b'"],
    ['a', 'c', 409, "Entry 'c' already exists in bucket 'b'"],
    ['none', 'x', 404, "Entry 'none' not found in bucket 'b'"],
    ['none', 'c', 404, "Entry 'none' not found in bucket 'b'"],
    [
      'a',
      'a.b',
      422,
      "Entry name can contain only letters, digits and [-,_,/] symbols or end with '/$meta'",
    ],
    [
      'a',
      'x/$meta',
      422,
      "Entry 'a' can't be renamed to 'x/$meta': only one of them is a system entry",
    ],
  ])('%s to %s is refused', async (from, to, status, message) => {
    await withStore(async (store) => {
      await Promise.all([write(store, 'a/x'), write(store, 'c')]);
      await expect(store.catalog.renameEntry('b', from, to)).rejects.toMatchObject({
        status,
        message,
      });
      expect(names(store)).toEqual(['a', 'a/x', 'c']);
      await store.close();
    });
  });
});

describe('removing an entry', () => {
  test('leaves nothing in the store, attachments and extents included', async () => {
    await withStore(async (store) => {
      const bucket = store.catalog.bucket('b');
      await store.catalog.updateBucket('b', { ...TEST_SETTINGS, max_block_records: 2 });
      for (let ts = 0n; ts < 40n; ts++) await write(store, 'a', ts);
      const meta = store.catalog.entryForWrite('b', 'a/$meta');
      await store.write(meta, 1n, Buffer.from('{}'), ['key', 'k']);
      await store.catalog.removeEntry('b', 'a');
      expect(bucket.sizeBytes).toBe(0);
      await untilRemoved(store);
      expect(names(store)).toEqual([]);
      expect(countRows(store, COLUMN_BLOCKS)).toBe(0);
      expect(countRows(store, COLUMN_INDEX)).toBe(0);
      const kinds = [META.entry, META.entryStats, META.extent, META.attachment];
      for (const kind of kinds) {
        const rows = store.db.iterate(COLUMN_META, {
          gte: Buffer.of(kind),
          lt: Buffer.of(kind + 1),
        });
        expect(rows.next(10).rows).toEqual([]);
        rows.close();
      }
      await store.close();
    });
  });

  test('refuses records of it and of its descendants from that moment on', async () => {
    await withStore(async (store) => {
      await write(store, 'a');
      const detached = store.catalog.entryForWrite('b', 'a/new');
      const inTurn = write(store, 'a/turn');
      const removal = store.catalog.removeEntry('b', 'a');
      const text = "Entry 'a/new' in bucket 'b' is being deleted";
      const late = store.write(detached, 1n, Buffer.from('x'));
      expect(() => store.catalog.entryForWrite('b', 'a/other')).toThrow('is being deleted');
      await removal;
      // It was there before, and goes with the others.
      expect(await inTurn).toBeNull();
      expect(await late).toMatchObject({ status: 409, message: text });
      await untilRemoved(store);
      expect(names(store)).toEqual([]);
      expect(await write(store, 'a/new')).toBeNull();
      expect(names(store)).toEqual(['a', 'a/new']);
      await store.close();
    });
  });

  test('takes many small commits, however much there is', async () => {
    await withStore(async (store) => {
      // Every record is a run of its own.
      for (let ts = 0n; ts < 2_000n; ts++) await write(store, 'a', ts);
      const entry = store.catalog.entry('b', 'a');
      const counts: number[] = [];
      const remover = new SlicedRemover(
        store.db,
        {
          headSequence: 0,
          flush: () => undefined,
          commitNow: () => undefined,
          commitRows: (rows) => {
            counts.push(rows.length);
            return store.commits.commitRows(rows);
          },
        },
        (_bucket, error) => {
          throw error;
        },
      );
      await new Promise<void>((resolve) => remover.startEntries([entry], resolve));
      expect(countRows(store, COLUMN_INDEX)).toBe(0);
      expect(counts.length).toBeGreaterThan(3);
      expect(Math.max(...counts)).toBeLessThanOrEqual(1_024);
      await store.close();
    });
  });

  test('goes on after a restart', async () => {
    await withStore(async (store, path) => {
      await Promise.all([write(store, 'a'), write(store, 'keep')]);
      await store.catalog.removeEntry('b', 'a');
      const again = await reopened(store, path);
      again.catalog.resumeRemovals();
      await untilRemoved(again);
      expect(names(again)).toEqual(['keep']);
      const { sizeBytes } = again.catalog.bucket('b');
      expect(sizeBytes).toBe(again.catalog.entry('b', 'keep').stats.sizeBytes);
      await again.close();
    });
  });

  test('frees its share of a quota at once', async () => {
    await withStore(async (store) => {
      const settings = { ...TEST_SETTINGS, quota_type: 'FIFO', quota_size: 3_000 } as const;
      await store.catalog.updateBucket('b', settings);
      const content = Buffer.alloc(1_000);
      const put = (entryName: string, ts: bigint): Promise<unknown> =>
        store.write(store.catalog.entryForWrite('b', entryName), ts, content);
      await put('old', 1n);
      await put('keep', 2n);
      const removal = store.catalog.removeEntry('b', 'old');
      await put('keep', 3n);
      await removal;
      expect(store.catalog.entry('b', 'keep').stats.recordCount).toBe(2);
      await untilRemoved(store);
      expect(store.catalog.bucket('b').sizeBytes).toBe(
        store.catalog.entry('b', 'keep').stats.sizeBytes,
      );
      await store.close();
    });
  });
});

test('entries that come to be in one turn, parents before children, keep their figures', async () => {
  await withStore(async (store, path) => {
    await Promise.all(['a', 'a/b', 'a/b/c'].map((name) => write(store, name)));
    const again = await reopened(store, path);
    for (const name of ['a', 'a/b', 'a/b/c']) {
      expect(again.catalog.entry('b', name).stats.recordCount).toBe(1);
    }
    await again.close();
  });
});

describe('an entry asked for', () => {
  test('is created with its parents, and durable', async () => {
    await withStore(async (store, path) => {
      const entry = await store.catalog.ensureEntry('b', 'p/q');
      expect([entry.name, entry.isDurable]).toEqual(['p/q', true]);
      expect(await store.catalog.ensureEntry('b', 'p/q')).toBe(entry);
      const again = await reopened(store, path);
      expect(names(again)).toEqual(['p', 'p/q']);
      await expect(again.catalog.ensureEntry('b', 'p.q')).rejects.toMatchObject({ status: 422 });
      await again.close();
    });
  });
});

describe('changes of a bucket in one turn', () => {
  test('do not overwrite each other', async () => {
    await withStore(async (store, path) => {
      await Promise.all([
        write(store, 'a'),
        store.catalog.updateBucket('b', { ...TEST_SETTINGS, quota_size: 7 }),
        store.catalog.renameBucket('b', 'c'),
      ]);
      expect(store.catalog.bucket('c').settings.quota_size).toBe(7);
      const again = await reopened(store, path);
      expect(again.catalog.bucket('c').settings.quota_size).toBe(7);
      expect(names(again, 'c')).toEqual(['a']);
      await again.close();
    });
  });

  test('refused names leave everything as it was', async () => {
    await withStore(async (store) => {
      await store.catalog.createBucket('other', TEST_SETTINGS);
      const refused: [from: string, to: string, status: number][] = [
        ['b', 'other', 409],
        ['b', 'b', 409],
        ['none', 'new', 404],
        ['none', 'other', 409],
        ['b', 'a.b', 422],
      ];
      for (const [from, to, status] of refused) {
        await expect(store.catalog.renameBucket(from, to)).rejects.toMatchObject({ status });
      }
      expect([...store.catalog.buckets()].map(({ name }) => name)).toEqual(['b', 'other']);
      await store.close();
    });
  });
});
