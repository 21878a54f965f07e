import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventClock } from '../../src/events/event-clock.ts';
import { eventEntryName, SYSTEM_BUCKET } from '../../src/events/entry-name.ts';
import { EventStore } from '../../src/events/event-store.ts';
import type { SystemCatalog } from '../../src/events/event-store.ts';
import type { SystemEvent } from '../../src/events/types.ts';
import { LastAccess } from '../../src/events/last-access.ts';
import { UnavailableError } from '../../src/errors/errors.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { StoredRecordReader } from '../../src/query/record-reader.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const SETTINGS = { ...TEST_SETTINGS, quota_type: 'FIFO', quota_size: 1_000_000 } as const;

function event(timestampUs: number, change: Partial<SystemEvent> = {}): SystemEvent {
  return {
    family: 'audit',
    name: 'sensor',
    timestampUs,
    status: 200,
    message: 'a "message"',
    fields: { token_name: 'sensor', call_count: 1 },
    ...change,
  };
}

describe('names of entries', () => {
  test.each([
    ['sensor-1', 'audit/edge/sensor-1'],
    ['sensor.1', 'audit/edge/sensor_1'],
    ['a/b $c', 'audit/edge/a_b__c'],
    ['🙂', 'audit/edge/_'],
    ['', 'audit/edge/_'],
  ])('%j becomes %s', (name, entryName) => {
    expect(eventEntryName('audit', 'edge', name)).toBe(entryName);
  });

  test('an instance name may have any characters, too', () => {
    expect(eventEntryName('logs', 'edge.plant-1', 'messages')).toBe('logs/edge_plant-1/messages');
  });

  test('are cut where somebody chose a very long token name', () => {
    expect(eventEntryName('audit', 'edge', 'x'.repeat(10_000)).length).toBeLessThan(200);
  });
});

describe('the clock of events', () => {
  test('gives each timestamp once, and follows the wall clock', () => {
    let nowMs = 5;
    const clock = new EventClock(() => nowMs);
    expect([clock.nextUs(), clock.nextUs(), clock.nextUs()]).toEqual([5_000, 5_001, 5_002]);
    nowMs = 6;
    expect(clock.nextUs()).toBe(6_000);
  });

  test('follows a wall clock that is set back by much, not one that jitters', () => {
    let nowMs = 10_000_000;
    const clock = new EventClock(() => nowMs);
    clock.nextUs();
    nowMs -= 500;
    expect(clock.nextUs()).toBe(10_000_000_001);
    nowMs = 1_000_000;
    expect(clock.nextUs()).toBe(1_000_000_000);
  });
});

