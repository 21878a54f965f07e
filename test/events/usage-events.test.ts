import { describe, expect, test } from 'vitest';
import { EventClock } from '../../src/events/event-clock.ts';
import { ReadCounter } from '../../src/events/read-counts.ts';
import type { SystemEvent } from '../../src/events/types.ts';
import { USAGE_INTERVAL_MS, UsageEvents } from '../../src/events/usage-events.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

interface Harness {
  readonly store: StoreHarness;
  readonly reads: ReadCounter;
  /** Events of one interval, by name. */
  readonly report: () => Promise<Record<string, SystemEvent['fields']>>;
}

async function withUsage(use: (harness: Harness) => Promise<void>): Promise<void> {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    await store.catalog.createBucket('data', TEST_SETTINGS);
    await store.write(store.catalog.entryForWrite('data', 'old'), 1n, Buffer.alloc(10));
    const reads = new ReadCounter();
    const events: SystemEvent[] = [];
    const { catalog, commits } = store;
    const sink = { emit: (event: SystemEvent) => events.push(event) };
    const clock = new EventClock(() => 7);
    let nowMs = 0;
    const usage = new UsageEvents({ catalog, stats: commits.stats, reads, clock, sink }, nowMs);
    const report = async (): Promise<Record<string, SystemEvent['fields']>> => {
      events.length = 0;
      usage.tick(nowMs + USAGE_INTERVAL_MS - 1);
      expect(events).toEqual([]);
      nowMs += USAGE_INTERVAL_MS;
      usage.tick(nowMs);
      await expect.poll(() => events.at(-1)?.name, { interval: 1 }).toBe('total');
      return Object.fromEntries(events.map(({ name, fields }) => [name, fields]));
    };
    await use({ store, reads, report });
    await store.close();
  });
}

const NOTHING_MOVED = {
  duration: 60,
  write_bytes: 0,
  read_bytes: 0,
  records_written: 0,
  records_read: 0,
  written_entries: 0,
  read_entries: 0,
};

describe('usage', () => {
  test('tells what was written and read in the interval, and what is there', async () => {
    await withUsage(async ({ store, reads, report }) => {
      const { catalog } = store;
      const entry = catalog.entryForWrite('data', 'a/b');
      await store.write(entry, 1n, Buffer.alloc(100));
      await store.write(catalog.entry('data', 'a/b'), 2n, Buffer.alloc(50));
      const { id, sizeBytes } = catalog.bucket('data');
      reads.observe(id, ['a/b'], 2, 150);
      reads.observe(id, ['a/b', 'old'], 1, 0);
      const first = await report();
      const expected = {
        duration: 60,
        write_bytes: 150,
        read_bytes: 150,
        records_written: 2,
        records_read: 3,
        written_entries: 1,
        read_entries: 2,
        storage_bytes: sizeBytes,
        bucket_count: 1,
        entry_count: 3,
        block_count: 2,
        record_count: 3,
      };
      expect(first).toEqual({ data: expected, total: expected });
      expect((await report())['data']).toMatchObject(NOTHING_MOVED);
    });
  });

  test('has one event per bucket and the sum of all', async () => {
    await withUsage(async ({ store, report }) => {
      for (let i = 0; i < 40; i++) await store.catalog.createBucket(`b${i}`, TEST_SETTINGS);
      await store.write(store.catalog.entryForWrite('b7', 'e'), 1n, Buffer.alloc(5));
      const events = await report();
      expect(Object.keys(events)).toHaveLength(42);
      expect(events['b7']).toMatchObject({ write_bytes: 5, records_written: 1, entry_count: 1 });
      expect(events['b8']).toMatchObject({ ...NOTHING_MOVED, record_count: 0 });
      expect(events['total']).toMatchObject({ write_bytes: 5, bucket_count: 41, record_count: 2 });
    });
  });
});
