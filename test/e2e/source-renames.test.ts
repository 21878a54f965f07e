/** A source bucket that is renamed, removed or replaced while a task reads it, over HTTP and over restarts. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { withInstance } from '../lib/instance.ts';
import type { RunningInstance } from '../lib/instance.ts';

let target: FakeTarget;

beforeEach(async () => {
  target = new FakeTarget();
  await target.start();
});

afterEach(async () => {
  await target.stop();
});

async function write({ api }: RunningInstance, place: string, ts: number): Promise<void> {
  const [bucket = '', entry = ''] = place.split('/');
  const record = { ts: BigInt(ts), payload: Buffer.from(place), labels: {} };
  expect((await api.write(bucket, entry, record)).status).toBe(200);
}

async function rename({ api }: RunningInstance, path: string, newName: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await api.ok('PUT', `${path}/rename`, headers, JSON.stringify({ new_name: newName }));
}

async function startTask(instance: RunningInstance, mode = 'enabled'): Promise<void> {
  await instance.api.ok('POST', '/b/src', {}, '{}');
  const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url, mode };
  await instance.api.ok('POST', '/replications/t', {}, JSON.stringify(settings));
}

async function detail({ api }: RunningInstance) {
  return JSON.parse((await api.ok('GET', '/replications/t?ext=1')).text);
}

function stored(place: string): readonly number[] {
  return target.recordsOf(place).map(({ ts }) => Number(ts));
}

describe('a source bucket', () => {
  test('is followed when it is renamed, and a new bucket of the old name sends nothing', async () => {
    await withInstance(async (instance) => {
      await startTask(instance);
      await write(instance, 'src/e', 1);
      await until(() => stored('dst/e').length === 1);
      await rename(instance, '/b/src', 'moved');
      expect((await detail(instance)).settings.src_bucket).toBe('moved');
      await instance.api.ok('POST', '/b/src', {}, '{}');
      await write(instance, 'src/private', 5);
      await write(instance, 'moved/e', 2);
      await until(() => stored('dst/e').length === 2);
      const again = await instance.restart();
      try {
        const { settings, info } = await detail(again);
        expect(settings.src_bucket).toBe('moved');
        expect(info.is_active).toBe(true);
        await write(again, 'src/private', 6);
        await write(again, 'moved/e', 3);
        await until(() => stored('dst/e').length === 3);
        expect(stored('dst/private')).toEqual([]);
      } finally {
        await again.stop();
      }
    });
  });

  test('that is removed stops the task visibly, and a new one of its name is taken up', async () => {
    await withInstance(async (instance) => {
      await startTask(instance);
      await write(instance, 'src/e', 1);
      await until(() => stored('dst/e').length === 1);
      await instance.api.ok('DELETE', '/b/src');
      const missing = { code: 404, message: 'source bucket missing', time: null };
      expect(await detail(instance)).toMatchObject({
        info: { is_active: false, mode: 'enabled' },
        diagnostics: { hourly: { errors: { 404: { last_message: 'source bucket missing' } } } },
        extended: { last_error: missing },
      });
      // Removal goes on behind the answer; until it is over the name is taken.
      await until(async () => (await instance.api.call('POST', '/b/src', {}, '{}')).status === 200);
      await write(instance, 'src/e', 2);
      await until(() => stored('dst/e').length === 2);
      expect(await detail(instance)).toMatchObject({
        info: { is_active: true },
        extended: { last_error: null },
      });
    });
  });

  test('has entries that go out under the names they have when they are sent', async () => {
    await withInstance(async (instance) => {
      await startTask(instance);
      await write(instance, 'src/old', 1);
      await until(() => stored('dst/old').length === 1);
      await instance.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"paused"}');
      await write(instance, 'src/old', 2);
      expect((await detail(instance)).info.pending_records).toBe(1);
      await rename(instance, '/b/src/old', 'new');
      await instance.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
      await write(instance, 'src/new', 3);
      await until(() => stored('dst/new').length === 2);
      expect(stored('dst/old')).toEqual([1]);
    });
  });
});

test('a refused rename changes no task', async () => {
  await withInstance(async (instance) => {
    await startTask(instance, 'disabled');
    await instance.api.ok('POST', '/b/taken', {}, '{}');
    const headers = { 'content-type': 'application/json' };
    const answer = await instance.api.call('PUT', '/b/src/rename', headers, '{"new_name":"taken"}');
    expect(answer.status).toBe(409);
    expect((await detail(instance)).settings.src_bucket).toBe('src');
  });
});
