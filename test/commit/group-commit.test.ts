import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry, Run } from '../../src/catalog/model.ts';
import { readBlock, runsFrom } from '../../src/store/run-index.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

interface Stored {
  readonly ts: bigint;
  readonly text: string;
  readonly labels: readonly string[];
}

/** Everything an entry holds, by way of its index. */
function readAll(store: StoreHarness, entry: Entry): { records: Stored[]; runs: Run[] } {
  const runs = runsFrom(store.db, entry.id, 0n, 100_000);
  const records = runs.flatMap((run) => {
    const block = readBlock(store.db, run.sequence);
    if (block === undefined) throw new Error(`block ${run.sequence} is missing`);
    return Array.from({ length: run.count }, (_, i) => {
      const at = run.startIndex + i;
      return {
        ts: block.ts(at),
        text: block.payload(at).toString(),
        labels: block.metaOf(at).labels,
      };
    });
  });
  return { records, runs };
}

describe('group commit', () => {
  test('records of one turn of the event loop become one commit and one block per entry', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      const commitsBefore = store.commits.stats.commits;
      const a = store.catalog.entryForWrite('b', 'a');
      const results = await Promise.all(
        [1n, 2n, 3n].map((ts) => store.write(a, ts, Buffer.from(`r${ts}`), ['k', 'v'])),
      );
      expect(results).toEqual([null, null, null]);
      expect(store.commits.stats.commits - commitsBefore).toBe(1);
      const { records, runs } = readAll(store, store.catalog.entry('b', 'a'));
      expect(runs).toHaveLength(1);
      expect(records.map((r) => r.text)).toEqual(['r1', 'r2', 'r3']);
      expect(records[2]?.labels).toEqual(['k', 'v']);
      await store.close();
    });
  });

  test('of concurrent writes of one timestamp exactly one is stored, the others are told 409', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      const target = (): Entry => store.catalog.entryForWrite('b', 'e');
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, i) => store.write(target(), 5n, Buffer.from(`${i}`))),
      );
      expect(results.filter((r) => r === null)).toHaveLength(1);
      expect(results.at(-1)?.message).toBe('A record with timestamp 5 already exists');
      expect(results.at(-1)?.status).toBe(409);
      await store.close();
    });
  });

  test('a write to a/b/c creates a and a/b, and they are there after a restart', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      const entry = store.catalog.entryForWrite('b', 'a/b/c');
      expect(() => store.catalog.entry('b', 'a')).toThrow("Entry 'a' not found in bucket 'b'");
      await store.write(entry, 1n, Buffer.from('x'));
      await store.close();
      store = await openHarness(path);
      const names = [...store.catalog.bucket('b').entries.keys()].sort();
      expect(names).toEqual(['a', 'a/b', 'a/b/c']);
      expect(store.catalog.entry('b', 'a').stats.recordCount).toBe(0);
      await store.close();
    });
  });

  test('a refused request leaves no entry behind', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      for (let i = 0; i < 100; i++) store.catalog.entryForWrite('b', `never-${i}`);
      expect(store.catalog.bucket('b').entries.size).toBe(0);
      await store.close();
    });
  });

  test('sizes follow the formula of the contract', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      const one = store.catalog.entryForWrite('b', 'one');
      await store.write(one, 1_000_000n, Buffer.from('somedata'));
      expect(store.catalog.entry('b', 'one').stats.sizeBytes).toBe(40);
      const zero = store.catalog.entryForWrite('b', 'zero');
      await store.write(zero, 0n, Buffer.from('123456789'));
      expect(store.catalog.entry('b', 'zero').stats.sizeBytes).toBe(39);
      const two = store.catalog.entryForWrite('b', 'two');
      await store.write(two, 1_000_000n, Buffer.from('abcdef'));
      await store.write(store.catalog.entry('b', 'two'), 2_000_000n, Buffer.from('abcdef'));
      expect(store.catalog.entry('b', 'two').stats.sizeBytes).toBe(78);
      await store.close();
    });
  });

  test('an extent ends at its record limit, and block counts survive a restart', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', { ...TEST_SETTINGS, max_block_records: 2 });
      const entry = store.catalog.entryForWrite('b', 'e');
      for (const ts of [10n, 20n, 30n, 40n, 50n, 35n])
        await store.write(entry, ts, Buffer.from('x'));
      const before = { ...store.catalog.entry('b', 'e').stats };
      expect(before.extentCount).toBe(4);
      expect(before.recordCount).toBe(6);
      await store.close();
      store = await openHarness(path);
      expect(store.catalog.entry('b', 'e').stats).toEqual(before);
      await store.close();
    });
  });

  test('any history of writes in any order, with restarts, reads back as a sorted map of first writes', async () => {
    const history = fc.array(
      fc.oneof(
        {
          weight: 10,
          arbitrary: fc.array(fc.bigInt({ min: 0n, max: 60n }), { minLength: 1, maxLength: 12 }),
        },
        { weight: 1, arbitrary: fc.constant('restart' as const) },
      ),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await withTempDir(async (path) => {
          let store = await openHarness(path);
          await store.catalog.createBucket('b', TEST_SETTINGS);
          const model = new Map<bigint, string>();
          let serial = 0;
          for (const step of steps) {
            if (step === 'restart') {
              await store.close();
              store = await openHarness(path);
              continue;
            }
            const entry = store.catalog.entryForWrite('b', 'e');
            const expected: boolean[] = [];
            const results = await Promise.all(
              step.map((ts) => {
                const text = `${serial++}`;
                expected.push(!model.has(ts));
                if (!model.has(ts)) model.set(ts, text);
                return store.write(entry, ts, Buffer.from(text));
              }),
            );
            expect(results.map((r) => r === null)).toEqual(expected);
          }
          const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
          if (sorted.length > 0) {
            const entry = store.catalog.entry('b', 'e');
            const { records, runs } = readAll(store, entry);
            expect(records.map((r) => [r.ts, r.text])).toEqual(sorted);
            for (let i = 1; i < runs.length; i++) {
              expect(runs[i - 1]?.lastTs ?? 0n).toBeLessThan(runs[i]?.firstTs ?? 0n);
            }
            expect(entry.stats.recordCount).toBe(sorted.length);
            expect(entry.stats.oldestTs).toBe(sorted[0]?.[0]);
            expect(entry.stats.latestTs).toBe(sorted.at(-1)?.[0]);
            expect(entry.bucket.recordsWritten).toBe(sorted.length);
          }
          await store.close();
        });
      }),
      { numRuns: 60 },
    );
  });

  test('a removed bucket is empty after its removal, and one begun before a stop goes on afterwards', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      const entry = store.catalog.entryForWrite('b', 'e/f');
      for (let ts = 0n; ts < 50n; ts++) await store.write(entry, ts, Buffer.from('x'));
      const head = store.commits.headSequence;
      await store.catalog.removeBucket('b');
      expect(await store.write(entry, 99n, Buffer.from('x'))).toMatchObject({ status: 409 });
      await store.close();
      store = await openHarness(path);
      expect(store.commits.headSequence).toBeGreaterThanOrEqual(head);
      store.catalog.resumeRemovals();
      await expect.poll(() => [...store.catalog.buckets()].length).toBe(0);
      expect(runsFrom(store.db, entry.id === 0 ? 2 : entry.id, 0n, 10)).toEqual([]);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      expect(store.catalog.bucket('b').id).toBe(2);
      await store.close();
    });
  });

  test('chunks of an upload without record are removed at the next start', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      const upload = store.commits.openUpload();
      await new Promise<void>((resolve) => {
        upload.append(Buffer.alloc(1 << 20, 7), () => resolve());
      });
      await store.close();
      store = await openHarness(path);
      const left = store.db.iterate('blocks', { gte: Buffer.from([0]), keysOnly: true });
      expect(left.next(10).rows).toEqual([]);
      left.close();
      await store.close();
    });
  });
});

