/**
 * A crash between any two lines that matter: the source, or the target, is killed when it comes to a named point of
 * `src/crash/crash-points.ts` for the n-th time, and started again. Whatever was acknowledged is in the source, and
 * whatever of it matches is in the target, once.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CRASH_POINTS, CRASH_VARIABLE, type CrashPoint } from '../../src/crash/crash-points.ts';
import { Api, type TestRecord } from '../lib/api.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const TOKEN = 'crash-points';
const BUCKET = 'raw';
const ENTRIES = ['sensor-1', 'line/motor'];
const PASSES = [1, 4];
const LARGE_BYTES = 2_500_000;
const MAX_ROUNDS = 200;
const PATIENCE = { timeout: 60_000, interval: 50 };

/** What a target comes to: it receives records like any writer's, and has no task of its own. */
const TARGET_POINTS: ReadonlySet<CrashPoint> = new Set<CrashPoint>([
  'upload-chunk-written',
  'commit-planned',
  'commit-written',
  'commit-published',
  'commit-acknowledged',
  'change-written',
]);

interface Case {
  readonly point: CrashPoint;
  readonly pass: number;
  readonly victim: 'source' | 'target';
}

const CASES: readonly Case[] = CRASH_POINTS.flatMap((point) =>
  PASSES.flatMap((pass) => [
    { point, pass, victim: 'source' as const },
    ...(TARGET_POINTS.has(point) ? [{ point, pass, victim: 'target' as const }] : []),
  ]),
);

function makeRecord(serial: number): TestRecord {
  const isLarge = serial % 20 === 19;
  const payload = Buffer.alloc(isLarge ? LARGE_BYTES : 100 + (serial % 900), `record ${serial} `);
  const state = serial % 3 === 0 ? 'idle' : 'working';
  return { ts: BigInt(serial), payload, labels: { state, serial: String(serial) } };
}

const entryOf = (serial: number): string => ENTRIES[serial % ENTRIES.length] ?? 'sensor-1';
const matches = (record: TestRecord): boolean => record.labels['state'] === 'working';

