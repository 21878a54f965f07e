import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeTarget } from '../lib/fake-target.ts';
import { startInstance, withInstance } from '../lib/instance.ts';
import type { Document } from '../lib/system-events.ts';
import { documents, EVENTS_NAME, shortRecord, systemBucket } from '../lib/system-events.ts';
import { withTempDir } from '../lib/temp-dir.ts';

describe('events of replication', () => {
  const target = new FakeTarget();
  const task = (bucket: string): string =>
    JSON.stringify({ src_bucket: bucket, dst_bucket: 'dst', dst_host: target.url });

  beforeEach(() => target.start());
  afterEach(() => target.stop());

  test('tell what a task delivered', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, EVENTS_NAME);
      const { api } = first;
      await api.ok('POST', '/b/data');
      await api.ok('POST', '/replications/to-cloud', {}, task('data'));
      for (let ts = 1n; ts <= 3n; ts++) await api.write('data', 'e', shortRecord(ts));
      await expect.poll(() => target.recordsOf('dst/e').length).toBe(3);
      await first.stop();
      const second = await startInstance(path, EVENTS_NAME);
      const found = await documents(second.api, 'replications/edge_1/to-cloud');
      expect(found).toMatchObject([
        {
          instance: 'edge.1',
          status: 200,
          message: '',
          pending_records: 0,
          written_records: 3,
          failed_records: 0,
          replicated_data_size: 15,
        },
      ]);
      expect(found[0]?.['duration']).toBeGreaterThan(0);
      await second.stop();
    });
  });

  test('of other tasks are delivered by a task on $system, which causes none itself', async () => {
    await withInstance(async ({ api }) => {
      await api.ok('GET', '/info');
      await expect.poll(() => systemBucket(api)).toBeDefined();
      await api.ok('POST', '/replications/events', {}, task('$system'));
      const place = 'dst/audit/edge_1/init-token';
      await expect.poll(() => target.recordsOf(place).length).toBeGreaterThan(0);
      const [sent] = target.recordsOf(place);
      expect(JSON.parse(sent?.payload.toString() ?? '')).toMatchObject({
        token_name: 'init-token',
      });
      // Its own result would be told after 5 s without another one, and then send itself.
      await pause(6_500);
      expect((await api.call('GET', '/b/$system/replications/edge_1/events')).status).toBe(404);
    }, EVENTS_NAME);
  });

  test('of a failing task tell its error, and its lines of the log are events, too', async () => {
    const { port } = target;
    const settings = task('data');
    await target.stop();
    await withInstance(async ({ api }) => {
      await api.ok('POST', '/b/data');
      await api.ok('POST', '/replications/to-cloud', {}, settings);
      await api.write('data', 'e', shortRecord(1n));
      const lines = (): Promise<Document[]> => documents(api, 'logs/edge_1/messages');
      await expect.poll(async () => (await lines()).length).toBeGreaterThan(0);
      const [line] = await lines();
      expect(line).toMatchObject({ level: 'WARN', target: 'replication', status: 200 });
      expect(line?.['message']).toMatch(/ECONNREFUSED.*"task":"to-cloud"/);
      expect(line?.['file']).toMatch(/^src\/replication\/.*\.ts$/);
      const [record] = await api.readAll('$system', 'logs/edge_1/messages');
      expect(record?.labels).toEqual({ status: '200', level: 'WARN' });
      const results = (): Promise<Document[]> => documents(api, 'replications/edge_1/to-cloud');
      // A success ends the sum of failures.
      await target.start(port);
      const last = async (): Promise<Document | undefined> => (await results()).at(-1);
      await expect
        .poll(last)
        .toMatchObject({ status: 200, message: '', written_records: 1, failed_records: 0 });
      // One sum of failures, unless there were more than 5 s between two of them.
      const [first, ...others] = (await results()).slice(0, -1);
      expect(first).toMatchObject({ status: -3, written_records: 0 });
      for (const other of others) expect(other).toMatchObject({ status: -3, written_records: 0 });
    }, EVENTS_NAME);
  });

  test('of a failing task on $system are nowhere: each would make it fail again', async () => {
    await target.stop();
    await withTempDir(async (path) => {
      const first = await startInstance(path, EVENTS_NAME);
      await first.api.ok('GET', '/info');
      await first.stop();
      const second = await startInstance(path, EVENTS_NAME);
      const { api } = second;
      await api.ok('POST', '/replications/events', {}, task('$system'));
      const isActive = async (): Promise<unknown> => {
        const { info } = JSON.parse((await api.ok('GET', '/replications/events')).text) as {
          info: Document;
        };
        return info['is_active'];
      };
      await expect.poll(isActive, { interval: 250 }).toBe(false);
      await pause(1_000);
      const { entries } = JSON.parse((await api.ok('GET', '/b/$system')).text) as {
        entries: { name: string }[];
      };
      const families = new Set(entries.map(({ name }) => name.split('/')[0]));
      expect([...families]).toEqual(['audit']);
      await second.stop();
    });
  });
});