describe('quota', () => {
  const record = Buffer.alloc(1000, 7);

  test('HARD refuses what would exceed the quota and keeps what is there', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      await store.catalog.createBucket('b', {
        ...TEST_SETTINGS,
        quota_type: 'HARD',
        quota_size: 3500,
      });
      const target = store.catalog.entryForWrite('b', 'e');
      const results = await Promise.all(
        [1n, 2n, 3n, 4n, 5n].map((ts) => store.write(target, ts, record)),
      );
      expect(results.slice(0, 3)).toEqual([null, null, null]);
      expect(results[4]).toMatchObject({ status: 400, message: "Quota of 'b' exceeded" });
      expect(store.catalog.entry('b', 'e').stats.recordCount).toBe(3);
      await store.close();
    });
  });

  test('FIFO gives up the oldest extents of the entry with the oldest record and stays below the quota', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      const quotaBytes = 40_000;
      await store.catalog.createBucket('b', {
        ...TEST_SETTINGS,
        quota_type: 'FIFO',
        quota_size: quotaBytes,
        max_block_records: 5,
      });
      for (let ts = 0n; ts < 300n; ts++) {
        const target = store.catalog.entryForWrite('b', ts % 2n === 0n ? 'even' : 'odd');
        expect(await store.write(target, ts, record)).toBeNull();
        expect(store.catalog.bucket('b').sizeBytes).toBeLessThanOrEqual(quotaBytes + 1100);
      }
      for (const name of ['even', 'odd']) {
        const entry = store.catalog.entry('b', name);
        const { records } = readAll(store, entry);
        expect(records.length).toBe(entry.stats.recordCount);
        expect(records.length).toBeGreaterThan(5);
        expect(records.at(-1)?.ts).toBe(name === 'even' ? 298n : 299n);
        expect(records[0]?.ts).toBe(entry.stats.oldestTs);
      }
      const before = store.catalog.bucket('b').sizeBytes;
      await store.close();
      store = await openHarness(path);
      expect(store.catalog.bucket('b').sizeBytes).toBe(before);
      await store.close();
    });
  });

  test('FIFO with a quota of 0 refuses every write', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      await store.catalog.createBucket('b', { ...TEST_SETTINGS, quota_type: 'FIFO' });
      const target = store.catalog.entryForWrite('b', 'e');
      expect(await store.write(target, 1n, record)).toMatchObject({
        status: 500,
        message: "Failed to keep quota of 'b'",
      });
      await store.close();
    });
  });
});

