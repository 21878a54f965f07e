import { expect, test } from 'vitest';
import { UpdateTrimmer } from '../../src/commit/update-trimmer.ts';
import { BLOCK_KIND_UPDATES, COLUMN_BLOCKS, COLUMN_META, META } from '../../src/store/format.ts';
import { blockKey, metaRange, sequenceOfBlockKey } from '../../src/store/keys.ts';
import { readBlock } from '../../src/store/run-index.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

interface Trimming {
  readonly store: StoreHarness;
  readonly trimmer: UpdateTrimmer;
  /** By bucket id; what is not here is not needed. */
  readonly needed: Map<number, number>;
}

function trimming(store: StoreHarness): Trimming {
  const needed = new Map<number, number>();
  const trimmer = new UpdateTrimmer({
    db: store.db,
    commits: store.commits,
    neededFrom: (bucketId) => needed.get(bucketId) ?? store.commits.headSequence,
    onFailure: (error) => {
      throw error;
    },
  });
  return { store, trimmer, needed };
}

function keysOf(store: StoreHarness, column: typeof COLUMN_META | typeof COLUMN_BLOCKS): Buffer[] {
  const range =
    column === COLUMN_META
      ? metaRange(META.updateBlock)
      : { gte: blockKey(0), lt: blockKey(2 ** 40) };
  const iterator = store.db.iterate(column, { ...range, keysOnly: true });
  try {
    return iterator.next(100_000).rows.filter((_, at) => at % 2 === 0);
  } finally {
    iterator.close();
  }
}

/** Sequences of the update blocks in the log, and of the rows that name them. */
function updatesOf(store: StoreHarness): { blocks: number[]; rows: number[] } {
  const blocks = keysOf(store, COLUMN_BLOCKS)
    .map(sequenceOfBlockKey)
    .filter((sequence) => readBlock(store.db, sequence)?.kind === BLOCK_KIND_UPDATES);
  const rows = keysOf(store, COLUMN_META).map((key) => Number(key.readBigUInt64BE(5)));
  return { blocks, rows: rows.toSorted((a, b) => a - b) };
}

async function write(store: StoreHarness, bucket: string): Promise<void> {
  await store.catalog.createBucket(bucket, TEST_SETTINGS);
  const entry = store.catalog.entryForWrite(bucket, 'e');
  expect(await store.write(entry, 1n, Buffer.from('x'), ['state', '0'])).toBeNull();
}

/** @returns sequence of the update block. */
async function update(store: StoreHarness, bucket: string, state: number): Promise<number> {
  const sequence = store.commits.headSequence;
  const entry = store.catalog.entry(bucket, 'e');
  await store.commits.mutate((session) => {
    const found = session.find(entry, 1n);
    if (found === undefined) throw new Error('no record');
    session.replaceLabels(entry, found, ['state', String(state)]);
  });
  return sequence;
}

async function withStore(use: (path: string) => Promise<void>): Promise<void> {
  await withTempDir(use);
}

test('updates go once they were not needed for two passes, bucket by bucket', async () => {
  await withStore(async (path) => {
    const store = await openHarness(path);
    try {
      const { trimmer, needed } = trimming(store);
      for (const bucket of ['a', 'b']) await write(store, bucket);
      const a = [await update(store, 'a', 1), await update(store, 'a', 2)];
      const b = [await update(store, 'b', 1), await update(store, 'b', 2)];
      const all = [...a, ...b];
      expect(updatesOf(store)).toEqual({ blocks: all, rows: all });

      needed.set(store.catalog.bucket('a').id, a[1] ?? 0);
      expect(await trimmer.pass()).toBe(0);
      expect(updatesOf(store)).toEqual({ blocks: all, rows: all });
      const late = await update(store, 'b', 3);
      expect(await trimmer.pass()).toBe(3);
      const left = [a[1] ?? 0, late];
      expect(updatesOf(store)).toEqual({ blocks: left, rows: left });
      expect(await trimmer.pass()).toBe(1);

      // Back behind what it had passed: the cursor could not be stored.
      needed.set(store.catalog.bucket('a').id, -1);
      await trimmer.pass();
      needed.delete(store.catalog.bucket('a').id);
      expect(await trimmer.pass()).toBe(0);
      expect(await trimmer.pass()).toBe(1);
      expect(updatesOf(store)).toEqual({ blocks: [], rows: [] });
      const block = readBlock(store.db, 1);
      expect(block?.metaOf(0).labels).toEqual(['state', '2']);
    } finally {
      await store.close();
    }
  });
});

test('the log does not go backwards when its last blocks were trimmed', async () => {
  await withStore(async (path) => {
    const first = await openHarness(path);
    await write(first, 'a');
    for (let state = 1; state < 2000; state++) await update(first, 'a', state);
    const { trimmer } = trimming(first);
    await trimmer.pass();
    expect(await trimmer.pass()).toBe(1999);
    const head = first.commits.headSequence;
    await first.close();
    const second = await openHarness(path);
    try {
      expect(second.commits.headSequence).toBe(head);
      expect(updatesOf(second)).toEqual({ blocks: [], rows: [] });
    } finally {
      await second.close();
    }
  });
});

test('updates of a bucket that is removed are trimmed like others', async () => {
  await withStore(async (path) => {
    const store = await openHarness(path);
    try {
      await write(store, 'a');
      await update(store, 'a', 1);
      await store.catalog.removeBucket('a');
      await expect.poll(() => [...store.catalog.buckets()]).toEqual([]);
      const { trimmer } = trimming(store);
      await trimmer.pass();
      expect(await trimmer.pass()).toBe(1);
      expect(keysOf(store, COLUMN_BLOCKS)).toEqual([]);
    } finally {
      await store.close();
    }
  });
});
