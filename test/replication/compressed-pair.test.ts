/** Two whole instances: one sends compressed, the other one receives. */
import { request } from 'undici';
import { expect, test } from 'vitest';
import { HAS_ZSTD } from '../../src/replication/transfer/compression.ts';
import type { TestRecord } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { TEST_TOKEN, withInstance } from '../lib/instance.ts';

function recordAt(ts: number, bytes: number): TestRecord {
  const payload = Buffer.alloc(bytes, `content of ${ts};`);
  return { ts: BigInt(ts), payload, labels: { n: `${ts}` } };
}

test.each(['gzip', 'zstd'])(
  'records arrive whole through a task that compresses with %s',
  async (compression) => {
    await withInstance(async (source) => {
      await withInstance(async (target) => {
        await source.api.ok('POST', '/b/src');
        const settings = {
          src_bucket: 'src',
          dst_bucket: 'dst',
          dst_host: target.url,
          dst_token: TEST_TOKEN,
          compression,
        };
        await source.api.ok('POST', '/replications/t', {}, JSON.stringify(settings));
        const batch = Array.from({ length: 80 }, (_, at) => recordAt(at, 1 + at * 37));
        await source.api.writeBatch('src', 'a', batch);
        const large = recordAt(1000, 3_000_000);
        await source.api.write('src', 'a', large);
        await until(async () => (await target.api.readAll('dst', 'a')).length === 81);
        const arrived = await target.api.readAll('dst', 'a');
        const wrong = [...batch, large].filter(
          ({ ts, payload, labels }, at) =>
            arrived[at]?.ts !== ts ||
            !arrived[at].payload.equals(payload) ||
            arrived[at].labels['n'] !== labels['n'],
        );
        expect(wrong.map(({ ts }) => ts)).toEqual([]);
        const detailNow = async () =>
          JSON.parse((await source.api.ok('GET', '/replications/t?ext=1')).text);
        // Told when a slice has ended, which is after its records have arrived.
        await until(async () => (await detailNow()).extended.compression.plain_bytes > 3_000_000);
        const detail = await detailNow();
        expect(detail.settings.compression).toBe(compression);
        const { coding, ratio } = detail.extended.compression;
        expect(coding).toBe(compression === 'zstd' && !HAS_ZSTD ? 'gzip' : compression);
        expect(ratio).toBeGreaterThan(2);
        const metrics = await (
          await request(`${source.url}/metrics`, {
            headers: { authorization: `Bearer ${TEST_TOKEN}` },
          })
        ).body.text();
        expect(metrics).toMatch(/millrace_task_compression_out_bytes_total\{task="t"\} [1-9]/);
      });
    });
  },
);
