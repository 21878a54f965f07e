/** `RS_ENGINE_MAX_STORAGE_SIZE` (http-api §4.4) over the API of a whole instance. */
import { expect, test } from 'vitest';
import type { Api } from '../lib/api.ts';
import { withInstance } from '../lib/instance.ts';

const LIMIT = 3_000;
const ENV = { RS_ENGINE_MAX_STORAGE_SIZE: String(LIMIT), RS_SYSTEM_EVENTS_ENABLED: 'false' };
const REFUSED = [500, 'storage limit exceeded'];

async function usage(api: Api): Promise<number> {
  return JSON.parse((await api.ok('GET', '/info')).text).usage;
}

async function write(api: Api, bucket: string, ts: bigint, bytes: number): Promise<unknown> {
  const payload = Buffer.alloc(bytes, 1);
  const { status, error } = await api.write(bucket, 'e', { ts, payload, labels: {} });
  return [status, error];
}

test('writes beyond the size of all buckets are refused, and go on once there is room', async () => {
  await withInstance(async (first) => {
    const { api } = first;
    for (const bucket of ['a', 'b']) await api.ok('POST', `/b/${bucket}`);
    expect(await write(api, 'a', 1n, 1_000)).toEqual([200, '']);
    expect(await write(api, 'b', 1n, 1_500)).toEqual([200, '']);
    expect(await write(api, 'a', 2n, 1_000)).toEqual(REFUSED);
    const used = await usage(api);
    expect(await write(api, 'a', 3n, LIMIT - used + 1)).toEqual(REFUSED);

    const batch = { 'x-reduct-time-5': '100,', 'x-reduct-time-6': '900,' };
    const answer = await api.ok('POST', '/b/b/e/batch', batch, Buffer.alloc(1_000));
    expect(answer.headers['x-reduct-error-5']).toBeUndefined();
    expect(answer.headers['x-reduct-error-6']).toBe(REFUSED.join(','));

    // A quota gives nothing up for a record that the store has no room for.
    const fifo = { quota_type: 'FIFO', quota_size: 2_000 };
    await api.ok('PUT', '/b/b', {}, JSON.stringify(fifo));
    expect(await write(api, 'b', 7n, 1_000)).toEqual(REFUSED);
    expect((await api.readAll('b', 'e')).map(({ ts }) => ts)).toEqual([1n, 5n]);

    const second = await first.restart();
    try {
      expect(await write(second.api, 'a', 4n, 1_000)).toEqual(REFUSED);
      await second.api.ok('DELETE', '/b/b');
      await expect.poll(() => usage(second.api)).toBeLessThan(1_500);
      expect(await write(second.api, 'a', 4n, 1_000)).toEqual([200, '']);
    } finally {
      await second.stop();
    }
  }, ENV);
});

test('records of one turn are counted together', async () => {
  await withInstance(async ({ api }) => {
    await api.ok('POST', '/b/a');
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => write(api, 'a', BigInt(i), 500)),
    );
    expect(new Set(answers.map(String))).toEqual(new Set(['200,', REFUSED.join(',')]));
    expect(await usage(api)).toBeLessThanOrEqual(LIMIT + 100);
  }, ENV);
});
