import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Api } from '../lib/api.ts';
import { startInstance, withInstance } from '../lib/instance.ts';
import type { Document } from '../lib/system-events.ts';
import { clientOf, documents, EVENTS_NAME } from '../lib/system-events.ts';
import { withTempDir } from '../lib/temp-dir.ts';

async function tokenDocument(api: Api, name: string): Promise<Document> {
  return JSON.parse((await api.ok('GET', `/tokens/${name}`)).text) as Document;
}

/** Between two uses of a token that stays alive there may be as long as this on a busy machine. */
const TTL_S = 4;

describe.concurrent('the last access of a token', () => {
  test('is the time of its newest audit record, also after a restart', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, EVENTS_NAME);
      const user = await clientOf(first, 'user', { full_access: true });
      expect((await tokenDocument(first.api, 'user'))['last_access']).toBeNull();
      await user.ok('GET', '/info');
      await user.close();
      await expect
        .poll(async () => (await tokenDocument(first.api, 'user'))['last_access'], {
          timeout: 10_000,
          interval: 200,
        })
        .not.toBeNull();
      const { last_access: lastAccess } = await tokenDocument(first.api, 'user');
      await first.stop();
      const second = await startInstance(path, EVENTS_NAME);
      expect((await tokenDocument(second.api, 'user'))['last_access']).toBe(lastAccess);
      const [newest] = await documents(second.api, 'audit/edge_1/user');
      const accessMs = Date.parse(String(lastAccess));
      expect(accessMs).toBe(Math.floor(Number(newest?.['timestamp']) / 1000));
      await second.stop();
    });
  });

  test('keeps a token alive that is used more often than its time to live', async () => {
    await withInstance(async (instance) => {
      const user = await clientOf(instance, 'user', { full_access: true }, { ttl: TTL_S });
      const deadlineMs = performance.now() + 3 * TTL_S * 1000;
      while (performance.now() < deadlineMs) {
        expect((await user.call('GET', '/info')).status).toBe(200);
        await pause(300);
      }
      // Idle for more than `TTL_S` whole seconds.
      await pause((TTL_S + 1.5) * 1000);
      const idle = await user.call('GET', '/info');
      expect(idle).toMatchObject({ status: 401, error: 'Token has expired' });
      await user.close();
    });
  });
});