describe('a store of events', () => {
  let store: StoreHarness;
  let events: EventStore;
  let release: () => void;
  let done: Promise<void>;

  function newStore(catalog: SystemCatalog): EventStore {
    return new EventStore({
      catalog,
      ingest: store.commits,
      instanceName: 'edge.1',
      settings: SETTINGS,
      logger: silentLogger,
    });
  }

  async function settle(): Promise<void> {
    await expect.poll(() => events.isSettled, { interval: 5 }).toBe(true);
  }

  beforeEach(async () => {
    await new Promise<void>((opened) => {
      done = withTempDir(async (path) => {
        store = await openHarness(path);
        events = newStore(store.catalog);
        opened();
        await new Promise<void>((resolve) => (release = resolve));
        await store.close();
      });
    });
  });

  afterEach(async () => {
    release();
    await done;
  });

  test('makes the bucket with the first event, and its parents appear as entries', async () => {
    await events.adopt();
    expect(store.catalog.findBucket(SYSTEM_BUCKET)).toBeUndefined();
    events.emit(event(1_000));
    await settle();
    const bucket = store.catalog.bucket(SYSTEM_BUCKET);
    expect(bucket.isProvisioned).toBe(true);
    expect(bucket.settings).toEqual(SETTINGS);
    const names = [...bucket.entries.keys()];
    expect(names).toEqual(['audit', 'audit/edge_1', 'audit/edge_1/sensor']);
    expect([...bucket.entries.values()].every(({ isDurable }) => isDurable)).toBe(true);
    expect(events.stored.get('audit')).toBe(1);
  });

  test('writes flat JSON with the common members first, and the status as a label', async () => {
    events.emit(event(1_000, { labels: ['level', 'WARN'] }));
    await settle();
    const entry = store.catalog.entry(SYSTEM_BUCKET, 'audit/edge_1/sensor');
    const record = new StoredRecordReader(store.db).read(entry, 1_000n);
    expect(Buffer.from(record.payload ?? []).toString()).toBe(
      '{"timestamp":1000,"instance":"edge.1","status":200,"message":"a \\"message\\"",' +
        '"token_name":"sensor","call_count":1}',
    );
    expect(record.contentType).toBe('application/json');
    expect(record.labels).toEqual(['status', '200', 'level', 'WARN']);
  });

  test('moves an event whose timestamp is taken', async () => {
    for (let i = 0; i < 5; i++) events.emit(event(1_000));
    await settle();
    const entry = store.catalog.entry(SYSTEM_BUCKET, 'audit/edge_1/sensor');
    expect(entry.stats).toMatchObject({ recordCount: 5, oldestTs: 1_000n, latestTs: 1_004n });
    expect(events.lost.get('refused')).toBe(0);
  });

  test('keeps events that come while the bucket is being made, up to a bound, and counts the rest', async () => {
    for (let i = 0; i < 5_000; i++) events.emit(event(i));
    await settle();
    expect(events.stored.get('audit')).toBe(4_096);
    expect(events.lost.get('waiting')).toBe(5_000 - 4_096);
  });

  test('counts what cannot be stored and goes on', async () => {
    events.emit(event(1, { message: 'x'.repeat(100_000) }));
    await settle();
    expect(events.lost.get('refused')).toBe(1);
    events.emit(event(2));
    await settle();
    expect(events.stored.get('audit')).toBe(1);
  });

  test('gives up the oldest events for new ones when its quota is full', async () => {
    for (let i = 0; i < 40; i++) {
      events.emit(event(i, { name: `token-${i}`, message: 'x'.repeat(50_000) }));
      await settle();
    }
    const bucket = store.catalog.bucket(SYSTEM_BUCKET);
    expect(bucket.sizeBytes).toBeLessThanOrEqual(SETTINGS.quota_size);
    expect(store.catalog.entry(SYSTEM_BUCKET, 'audit/edge_1/token-39').stats.recordCount).toBe(1);
    expect(events.stored.get('audit')).toBe(40);
  });

  test('counts events as lost while the bucket cannot be made, without trying for each', async () => {
    let attempts = 0;
    events = newStore({
      findBucket: () => undefined,
      provisionBucket: () => {
        attempts++;
        return Promise.reject(new UnavailableError('the disk is full'));
      },
      entryForWrite: () => {
        throw new Error('there is no bucket');
      },
    });
    for (let i = 0; i < 3; i++) events.emit(event(i));
    await settle();
    for (let i = 0; i < 3; i++) events.emit(event(i));
    expect(attempts).toBe(1);
    expect(events.lost.get('waiting')).toBe(6);
  });

  test('puts its settings on the bucket of an earlier run before the first event', async () => {
    await store.catalog.provisionBucket(SYSTEM_BUCKET, () => TEST_SETTINGS);
    const bucket = store.catalog.bucket(SYSTEM_BUCKET);
    bucket.isProvisioned = false;
    await events.adopt();
    expect(bucket).toMatchObject({ isProvisioned: true, settings: SETTINGS });
  });

  test('is closed at the end: what comes then is counted', () => {
    events.close();
    events.emit(event(1));
    expect(events.lost.get('stopped')).toBe(1);
    expect(events.isSettled).toBe(true);
  });

  describe('tells when a token was last used', () => {
    function newAccess(): LastAccess {
      return new LastAccess({
        catalog: store.catalog,
        records: new StoredRecordReader(store.db),
        instanceName: 'edge.1',
      });
    }

    test('from the records of an earlier run', async () => {
      expect(newAccess().of('sensor')).toBeUndefined();
      events.emit(event(1_700_000_000_000_000));
      events.emit(event(1_600_000_000_000_000));
      await settle();
      expect(newAccess().of('sensor')).toBe(1_700_000_000_000);
    });

    test('never from the record of a token that shares the entry', async () => {
      events.emit(event(5_000, { name: 'a_b', fields: { token_name: 'a.b' } }));
      await settle();
      expect(newAccess().of('a_b')).toBeUndefined();
      expect(newAccess().of('a.b')).toBe(5);
    });

    test('not from records that are none of ours', async () => {
      events.emit(event(5_000));
      await settle();
      const entry = store.catalog.entryForWrite(SYSTEM_BUCKET, 'audit/edge_1/sensor');
      await store.write(entry, 6_000n, Buffer.from('not json'));
      expect(newAccess().of('sensor')).toBeUndefined();
    });

    test('from what was written since, the newest counting', () => {
      const access = newAccess();
      expect(access.of('sensor')).toBeUndefined();
      access.note('sensor', 9_000);
      access.note('sensor', 8_000);
      expect(access.of('sensor')).toBe(9);
    });
  });
});
