/** Back-fills over a whole instance: records that go while they are being sent, and labels that change. */
import { expect, test } from 'vitest';
import type { Api } from '../../lib/api.ts';
import { FakeTarget } from '../../lib/fake-target.ts';
import { withInstance } from '../../lib/instance.ts';

const BATCH = 50;

async function write(api: Api, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += BATCH) {
    const records = Array.from({ length: BATCH }, (_, i) => ({
      ts: BigInt(at + i),
      payload: Buffer.alloc(2_000, String(at + i)),
      labels: { state: 'written' },
    }));
    expect((await api.writeBatch('src', 'e', records)).status).toBe(200);
  }
}

interface Shown {
  readonly id: number;
  readonly state: string;
  readonly sent_records: number;
  readonly progress: { readonly done_records: number };
}

async function shown(api: Api): Promise<Shown> {
  return JSON.parse((await api.ok('GET', '/replications/t/backfills/1')).text);
}

async function untilDone(api: Api): Promise<Shown> {
  await expect.poll(async () => (await shown(api)).state).toBe('done');
  return shown(api);
}

async function createTask(api: Api, target: FakeTarget): Promise<void> {
  const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url };
  const body = JSON.stringify({ ...settings, start: 'beginning' });
  await api.ok('POST', '/replications/t', {}, body);
}

async function withTarget(use: (target: FakeTarget) => Promise<void>): Promise<void> {
  const target = new FakeTarget();
  await target.start();
  try {
    await use(target);
  } finally {
    await target.stop();
  }
}

test('what a FIFO quota takes in the middle is not sent, all that stays is', async () => {
  await withTarget((target) =>
    withInstance(async ({ api }) => {
      const quota = { quota_type: 'FIFO', quota_size: 5_000_000, max_block_records: 256 };
      await api.ok('POST', '/b/src', {}, JSON.stringify(quota));
      await write(api, 1, 2_000);
      target.delayMs = 20;
      await createTask(api, target);
      await expect.poll(async () => (await shown(api)).progress.done_records).toBeGreaterThan(0);
      // Most of what the back-fill has still to send is pushed out.
      await write(api, 10_001, 2_000);
      target.delayMs = 0;
      const { sent_records } = await untilDone(api);
      expect(sent_records).toBeLessThan(2_000);
      await expect
        .poll(async () => JSON.parse((await api.ok('GET', '/replications/t')).text).info, {
          timeout: 20_000,
        })
        .toMatchObject({ pending_records: 0, is_active: true });
      const there = new Set(target.recordsOf('dst/e').map(({ ts }) => ts));
      const here = await api.readAll('src', 'e');
      expect(here.length).toBeGreaterThan(0);
      expect(here.filter(({ ts }) => !there.has(ts))).toEqual([]);
    }),
  );
});

test('labels that change while it runs are at the target in the end', async () => {
  await withTarget((target) =>
    withInstance(async ({ api }) => {
      await api.ok('POST', '/b/src');
      await write(api, 1, 2_000);
      target.delayMs = 10;
      await createTask(api, target);
      const changes = { 'x-reduct-label-state': 'changed', 'content-length': '0' };
      // From behind, so that some of them are changed before they are sent, and some after.
      for (let ts = 1991; ts > 0; ts -= 40) {
        await api.ok('PATCH', `/b/src/e?ts=${ts}`, changes);
      }
      target.delayMs = 0;
      await untilDone(api);
      const differing = async (): Promise<number> => {
        const here = new Map(
          (await api.readAll('src', 'e')).map(({ ts, labels }) => [ts, labels['state']]),
        );
        return target
          .recordsOf('dst/e')
          .filter(({ ts, labels }) => here.get(ts) !== labels.get('state')).length;
      };
      await expect.poll(differing).toBe(0);
      expect(target.recordsOf('dst/e')).toHaveLength(2_000);
    }),
  );
});

test('RS_REPLICATION_LOG_SIZE of the environment bounds what is pending', async () => {
  await withTarget((target) =>
    withInstance(
      async ({ api }) => {
        const { port } = target;
        await api.ok('POST', '/b/src');
        const settings = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url };
        await api.ok('POST', '/replications/t', {}, JSON.stringify(settings));
        await target.stop();
        await write(api, 1, 1_000);
        const extended = async () =>
          JSON.parse((await api.ok('GET', '/replications/t?ext=1')).text).extended;
        await expect.poll(async () => (await extended()).pending_is_exact).toBe(true);
        await target.start(port);
        await expect.poll(async () => (await extended()).dropped_by_log_size).toBe(800);
        const there = target.recordsOf('dst/e').map(({ ts }) => Number(ts));
        expect(there).toEqual(Array.from({ length: 200 }, (_, at) => 801 + at));
      },
      { RS_REPLICATION_LOG_SIZE: '200' },
    ),
  );
});