describe('catalogue', () => {
  const text = Buffer.from('x');

  test('a renamed entry takes its descendants along, creates missing parents and survives a restart', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      for (const name of ['a', 'a/x', 'ab']) {
        await store.write(store.catalog.entryForWrite('b', name), 1n, text);
      }
      await store.catalog.renameEntry('b', 'a', 'new/deep');
      const expectNames = (): void => {
        const names = [...store.catalog.bucket('b').entries.keys()].sort();
        expect(names).toEqual(['ab', 'new', 'new/deep', 'new/deep/x']);
      };
      expectNames();
      await expect(store.catalog.renameEntry('b', 'ab', 'new')).rejects.toMatchObject({
        status: 409,
      });
      await expect(store.catalog.renameEntry('b', 'gone', 'z')).rejects.toMatchObject({
        status: 404,
      });
      await store.close();
      store = await openHarness(path);
      expectNames();
      expect(readAll(store, store.catalog.entry('b', 'new/deep/x')).records).toHaveLength(1);
      await store.close();
    });
  });

  test('a removed entry answers 409 until it is gone, also when a stop interrupts its removal', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      for (const name of ['a', 'a/x', 'other']) {
        await store.write(store.catalog.entryForWrite('b', name), 1n, text);
      }
      await store.catalog.removeEntry('b', 'a');
      expect(() => store.catalog.entry('b', 'a/x')).toThrow("Entry 'a/x' in bucket 'b' is being");
      await store.close();
      store = await openHarness(path);
      store.catalog.resumeRemovals();
      await expect.poll(() => store.catalog.bucket('b').entries.size).toBe(1);
      expect(store.catalog.bucket('b').sizeBytes).toBe(
        store.catalog.entry('b', 'other').stats.sizeBytes,
      );
      await store.write(store.catalog.entryForWrite('b', 'a'), 1n, text);
      expect(readAll(store, store.catalog.entry('b', 'a')).records).toHaveLength(1);
      await store.close();
    });
  });

  test('a renamed bucket keeps its records', async () => {
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      await store.catalog.createBucket('taken', TEST_SETTINGS);
      await store.write(store.catalog.entryForWrite('b', 'e'), 1n, text);
      await expect(store.catalog.renameBucket('b', 'taken')).rejects.toMatchObject({ status: 409 });
      await store.catalog.renameBucket('b', 'c');
      expect(() => store.catalog.bucket('b')).toThrow("Bucket 'b' is not found");
      await store.close();
      store = await openHarness(path);
      expect(store.catalog.entry('c', 'e').stats.recordCount).toBe(1);
      await store.close();
    });
  });
});