/** Writes records, updates and batches until the crash; knows what was acknowledged. */
class Workload {
  /** Serials of acknowledged records. */
  readonly written: number[] = [];
  /** Serials of records whose update was acknowledged. */
  readonly updated: number[] = [];
  readonly #api: Api;
  #serial = 0;
  #nextUpdate = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  /** @returns whether the source still answers. */
  async round(): Promise<boolean> {
    try {
      await Promise.all([this.#single(), this.#single(), this.#batch()]);
      await this.#update();
      return true;
    } catch {
      // Killed with requests under way: what they were for may be there or not.
      return false;
    }
  }

  async #single(): Promise<void> {
    const serial = this.#serial++;
    const { status } = await this.#api.write(BUCKET, entryOf(serial), makeRecord(serial));
    if (status === 200) this.written.push(serial);
  }

  async #batch(): Promise<void> {
    const entry = entryOf(this.#serial);
    const serials = Array.from({ length: 10 }, (_, i) => this.#serial + i * ENTRIES.length);
    this.#serial += 10 * ENTRIES.length;
    const small = serials.filter((serial) => makeRecord(serial).payload.length < LARGE_BYTES);
    const { status } = await this.#api.writeBatch(BUCKET, entry, small.map(makeRecord));
    if (status === 200) this.written.push(...small);
  }

  /** Of the oldest that has none: the target has it already, so that it comes there as an update, too. */
  async #update(): Promise<void> {
    const serial = this.written[this.#nextUpdate++];
    if (serial === undefined) return;
    const headers = { 'x-reduct-label-seen': 'yes' };
    const path = `/b/${BUCKET}/${entryOf(serial)}?ts=${serial}`;
    const { status } = await this.#api.call('PATCH', path, headers);
    if (status === 200) this.updated.push(serial);
  }
}

async function readAll(api: Api): Promise<Map<number, TestRecord>> {
  const found = new Map<number, TestRecord>();
  for (const entry of ENTRIES) {
    for (const record of await api.readAll(BUCKET, entry)) {
      const serial = Number(record.ts);
      expect(entryOf(serial)).toBe(entry);
      expect(found.has(serial), `${serial} twice`).toBe(false);
      const { payload, labels } = makeRecord(serial);
      if (!record.payload.equals(payload)) throw new Error(`content of ${serial} differs`);
      const { seen, ...own } = record.labels;
      expect(own).toEqual(labels);
      expect([undefined, 'yes']).toContain(seen);
      found.set(serial, record);
    }
  }
  return found;
}

async function isDrained(api: Api): Promise<boolean> {
  const { text } = await api.ok('GET', '/replications/copy');
  const detail: { info: { pending_records: number } } = JSON.parse(text);
  return detail.info.pending_records === 0;
}

async function newServer(
  path: string,
  port: number,
  crash: string | undefined,
): Promise<ServerProcess> {
  const env = {
    MILLRACE_DURABILITY: 'os',
    ...(crash === undefined ? {} : { [CRASH_VARIABLE]: crash }),
  };
  return new ServerProcess({ dataPath: path, port, token: TOKEN, env });
}

test.each(CASES)(
  'a $victim that dies at $point, pass $pass, loses nothing acknowledged and sends nothing twice',
  { timeout: 120_000 },
  async ({ point, pass, victim }) => {
    await withTempDir(async (path) => {
      const ports = { source: await freePort(), target: await freePort() };
      const start = (side: 'source' | 'target', isArmed: boolean): Promise<ServerProcess> =>
        newServer(join(path, side), ports[side], isArmed ? `${point}:${pass}` : undefined);
      const servers = {
        source: await start('source', false),
        target: await start('target', false),
      };
      const sourceApi = new Api(servers.source.url, TOKEN);
      const targetApi = new Api(servers.target.url, TOKEN);
      try {
        await Promise.all([servers.source.start(), servers.target.start()]);
        await prepare(sourceApi, targetApi, servers.target.url);
        await servers[victim].stop();
        servers[victim] = await start(victim, true);
        servers[victim].spawn();
        const workload = new Workload(sourceApi);
        await workUntilCrash(workload, servers[victim]);
        servers[victim] = await start(victim, false);
        await servers[victim].start();
        expect(await workload.round()).toBe(true);
        await expect.poll(() => isDrained(sourceApi), PATIENCE).toBe(true);
        await expectHolds(workload, sourceApi, targetApi);
        expect(await servers.source.stop(), servers.source.output).toBe(0);
        expect(await servers.target.stop(), servers.target.output).toBe(0);
      } finally {
        await Promise.all([servers.source.kill(), servers.target.kill()]);
        await Promise.all([sourceApi.close(), targetApi.close()]);
      }
    });
  },
);

async function prepare(source: Api, target: Api, targetUrl: string): Promise<void> {
  await source.ok('POST', `/b/${BUCKET}`);
  await target.ok('POST', `/b/${BUCKET}`);
  const settings = { src_bucket: BUCKET, dst_bucket: BUCKET, dst_host: targetUrl };
  const filters = { dst_token: TOKEN, include: { state: 'working' } };
  await source.ok('POST', '/replications/copy', {}, JSON.stringify({ ...settings, ...filters }));
}

/** It may come to the point while it starts. @throws Error when the point is never reached. */
async function workUntilCrash(workload: Workload, victim: ServerProcess): Promise<void> {
  const exit = victim.exited();
  await expect.poll(async () => victim.hasEnded || (await victim.isReady()), PATIENCE).toBe(true);
  for (let round = 0; round < MAX_ROUNDS && !victim.hasEnded; round++) await workload.round();
  const tooLong = new Promise((_, reject) => {
    setTimeout(reject, 20_000, new Error('the point was not reached')).unref();
  });
  await Promise.race([exit, tooLong]);
}

async function expectHolds(workload: Workload, source: Api, target: Api): Promise<void> {
  const stored = await readAll(source);
  expect(workload.written.filter((serial) => !stored.has(serial))).toEqual([]);
  const unseen = workload.updated.filter((serial) => stored.get(serial)?.labels['seen'] !== 'yes');
  expect(unseen).toEqual([]);
  const delivered = await readAll(target);
  const matching = [...stored].filter(([, record]) => matches(record));
  const labelsOf = (records: Iterable<[number, TestRecord]>): unknown[] =>
    [...records]
      .toSorted(([a], [b]) => a - b)
      .map(([serial, { labels }]) => [serial, labels['seen'] ?? '']);
  expect(labelsOf(delivered)).toEqual(labelsOf(matching));
}
