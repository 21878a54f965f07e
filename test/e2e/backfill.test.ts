/**
 * A back-fill between real servers, with SIGKILL of either side in the middle: what the source holds at the end is in the
 * target, content and labels, and nothing else.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestRecord } from '../lib/api.ts';
import { Api } from '../lib/api.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const TOKEN = 'back-fill';
const BUCKET = 'sensor-data';
const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 6);
const RECORDS = 40_000;
const BATCH = 80;
/** Records of the past have times below it. */
const LIVE_FROM = 1_000_000_000n;

interface Backfill {
  readonly state: string;
  readonly progress: { readonly done_records: number; readonly total_records: number | null };
}

function recordAt(ts: bigint): TestRecord {
  const labels = { serial: String(ts), state: 'written' };
  return { ts, payload: Buffer.alloc(64 + Number(ts % 200n), String(ts)), labels };
}

async function writeAll(api: Api, entry: string, from: bigint, count: number): Promise<void> {
  for (let at = 0; at < count; at += BATCH) {
    const records = Array.from({ length: BATCH }, (_, i) => recordAt(from + BigInt(at + i)));
    const answer = await api.writeBatch(BUCKET, entry, records);
    expect(answer.status, answer.error).toBe(200);
  }
}

/** Writes to its entry until it is told to stop, over crashes of the server. */
class LiveWriter {
  readonly #api: Api;
  written = 0n;
  isStopped = false;

  constructor(api: Api) {
    this.#api = api;
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        const answer = await this.#api.write(BUCKET, 'live', recordAt(LIVE_FROM + this.written));
        // 409: it was stored by the attempt that a crash cut off.
        if (answer.status === 200 || answer.status === 409) this.written++;
      } catch {
        // The server was killed; the same record is tried again.
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function backfillOf(api: Api): Promise<Backfill> {
  return JSON.parse((await api.ok('GET', '/replications/t/backfills/1')).text);
}

async function pendingOf(api: Api): Promise<number> {
  const detail: { info: { pending_records: number } } = JSON.parse(
    (await api.ok('GET', '/replications/t')).text,
  );
  return detail.info.pending_records;
}

test(
  `a back-fill survives ${ROUNDS} rounds of SIGKILL of source and target beside live records`,
  { timeout: 240_000 + ROUNDS * 30_000 },
  async () => {
    await withTempDir(async (path) => {
      const options = { token: TOKEN, env: { MILLRACE_DURABILITY: 'os' } };
      const [sourcePort, targetPort] = [await freePort(), await freePort()];
      const source = new ServerProcess({
        dataPath: join(path, 'source'),
        port: sourcePort,
        ...options,
      });
      const target = new ServerProcess({
        dataPath: join(path, 'target'),
        port: targetPort,
        ...options,
      });
      await Promise.all([source.start(), target.start()]);
      const sourceApi = new Api(source.url, TOKEN);
      const targetApi = new Api(target.url, TOKEN);
      await sourceApi.ok('POST', `/b/${BUCKET}`);
      await writeAll(sourceApi, 'old-name', 1n, RECORDS / 2);
      await writeAll(sourceApi, 'line/motor', 1n, RECORDS / 2);
      // Blocks with holes, rewritten blocks, a renamed entry, and one that was removed and came again.
      await sourceApi.ok('DELETE', `/b/${BUCKET}/old-name/q?start=1000&stop=2500`);
      for (let ts = 3000; ts < 3050; ts++) {
        const labels = { 'x-reduct-label-state': 'changed', 'content-length': '0' };
        await sourceApi.ok('PATCH', `/b/${BUCKET}/old-name?ts=${ts}`, labels);
      }
      const rename = JSON.stringify({ new_name: 'sensor' });
      await sourceApi.ok('PUT', `/b/${BUCKET}/old-name/rename`, {}, rename);
      await writeAll(sourceApi, 'again', 1n, 800);
      await sourceApi.ok('DELETE', `/b/${BUCKET}/again`);
      await expect
        .poll(async () => (await sourceApi.writeBatch(BUCKET, 'again', [recordAt(5n)])).status, {
          timeout: 10_000,
        })
        .toBe(200);
      const settings = {
        src_bucket: BUCKET,
        dst_bucket: 'copy',
        dst_host: target.url,
        dst_token: TOKEN,
        start: 'beginning',
      };
      await sourceApi.ok('POST', '/replications/t', {}, JSON.stringify(settings));
      const writer = new LiveWriter(sourceApi);
      const writing = writer.run();
      const seen: number[] = [];
      let interrupted = 0;
      try {
        for (let round = 0; round < ROUNDS; round++) {
          // In the middle: when it has got on since the last time.
          const before = seen.at(-1) ?? 0;
          await expect
            .poll(
              async () => {
                const { state, progress } = await backfillOf(sourceApi);
                return state === 'done' || progress.done_records > before;
              },
              { interval: 5 },
            )
            .toBe(true);
          if ((await backfillOf(sourceApi)).state === 'running') interrupted++;
          const victims =
            round % 3 === 0 ? [source, target] : round % 3 === 1 ? [source] : [target];
          await Promise.all(victims.map((victim) => victim.kill()));
          await Promise.all(victims.map((victim) => victim.start()));
          seen.push((await backfillOf(sourceApi)).progress.done_records);
        }
        await expect
          .poll(async () => (await backfillOf(sourceApi)).state, { timeout: 200_000 })
          .toBe('done');
      } finally {
        writer.isStopped = true;
        await writing;
      }
      expect(interrupted).toBeGreaterThan(1);
      // What is stored of the progress never goes back.
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      await expect.poll(() => pendingOf(sourceApi), { timeout: 200_000 }).toBe(0);
      for (const entry of ['sensor', 'line/motor', 'again', 'live']) {
        const here = await sourceApi.readAll(BUCKET, entry);
        const there = await targetApi.readAll('copy', entry);
        expect(here.length, entry).toBeGreaterThan(0);
        expect(there.length, entry).toBe(here.length);
        const differing = here.filter((record, at) => {
          const other = there[at];
          const isSame =
            other !== undefined && other.ts === record.ts && other.payload.equals(record.payload);
          return !isSame || JSON.stringify(other.labels) !== JSON.stringify(record.labels);
        });
        expect(differing, entry).toEqual([]);
      }
      expect((await sourceApi.readAll(BUCKET, 'live')).length).toBe(Number(writer.written));
      expect((await targetApi.readAll('copy', 'old-name')).length).toBe(0);
      expect(await source.stop(), source.output).toBe(0);
      expect(await target.stop(), target.output).toBe(0);
      await Promise.all([sourceApi.close(), targetApi.close()]);
    });
  },
);
