import { expect, test } from 'vitest';
import type { Entry } from '../../src/catalog/model.ts';
import type { RemovedRows } from '../../src/catalog/removal-causes.ts';
import type { Mutator } from '../../src/commit/sliced-changes.ts';
import { SlicedRecordChanges } from '../../src/commit/sliced-changes.ts';
import { StorageFullError } from '../../src/errors/errors.ts';
import { readBlock } from '../../src/store/run-index.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

/** A store with `count` records in blocks of `perBlock`, each of 1000 bytes. */
async function withRecords(
  count: number,
  perBlock: number,
  use: (store: StoreHarness, entry: Entry) => Promise<void>,
): Promise<void> {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e');
    const payload = Buffer.alloc(1000, 7);
    for (let at = 0; at < count; at += perBlock) {
      const timestamps = Array.from({ length: Math.min(perBlock, count - at) }, (_, i) => at + i);
      await Promise.all(
        timestamps.map((ts) => store.write(target, BigInt(ts), payload, ['a', '1'])),
      );
    }
    await use(store, store.catalog.entry('b', 'e'));
    await store.close();
  });
}

const timestamps = (from: number, to: number): BigUint64Array =>
  BigUint64Array.from({ length: to - from }, (_, i) => BigInt(from + i));

/** Counts commits, and measures what each of them read. */
function countingMutator({ commits }: StoreHarness): Mutator & { readonly bytesRead: number[] } {
  const bytesRead: number[] = [];
  return {
    bytesRead,
    mutate: (run) =>
      commits.mutate((session) => {
        run(session);
        bytesRead.push(session.bytesRead);
      }),
  };
}

/** A clock by which no time passes, so that only bytes end a slice. */
const still = (): number => 0;

test('a large removal is spread over commits, and a small request does not wait for its end', async () => {
  await withRecords(6_000, 200, async (store, entry) => {
    const mutator = countingMutator(store);
    const changes = new SlicedRecordChanges(mutator, still);
    const order: string[] = [];
    const large = changes.remove({ entry, timestamps: timestamps(0, 5_000) }).then((errors) => {
      order.push('large');
      return errors;
    });
    const operations = ['a', '2'];
    const small = changes.update([{ entry, ts: 5_500n, operations }]).then((errors) => {
      order.push('small');
      return errors;
    });
    expect(await small).toEqual([null]);
    expect((await large).every((error) => error === null)).toBe(true);
    expect(order).toEqual(['small', 'large']);
    expect(entry.stats.recordCount).toBe(1_000);
    // 5 MB of blocks, at most 1 MiB and one step of 8 records a commit.
    expect(mutator.bytesRead.length).toBeGreaterThan(2);
    expect(Math.max(...mutator.bytesRead)).toBeLessThan(4 * 1024 * 1024);
  });
});

test('a range of whole blocks is removed without reading them', async () => {
  await withRecords(3_000, 100, async (store, entry) => {
    const mutator = countingMutator(store);
    const changes = new SlicedRecordChanges(mutator, still);
    expect(await changes.removeRange(entry, 50n, 2_950n)).toBe(2_900);
    expect(entry.stats).toMatchObject({ recordCount: 100, oldestTs: 0n, latestTs: 2_999n });
    // Only the two blocks at the ends are read, and two that lie in two extents.
    expect(Math.max(...mutator.bytesRead)).toBeLessThan(500_000);
    expect(await changes.removeRange(entry, 0n, 2n ** 64n)).toBe(100);
    expect(entry.stats).toMatchObject({ recordCount: 0, sizeBytes: 0, extentCount: 0 });
  });
});

test('an update that changes nothing is not in the log', async () => {
  await withRecords(3, 3, async (store, entry) => {
    const changes = new SlicedRecordChanges(store.commits, still);
    const head = store.commits.headSequence;
    const update = (operations: string[]) => changes.update([{ entry, ts: 1n, operations }]);
    expect(await update(['a', '1', 'gone', ''])).toEqual([null]);
    expect(await update([])).toEqual([null]);
    expect(store.commits.headSequence).toBe(head);
    expect(await update(['a', '', 'b', '2'])).toEqual([null]);
    expect(store.commits.headSequence).toBe(head + 1);
    const block = readBlock(store.db, head);
    expect([block?.kind, block?.recordCount]).toEqual([3, 1]);
  });
});

