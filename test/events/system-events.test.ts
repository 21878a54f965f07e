import { describe, expect, test } from 'vitest';
import { SystemEvents } from '../../src/events/system-events.ts';
import type { LifecycleRun } from '../../src/lifecycle/types.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { StoredRecordReader } from '../../src/query/record-reader.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { openHarness, TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const CONFIG = {
  instanceName: 'edge',
  systemEventsLogLevel: 'WARN',
  systemEventsQuotaSizeBytes: 1_000_000,
  apiToken: 't',
  initApiToken: undefined,
} as const;

async function withEvents(
  use: (events: SystemEvents, store: StoreHarness) => Promise<void>,
): Promise<void> {
  await withTempDir(async (path) => {
    const store = await openHarness(path);
    const events = new SystemEvents(CONFIG, silentLogger);
    const { catalog, commits } = store;
    const records = new StoredRecordReader(store.db);
    await events.open({ catalog, commits, records, bucketDefaults: TEST_SETTINGS });
    await use(events, store);
    await store.close();
  });
}

function contentOf({ catalog, db }: StoreHarness, entryName: string): string {
  const entry = catalog.entry('$system', entryName);
  const { payload } = new StoredRecordReader(db).read(entry, undefined);
  return Buffer.from(payload ?? []).toString();
}

const RUN: LifecycleRun = {
  policyName: 'old data',
  actionType: 'delete',
  bucketName: 'data',
  startedAtMs: 1_700_000_000_000,
  durationMs: 1_500,
  processedRecords: 12,
  processedBlocks: 3,
  isCaughtUp: true,
  lastProcessedTs: 1_600_000_000_000_000n,
  status: 200,
  message: '',
};

describe('system events', () => {
  test('of lifecycle runs have the members of the contract', async () => {
    await withEvents(async (events, store) => {
      events.lifecycleRan(RUN);
      await events.stop();
      expect(contentOf(store, 'lifecycle/edge/old_data')).toBe(
        '{"timestamp":1700000000000000,"instance":"edge","status":200,"message":"",' +
          '"policy_name":"old data","action_type":"delete","bucket":"data","duration":1.5,' +
          '"processed_records":12,"processed_blocks":3,"caught_up":true,' +
          '"last_processed_ts":1600000000000000}',
      );
    });
  });

  test('of a run that looked at nothing have no last timestamp', async () => {
    await withEvents(async (events, store) => {
      const { lastProcessedTs: _, ...run } = RUN;
      events.lifecycleRan({ ...run, status: 500, message: 'the disk is full' });
      await events.stop();
      const document = JSON.parse(contentOf(store, 'lifecycle/edge/old_data')) as object;
      expect(document).toMatchObject({ status: 500, message: 'the disk is full' });
      expect(document).not.toHaveProperty('last_processed_ts');
    });
  });

  test('that are still open are written at the stop, thousands of them, each once', async () => {
    await withEvents(async (events, store) => {
      const request = { tokenName: 't', method: 'get', clientIp: '' };
      for (let i = 0; i < 3_000; i++) {
        events.audit?.observe({ ...request, path: `/${i}` }, 200, '', 1, 0);
      }
      events.logger.warn('at the end');
      await events.stop();
      const entry = store.catalog.entry('$system', 'audit/edge/t');
      expect(entry.stats.recordCount).toBe(3_000);
      expect(events.figures.audit.groups).toBe(0);
      expect(contentOf(store, 'logs/edge/messages')).toContain('at the end');
    });
  });

  test('count what was stored while they are open, and a second stop changes nothing', async () => {
    await withEvents(async (events) => {
      events.lifecycleRan(RUN);
      await expect.poll(() => events.figures.stored.get('lifecycle'), { interval: 5 }).toBe(1);
      await events.stop();
      await events.stop();
      events.lifecycleRan(RUN);
    });
  });

  test('know the use of a token that no record tells of yet', async () => {
    await withEvents(async (events) => {
      expect(events.lastUseMs('t')).toBeUndefined();
      const request = { tokenName: 't', method: 'get', path: '/', clientIp: '' };
      events.audit?.observe(request, 200, '', 1, 0);
      expect(events.lastAccessMs('t')).toBeUndefined();
      expect(events.lastUseMs('t')).toBeGreaterThan(Date.now() - 60_000);
      await events.stop();
    });
  });
});
