import { ProfiledServer } from '../lib/profile.ts';
import {
  atLeast,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle, until } from '../lib/wait.ts';
import { cpuTimeUs } from '../lib/proc.ts';

const BUCKET = 'bench';
/** Sizes, each with amounts that take about as long. */
const PORTIONS: readonly Size[] = [
  { name: '256 B', payloadBytes: 256, records: 320_000, quickRecords: 120_000 },
  { name: '1 KiB', payloadBytes: 1024, records: 200_000, quickRecords: 80_000 },
  { name: '16 KiB', payloadBytes: 16_384, records: 24_000, quickRecords: 8_000 },
];
/** Both sides write to as many; a task has one request of each in flight. */
const ENTRIES = 16;
const GOAL = 0.9;
const TIMEOUT_MS = 300_000;
/** Each look costs the source's main thread a request. */
const POLL_MS = 20;

interface Size {
  readonly name: string;
  readonly payloadBytes: number;
  readonly records: number;
  readonly quickRecords: number;
}

/** One measured delivery or ingest. */
export interface Portion {
  readonly recordsPerSecond: number;
  readonly targetCpuUsPerRecord: number;
  /** 0 for an ingest: there is no source. */
  readonly sourceCpuUsPerRecord: number;
}

export const catchUp: Row = {
  id: 'catch-up',
  title:
    "catch-up of pending records into a second instance, against that instance's own batch v1 ingest",
  inQuick: true,
  run,
};

async function run(given: RowContext): Promise<RowResult> {
  const context = { ...given, settings: { ...given.settings, entries: ENTRIES } };
  const { scope, settings } = context;
  const source = await Server.start(scope, { durability: 'os' });
  const target = await Server.start(scope, { durability: 'os' });
  const sides: Sides = { source, target };
  const bySize = new Map(PORTIONS.map((size): [Size, Rounds] => [size, newRounds()]));
  // Round 0 does not count: both sides compile their code.
  for (let round = 0; round <= settings.rounds; round++) {
    for (const [size, rounds] of bySize) {
      const { direct, replicated } = await measure(context, sides, size, round);
      if (round === 0) continue;
      rounds.direct.push(direct);
      rounds.replicated.push(replicated);
    }
  }
  return {
    figures: [...bySize].flatMap(([size, rounds]) => figuresOf(size, rounds)),
    notes: [
      ...[...bySize].map(([size, rounds]) => cpuNote(size, rounds)),
      `${ENTRIES} entries`,
      'rates count from the change of the mode to `enabled` until no record is pending',
    ],
    raw: [...bySize].map(([size, rounds]) => ({ size: size.name, ...rounds })),
    explain: () => profileSource(context, target),
  };
}

interface Sides {
  readonly source: Server;
  readonly target: Server;
}

interface Rounds {
  readonly direct: Portion[];
  readonly replicated: Portion[];
}

function newRounds(): Rounds {
  return { direct: [], replicated: [] };
}

async function measure(
  context: RowContext,
  { source, target }: Sides,
  { name, payloadBytes, records, quickRecords }: Size,
  round: number,
): Promise<{ readonly direct: Portion; readonly replicated: Portion }> {
  const { settings, progress } = context;
  const all = settings.quick ? quickRecords : records;
  const count = round === 0 ? quickRecords / 2 : all;
  const bucket = `${BUCKET}-${payloadBytes}-${round}`;
  const pids = [source.pid, target.pid];
  progress(`round ${round} of ${settings.rounds}, ${name}, ingest`);
  await target.admin.createBucket(`direct-${bucket}`);
  await settle(pids);
  const direct = await ingest(context, target, `direct-${bucket}`, payloadBytes, count);
  await fallBehind(context, source, target, bucket, payloadBytes, count);
  progress(`round ${round} of ${settings.rounds}, ${name}, catch-up`);
  await settle(pids);
  const replicated = await deliver(source, target, bucket);
  for (const name of [bucket, `direct-${bucket}`]) await target.admin.removeBucket(name);
  await source.admin.removeTask(bucket);
  await source.admin.removeBucket(bucket);
  return { direct, replicated };
}

function figuresOf({ name }: Size, { direct, replicated }: Rounds): Figure[] {
  const rates = (portions: readonly Portion[]): number[] =>
    portions.map((portion) => portion.recordsPerSecond);
  const ratio = ratioSpread(rates(replicated), rates(direct));
  return [
    spreadFigure(`${name}, catch-up against ingest`, 'x', ratio, atLeast(GOAL)),
    spreadFigure(`${name}, catch-up`, 'records/s', spreadOf(rates(replicated))),
    spreadFigure(`${name}, batch v1 ingest`, 'records/s', spreadOf(rates(direct))),
  ];
}

function cpuNote({ name }: Size, { direct, replicated }: Rounds): string {
  return (
    `${name}: CPU of the target: catch-up ${cpuText(replicated, 'target')}, ingest ${cpuText(direct, 'target')}; ` +
    `of the source: ${cpuText(replicated, 'source')}; all threads of each process`
  );
}

/** Creates the bucket on both sides and lets its task fall behind. */
export async function fallBehind(
  context: RowContext,
  source: Server,
  target: Server,
  bucket: string,
  payloadBytes: number,
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
  await ingest(context, source, bucket, payloadBytes, records);
}

async function profileSource(context: RowContext, target: Server): Promise<string[]> {
  const profiled = await ProfiledServer.start(context, 'os');
  const { server } = profiled;
  await fallBehind(context, server, target, 'profile', 1024, 200_000);
  await settle([server.pid, target.pid]);
  await deliver(server, target, 'profile');
  return profiled.report();
}

async function ingest(
  { settings, driver }: RowContext,
  server: Server,
  bucket: string,
  payloadBytes: number,
  records: number,
): Promise<Portion> {
  const load = await driver.run({
    generator: 'sockets',
    target: server.target(bucket),
    shape: batchShape(settings, payloadBytes),
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

/** Lets the task of that name catch up; the bucket has its name, too. */
export async function deliver(source: Server, target: Server, task: string): Promise<Portion> {
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