test('several updates of one record in one request build upon each other', async () => {
  await withRecords(2, 2, async (store, entry) => {
    const changes = new SlicedRecordChanges(store.commits, still);
    const change = (operations: string[]) => ({ entry, ts: 0n, operations });
    await changes.update([change(['b', '2']), change(['a', '', 'c', '3']), change(['b', '4'])]);
    const sequence = entry.stats.bucketOrdinal;
    expect(sequence).toBe(2);
    let labels: readonly string[] = [];
    await store.commits.mutate((session) => {
      const found = session.find(entry, 0n);
      if (found !== undefined) labels = session.metaOf(found).labels;
    });
    expect(labels).toEqual(['b', '4', 'c', '3']);
  });
});

test('missing records and entries being deleted are told one by one', async () => {
  await withRecords(2, 2, async (store, entry) => {
    const changes = new SlicedRecordChanges(store.commits, still);
    const errors = await changes.remove({ entry, timestamps: timestamps(1, 4) });
    expect(errors.map((error) => error?.message ?? null)).toEqual([
      null,
      'Record 2 not found in entry b/e',
      'Record 3 not found in entry b/e',
    ]);
    entry.status = 'DELETING';
    const text = "Entry 'e' in bucket 'b' is being deleted";
    const refused = await changes.update([{ entry, ts: 0n, operations: ['x', 'y'] }]);
    expect(refused).toMatchObject([{ status: 409, message: text }]);
    expect(await changes.remove({ entry, timestamps: timestamps(0, 1) })).toMatchObject([
      { status: 409, message: text },
    ]);
    await expect(changes.removeRange(entry, 0n, 9n)).rejects.toMatchObject({ status: 409 });
    entry.bucket.status = 'DELETING';
    expect(await changes.remove({ entry, timestamps: timestamps(0, 1) })).toMatchObject([
      { status: 409, message: "Bucket 'b' is being deleted" },
    ]);
    entry.bucket.status = 'READY';
    entry.status = 'READY';
    expect(entry.stats.recordCount).toBe(1);
  });
});

test('a commit that fails is told to those who were in it, and the next ones go on', async () => {
  await withRecords(3, 3, async (store, entry) => {
    let isFull = true;
    const changes = new SlicedRecordChanges(
      {
        mutate: (run) =>
          isFull ? Promise.reject(new StorageFullError('full')) : store.commits.mutate(run),
      },
      still,
    );
    await expect(changes.removeRange(entry, 0n, 2n)).rejects.toMatchObject({ status: 507 });
    expect(entry.stats.recordCount).toBe(3);
    isFull = false;
    expect(await changes.removeRange(entry, 0n, 2n)).toBe(2);
  });
});

test('who listens hears of each removal, and what it was for', async () => {
  await withRecords(6, 2, async (store, entry) => {
    const removed: RemovedRows[] = [];
    store.commits.addListener({
      onCommitted: () => undefined,
      onRemoved: (rows) => removed.push(...rows),
    });
    const changes = new SlicedRecordChanges(store.commits, still);
    await Promise.all([
      changes.remove({ entry, timestamps: timestamps(0, 1) }),
      changes.removeRange(entry, 2n, 4n, 'lifecycle'),
      changes.remove({ entry, timestamps: timestamps(5, 6) }, 'lifecycle'),
    ]);
    const sums = new Map<string, number>();
    for (const { cause, records, bucketId } of removed) {
      expect(bucketId).toBe(entry.bucket.id);
      sums.set(cause, (sums.get(cause) ?? 0) + records);
    }
    expect(Object.fromEntries(sums)).toEqual({ record_removed: 1, lifecycle: 3 });
  });
});
