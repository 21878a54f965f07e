import { expect, test } from 'vitest';
import { request } from 'undici';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance } from '../lib/instance.ts';
import { withTempDir } from '../lib/temp-dir.ts';

async function open(instance: RunningInstance, link: string): Promise<[number, string]> {
  const { pathname, search } = new URL(link);
  const answer = await request(instance.url + pathname + search);
  return [answer.statusCode, await answer.body.text()];
}

test('a link outlives a restart with the same token, and ends with another one', async () => {
  await withTempDir(async (path) => {
    let instance = await startInstance(path);
    try {
      await instance.api.ok('POST', '/b/data');
      for (const ts of [1n, 2n]) {
        await instance.api.write('data', 'e', {
          ts,
          payload: Buffer.from(`record ${ts}`),
          labels: { n: String(ts) },
        });
      }
      const body = {
        bucket: 'data',
        entry: 'e',
        record_entry: 'e',
        record_timestamp: 2,
        query: { query_type: 'QUERY', when: { '&n': { $eq: 2 } } },
        expire_at: 4_000_000_000,
      };
      const created = await instance.api.ok('POST', '/links/f', {}, JSON.stringify(body));
      const { link }: { link: string } = JSON.parse(created.text);
      expect(await open(instance, link)).toEqual([200, 'record 2']);
      expect((await open(instance, `${link}&e=e&ts=1`))[0]).toBe(404);
      instance = await instance.restart();
      expect(await open(instance, link)).toEqual([200, 'record 2']);
      await instance.stop();
      instance = await startInstance(path, { RS_API_TOKEN: 'another-token' });
      expect((await open(instance, link))[0]).toBe(422);
    } finally {
      await instance.stop();
    }
  });
});