test('when the disk is full, writers are told 507 and nothing changes, and it goes on when there is space', async () => {
  await withTempDir(async (path) => {
    let free: number | undefined = 1_000_000;
    const store = await openHarness(path, 1 << 20, {
      freeBytes: () => free,
      wrote: () => undefined,
    });
    await store.catalog.createBucket('b', TEST_SETTINGS);
    const target = store.catalog.entryForWrite('b', 'e');
    expect(await store.write(target, 1n, Buffer.alloc(100))).toBeNull();
    free = 50;
    expect(await store.write(target, 2n, Buffer.alloc(100))).toMatchObject({
      status: 507,
      message:
        'Not enough free disk space in the data folder to write a record of 100 bytes: only 50 bytes available',
    });
    expect(store.catalog.entry('b', 'e').stats.recordCount).toBe(1);
    await store.catalog.removeBucket('b');
    free = 1_000_000;
    await expect.poll(() => [...store.catalog.buckets()].length).toBe(0);
    await store.catalog.createBucket('b', TEST_SETTINGS);
    expect(
      await store.write(store.catalog.entryForWrite('b', 'e'), 2n, Buffer.alloc(100)),
    ).toBeNull();
    await store.close();
  });
});

describe('head of the log', () => {
  /** Fills, removes everything in some way, and tells the head before and after a restart. */
  async function headAround(
    remove: (store: StoreHarness, entry: Entry) => Promise<void>,
  ): Promise<[number, number]> {
    let heads: [number, number] = [0, 0];
    await withTempDir(async (path) => {
      let store = await openHarness(path);
      await store.catalog.createBucket('b', TEST_SETTINGS);
      for (const ts of [1n, 2n, 3n]) {
        await store.write(store.catalog.entryForWrite('b', 'e'), ts, Buffer.from('x'));
      }
      await remove(store, store.catalog.entry('b', 'e'));
      const before = store.commits.headSequence;
      await store.close();
      store = await openHarness(path);
      heads = [before, store.commits.headSequence];
      await store.close();
    });
    return heads;
  }

  test('never goes back at a start after the newest records were removed', async () => {
    const [before, after] = await headAround((store, entry) =>
      store.commits.mutate((session) => {
        session.removeRange(entry, 0n, 10n);
      }),
    );
    expect(after).toBe(before);
  });

  test('never goes back at a start after the newest entry was removed', async () => {
    const [before, after] = await headAround(async (store) => {
      await store.catalog.removeEntry('b', 'e');
      await expect.poll(() => store.catalog.bucket('b').entries.size).toBe(0);
    });
    expect(after).toBe(before);
  });

  test('never goes back at a start after a quota evicted everything', async () => {
    const [before, after] = await headAround(async (store) => {
      await store.catalog.updateBucket('b', {
        ...TEST_SETTINGS,
        quota_type: 'FIFO',
        quota_size: 100,
      });
      const target = store.catalog.entryForWrite('b', 'e');
      expect(await store.write(target, 9n, Buffer.alloc(5000))).toMatchObject({ status: 500 });
      expect(store.catalog.entry('b', 'e').stats.recordCount).toBe(0);
    });
    expect(after).toBe(before);
  });
});
