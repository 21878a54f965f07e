import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle, until } from '../lib/wait.ts';
import { cpuTimeUs } from '../lib/proc.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RECORDS = 200_000;
const QUICK_RECORDS = 40_000;
const GOAL = 0.8;
const TIMEOUT_MS = 300_000;

/** One measured delivery or ingest. */
interface Portion {
  readonly recordsPerSecond: number;
  readonly targetCpuUsPerRecord: number;
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
  const direct: Portion[] = [];
  const replicated: Portion[] = [];
  const pids = [source.pid, target.pid];
  for (let round = 0; round < settings.rounds; round++) {
    const bucket = `${BUCKET}-${round}`;
    await source.admin.createBucket(bucket);
    await target.admin.createBucket(`direct-${round}`);
    await target.admin.createBucket(bucket);
    progress(`round ${round + 1} of ${settings.rounds}, ingest`);
    await settle(pids);
    direct.push(await ingest(context, target, `direct-${round}`));
    await source.admin.createTask(bucket, bucket, {
      dstHost: target.url,
      dstToken: target.token,
      dstBucket: bucket,
      mode: 'paused',
    });
    await ingest(context, source, bucket);
    progress(`round ${round + 1} of ${settings.rounds}, catch-up`);
    await settle(pids);
    replicated.push(await deliver(source, target, bucket));
  }
  const rates = (portions: readonly Portion[]): number[] =>
    portions.map((portion) => portion.recordsPerSecond);
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
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
      `CPU of the target: catch-up ${cpuText(replicated)}, ingest ${cpuText(direct)}`,
      'rates count from the change of the mode to `enabled` until no record is pending',
    ],
    raw: { direct, replicated },
  };
}

async function ingest(
  { settings, driver }: RowContext,
  server: Server,
  bucket: string,
): Promise<Portion> {
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
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
  };
}

async function deliver(source: Server, target: Server, task: string): Promise<Portion> {
  const records = await source.admin.pendingRecords(task);
  const startUs = cpuTimeUs(target.pid);
  const startMs = performance.now();
  await source.admin.setTaskMode(task, 'enabled');
  await until(
    'The catch-up',
    async () => (await source.admin.pendingRecords(task)) === 0,
    TIMEOUT_MS,
    10,
  );
  const elapsedMs = performance.now() - startMs;
  const targetCpuUs = cpuTimeUs(target.pid) - startUs;
  const stored = await target.admin.recordCount(task);
  if (stored !== records) throw new Error(`${stored} of ${records} records are in the target`);
  return {
    recordsPerSecond: (1000 * records) / elapsedMs,
    targetCpuUsPerRecord: targetCpuUs / records,
  };
}

function cpuText(portions: readonly Portion[]): string {
  const { median } = spreadOf(portions.map((portion) => portion.targetCpuUsPerRecord));
  return `${median.toFixed(1)} µs/record`;
}
