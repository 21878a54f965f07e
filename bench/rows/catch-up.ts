import { ProfiledServer } from '../lib/profile.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle, until } from '../lib/wait.ts';
import { cpuTimeUs } from '../lib/proc.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RECORDS = 200_000;
const QUICK_RECORDS = 80_000;
/** Round 0, which does not count: both sides compile their code. */
const WARMUP_RECORDS = 40_000;
const GOAL = 0.8;
const TIMEOUT_MS = 300_000;
/** Each look costs the source's main thread a request. */
const POLL_MS = 20;

/** One measured delivery or ingest. */
interface Portion {
  readonly recordsPerSecond: number;
  readonly targetCpuUsPerRecord: number;
  /** 0 for an ingest: there is no source. */
  readonly sourceCpuUsPerRecord: number;
}

export const catchUp: Row = {
  id: 'catch-up',
  title:
    "catch-up of pending 1 KiB records into a second instance, against that instance's own batch v1 ingest",
  inQuick: true,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const source = await Server.start(scope, { durability: 'os' });
  const target = await Server.start(scope, { durability: 'os' });
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  const direct: Portion[] = [];
  const replicated: Portion[] = [];
  const pids = [source.pid, target.pid];
  for (let round = 0; round <= settings.rounds; round++) {
    const bucket = `${BUCKET}-${round}`;
    const count = round === 0 ? WARMUP_RECORDS : records;
    progress(`round ${round} of ${settings.rounds}, ingest`);
    await target.admin.createBucket(`direct-${round}`);
    await settle(pids);
    const ingested = await ingest(context, target, `direct-${round}`, count);
    await fallBehind(context, source, target, bucket, count);
    progress(`round ${round} of ${settings.rounds}, catch-up`);
    await settle(pids);
    const delivered = await deliver(source, target, bucket);
    if (round === 0) continue;
    direct.push(ingested);
    replicated.push(delivered);
  }
  const rates = (portions: readonly Portion[]): number[] =>
    portions.map((portion) => portion.recordsPerSecond);
  return {
    figures: [
      spreadFigure(
        `${records} records, catch-up against ingest`,
        'x',
        ratioSpread(rates(replicated), rates(direct)),
        atLeast(GOAL),
      ),
      spreadFigure('catch-up', 'records/s', spreadOf(rates(replicated))),
      spreadFigure('batch v1 ingest', 'records/s', spreadOf(rates(direct))),
    ],
    notes: [
      `CPU of the target: catch-up ${cpuText(replicated, 'target')}, ingest ${cpuText(direct, 'target')}; ` +
        `of the source: ${cpuText(replicated, 'source')}; all threads of each process`,
      'rates count from the change of the mode to `enabled` until no record is pending',
    ],
    raw: { direct, replicated },
    explain: () => profileSource(context, target),
  };
}

/** Creates the bucket on both sides and lets its task fall behind. */
async function fallBehind(
  context: RowContext,
  source: Server,
  target: Server,
  bucket: string,
  records: number,
): Promise<void> {
  await source.admin.createBucket(bucket);
  await target.admin.createBucket(bucket);
  await source.admin.createTask(bucket, bucket, {
    dstHost: target.url,
    dstToken: target.token,
    dstBucket: bucket,
    mode: 'paused',
  });
  await ingest(context, source, bucket, records);
}

async function profileSource(context: RowContext, target: Server): Promise<string[]> {
  const profiled = await ProfiledServer.start(context, 'os');
  const { server } = profiled;
  await fallBehind(context, server, target, 'profile', RECORDS);
  await settle([server.pid, target.pid]);
  await deliver(server, target, 'profile');
  return profiled.report();
}

async function ingest(
  { settings, driver }: RowContext,
  server: Server,
  bucket: string,
  records: number,
): Promise<Portion> {
  const load = await driver.run({
    generator: 'sockets',
    target: server.target(bucket),
    shape: batchShape(settings, PAYLOAD_BYTES),
    warmupMs: 0,
    measureMs: 0,
    requests: records / BATCH_RECORDS,
    watchedPids: [server.pid],
  });
  return {
    recordsPerSecond: load.recordsPerSecond,
    targetCpuUsPerRecord: (load.watchedCpuUs[0] ?? Number.NaN) / load.records,
    sourceCpuUsPerRecord: 0,
  };
}

async function deliver(source: Server, target: Server, task: string): Promise<Portion> {
  const records = await source.admin.pendingRecords(task);
  const targetStartUs = cpuTimeUs(target.pid);
  const sourceStartUs = cpuTimeUs(source.pid);
  const startMs = performance.now();
  await source.admin.setTaskMode(task, 'enabled');
  await until(
    'The catch-up',
    async () => (await source.admin.pendingRecords(task)) === 0,
    TIMEOUT_MS,
    POLL_MS,
  );
  const elapsedMs = performance.now() - startMs;
  const targetCpuUs = cpuTimeUs(target.pid) - targetStartUs;
  const sourceCpuUs = cpuTimeUs(source.pid) - sourceStartUs;
  const stored = await target.admin.recordCount(task);
  if (stored !== records) throw new Error(`${stored} of ${records} records are in the target`);
  return {
    recordsPerSecond: (1000 * records) / elapsedMs,
    targetCpuUsPerRecord: targetCpuUs / records,
    sourceCpuUsPerRecord: sourceCpuUs / records,
  };
}

function cpuText(portions: readonly Portion[], side: 'source' | 'target'): string {
  const { median } = spreadOf(portions.map((portion) => portion[`${side}CpuUsPerRecord`]));
  return `${median.toFixed(1)} µs/record`;
}
