import { expect, test } from 'vitest';
import { startInstance } from '../lib/instance.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const ENVIRONMENT = {
  RS_BUCKET_1_NAME: 'raw',
  RS_LIFECYCLE_1_NAME: 'month',
  RS_LIFECYCLE_1_TYPE: 'delete',
  RS_LIFECYCLE_1_BUCKET: 'raw',
  RS_LIFECYCLE_1_OLDER_THAN: '30d',
  RS_LIFECYCLE_1_MODE: 'dry_run',
};

test('a policy of the environment is there after the start, and belongs to clients without it', async () => {
  await withTempDir(async (path) => {
    let instance = await startInstance(path, ENVIRONMENT);
    try {
      const provisioned = await instance.api.ok('GET', '/lifecycles/month');
      expect(JSON.parse(provisioned.text)).toMatchObject({
        info: { is_provisioned: true, is_running: true, mode: 'dry_run', last_run: null },
        settings: { bucket: 'raw', older_than: '30d', interval: '3600s' },
      });
      const refused = await instance.api.call('DELETE', '/lifecycles/month');
      expect([refused.status, refused.error]).toEqual([
        409,
        "Can't remove provisioned lifecycle 'month'",
      ]);
      await instance.stop();
      instance = await startInstance(path);
      const stored = await instance.api.ok('GET', '/lifecycles/month');
      expect(JSON.parse(stored.text)).toMatchObject({
        info: { is_provisioned: false, mode: 'dry_run' },
      });
      await instance.api.ok('DELETE', '/lifecycles/month');
    } finally {
      await instance.stop();
    }
  });
});
