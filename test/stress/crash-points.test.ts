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
import { OLD_ENTRY, OLD_RECORDS, oldRecord, Operator } from './crash/operator.ts';
import {
  BUCKET,
  entryOf,
  isTaken,
  matches,
  readAll,
  takenRecord,
  Workload,
} from './crash/workload.ts';

const TOKEN = 'crash-points';
const PASSES = [1, 4];
const MAX_ROUNDS = 200;
const MAX_SERIALS = MAX_ROUNDS * 22;
const PATIENCE = { timeout: 90_000, interval: 50 };

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
  { timeout: 240_000 },
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
        const settings = settingsFor(servers.target.url);
        const operator = new Operator(sourceApi, targetApi, settings);
        await workUntilCrash(workload, operator, servers[victim]);
        servers[victim] = await start(victim, false);
        await servers[victim].start();
        await workload.round();
        await operator.enable();
        await expect.poll(() => operator.isDrained(), PATIENCE).toBe(true);
        await operator.expectHolds();
        await expectHolds(workload, await operator.letterSerials(), sourceApi, targetApi);
        expect(await servers.source.stop(), servers.source.output).toBe(0);
        expect(await servers.target.stop(), servers.target.output).toBe(0);
      } finally {
        await Promise.all([servers.source.kill(), servers.target.kill()]);
        await Promise.all([sourceApi.close(), targetApi.close()]);
      }
    });
  },
);

function settingsFor(targetUrl: string): object {
  const settings = { src_bucket: BUCKET, dst_bucket: BUCKET, dst_host: targetUrl };
  return { ...settings, dst_token: TOKEN, include: { state: 'working' } };
}

async function prepare(source: Api, target: Api, targetUrl: string): Promise<void> {
  await source.ok('POST', `/b/${BUCKET}`);
  await target.ok('POST', `/b/${BUCKET}`);
  const serials = Array.from({ length: MAX_SERIALS }, (_, i) => i);
  for (const entry of new Set(serials.map(entryOf))) {
    const taken = serials.filter((serial) => isTaken(serial) && entryOf(serial) === entry);
    await writeAll(target, entry, taken.map(takenRecord));
  }
  await writeAll(source, OLD_ENTRY, serials.slice(0, OLD_RECORDS).map(oldRecord));
  await source.ok('POST', '/replications/copy', {}, JSON.stringify(settingsFor(targetUrl)));
}

async function writeAll(api: Api, entry: string, records: readonly TestRecord[]): Promise<void> {
  for (let at = 0; at < records.length; at += 80) {
    const { status } = await api.writeBatch(BUCKET, entry, records.slice(at, at + 80));
    expect(status).toBe(200);
  }
}

/** It may come to the point while it starts. @throws Error when the point is never reached. */
async function workUntilCrash(
  workload: Workload,
  operator: Operator,
  victim: ServerProcess,
): Promise<void> {
  const exit = victim.exited();
  await expect.poll(async () => victim.hasEnded || (await victim.isReady()), PATIENCE).toBe(true);
  let last: unknown;
  for (let round = 0; round < MAX_ROUNDS && !victim.hasEnded; round++) {
    try {
      await workload.round();
      await operator.round();
    } catch (error) {
      // Killed with requests under way: what they were for may be there or not.
      last = error;
      break;
    }
  }
  const tooLong = new Promise((_, reject) => {
    const error = new Error('the point was not reached', { cause: last });
    setTimeout(reject, 20_000, error).unref();
  });
  await Promise.race([exit, tooLong]);
}

async function expectHolds(
  workload: Workload,
  letters: readonly number[],
  source: Api,
  target: Api,
): Promise<void> {
  const stored = await readAll(source, false);
  expect(workload.written.filter((serial) => !stored.has(serial))).toEqual([]);
  const unseen = workload.updated.filter((serial) => stored.get(serial)?.labels['seen'] !== 'yes');
  expect(unseen).toEqual([]);
  const delivered = await readAll(target, true);
  // Only what somebody else's record stands in the way of may be a dead letter.
  expect(letters.filter((serial) => !isTaken(serial))).toEqual([]);
  const isLetter = new Set(letters);
  const matching = [...stored].filter(
    ([serial, record]) => matches(record) && (!isLetter.has(serial) || delivered.has(serial)),
  );
  const labelsOf = (records: Iterable<[number, TestRecord]>): unknown[] =>
    [...records]
      .toSorted(([a], [b]) => a - b)
      .map(([serial, { labels }]) => [serial, labels['seen'] ?? '']);
  expect(labelsOf(delivered)).toEqual(labelsOf(matching));
}
