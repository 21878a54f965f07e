import { describe, expect, test } from 'vitest';
import { startInstance, withInstance } from '../lib/instance.ts';
import type { Document } from '../lib/system-events.ts';
import { clientOf, systemBucket } from '../lib/system-events.ts';
import { withTempDir } from '../lib/temp-dir.ts';

describe.concurrent('the bucket $system', () => {
  test('is there soon after requests, for full access and its exact name only', async () => {
    await withInstance(async (instance) => {
      const { api } = instance;
      const star = await clientOf(instance, 'star', { read: ['*'], write: ['*'] });
      const exact = await clientOf(instance, 'exact', { read: ['$system'] });
      await expect.poll(() => systemBucket(api)).toMatchObject({ is_provisioned: true });
      expect((await systemBucket(api))?.entry_count).toBeGreaterThanOrEqual(1);
      expect(await systemBucket(exact)).toBeDefined();
      expect(await systemBucket(star)).toBeUndefined();
      const text = "Token 'star' doesn't have read access to bucket '$system'";
      expect(await star.call('GET', '/b/$system')).toMatchObject({ status: 403, error: text });
      expect((await exact.call('GET', '/b/$system')).status).toBe(200);
      await star.close();
      await exact.close();
    });
  });

  test('cannot be created, changed, renamed or removed by clients', async () => {
    await withInstance(async ({ api }) => {
      const text = 'Bucket or entry name can contain only letters, digests and [-,_] symbols';
      const created = await api.call('POST', '/b/$system');
      expect(created).toMatchObject({ status: 422, error: text });
      await expect.poll(() => systemBucket(api)).toBeDefined();
      const json = { 'content-type': 'application/json' };
      const answers = [
        await api.call('PUT', '/b/$system', {}, '{"quota_size":1}'),
        await api.call('PUT', '/b/$system/rename', json, '{"new_name":"mine"}'),
        await api.call('DELETE', '/b/$system'),
      ];
      expect(answers.map(({ status, error }) => [status, error])).toEqual([
        [409, "Can't change settings of provisioned bucket '$system'"],
        [409, "Can't rename provisioned bucket '$system'"],
        [409, "Can't remove provisioned bucket '$system'"],
      ]);
      const { settings } = JSON.parse((await api.ok('GET', '/b/$system')).text) as Document;
      expect(settings).toMatchObject({ quota_type: 'FIFO', quota_size: 10_000_000_000 });
    });
  });

  test('gets its quota anew at each start, and belongs to clients when events are switched off', async () => {
    await withTempDir(async (path) => {
      const env = { RS_SYSTEM_EVENTS_QUOTA_SIZE: '1MB' };
      const first = await startInstance(path, env);
      await first.api.ok('GET', '/info');
      await first.stop();
      const second = await startInstance(path, { RS_SYSTEM_EVENTS_QUOTA_SIZE: '2MB' });
      const { settings } = JSON.parse((await second.api.ok('GET', '/b/$system')).text) as Document;
      expect(settings).toMatchObject({ quota_size: 2_000_000 });
      await second.stop();
      const third = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'off' });
      expect(await systemBucket(third.api)).toMatchObject({ is_provisioned: false });
      expect((await third.api.call('DELETE', '/b/$system')).status).toBe(200);
      await third.stop();
      const fourth = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'off' });
      expect(await systemBucket(fourth.api)).toBeUndefined();
      await fourth.stop();
    });
  });
});
