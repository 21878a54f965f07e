import { setTimeout as sleep } from 'node:timers/promises';
import { ChildCalls } from '../lib/child-calls.ts';
import type { OpenLoopJob, OpenLoopResult } from '../lib/open-loop.ts';
import { ProfiledServer } from '../lib/profile.ts';
import {
  atMost,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { ScanReader } from '../lib/scan-reader.ts';
import type { ScanJob, ScanResult } from '../lib/scan-job.ts';
import { Server, type Durability } from '../lib/server.ts';
import { batchShape } from '../lib/shapes.ts';
import { quantile, ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RECORDS_PER_SECOND = 2_000;
const DURATION_S = 10;
const QUICK_DURATION_S = 4;
/** Records of the first second are not counted: connections and code are cold. */
const WARMUP_S = 1;
const READERS = 4;
/** In the bucket before the first round. */
const STORED_RECORDS = 64_000;
const CONNECTIONS = 32;
const GOAL = 1.5;
const DURABILITIES: readonly Durability[] = ['os', 'fsync'];
const PROFILE_MS = 4_000;

/** From the scheduled time of each write to its 200, in ms, ascending. */
type Latencies = Float64Array;

interface Round {
  readonly alone: Latencies;
  readonly beside: Latencies;
  readonly scan: ScanResult;
}

export const ingestBesideReaders: Row = {
  id: 'ingest-beside-readers',
  title: `ingest p99 latency while ${READERS} readers scan the bucket continuously, against without readers, open loop`,
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  for (const durability of DURABILITIES) {
    const rounds = await measure(context, durability);
    const p99 = (pick: (round: Round) => Latencies): number[] =>
      rounds.map((round) => quantile(pick(round), 0.99));
    const alone = p99((round) => round.alone);
    const beside = p99((round) => round.beside);
    figures.push(
      spreadFigure(`${durability}: p99`, 'x', ratioSpread(beside, alone), atMost(GOAL)),
      spreadFigure(`${durability}: p99 without readers`, 'ms', spreadOf(alone)),
      spreadFigure(`${durability}: p99 beside ${READERS} readers`, 'ms', spreadOf(beside)),
    );
    notes.push(describe(durability, rounds));
    raw[durability] = { alone, beside, scans: rounds.map(({ scan }) => scan) };
  }
  notes.push(
    `${RECORDS_PER_SECOND} single records of ${PAYLOAD_BYTES} B a second; a latency counts from the time that a write was due, whatever the ones before it did`,
  );
  return { figures, notes, raw, explain: () => explain(context) };
}

function describe(durability: Durability, rounds: readonly Round[]): string {
  const text = (pick: (round: Round) => number): string =>
    spreadOf(rounds.map(pick)).median.toFixed(2);
  const read = spreadOf(rounds.map(({ scan }) => (1000 * scan.records) / scan.elapsedMs)).median;
  return (
    `${durability}: without readers p50 ${text(({ alone }) => quantile(alone, 0.5))} max ${text(({ alone }) => quantile(alone, 1))} ms, ` +
    `beside them p50 ${text(({ beside }) => quantile(beside, 0.5))} max ${text(({ beside }) => quantile(beside, 1))} ms; ` +
    `the readers got ${Math.round(read)} records/s`
  );
}

async function measure(context: RowContext, durability: Durability): Promise<Round[]> {
  const { scope, settings, progress } = context;
  const server = await Server.withBucket(scope, BUCKET, { durability });
  const writer = ChildCalls.start(scope, 'open-loop-writer');
  const reader = ScanReader.start(scope);
  await fill(context, server);
  const rounds: Round[] = [];
  for (let round = 0; round < settings.rounds; round++) {
    progress(`${durability}, round ${round + 1} of ${settings.rounds}`);
    await settle([server.pid]);
    const alone = await write(context, server, writer);
    await settle([server.pid]);
    await reader.begin(scanOf(server));
    const beside = await write(context, server, writer);
    rounds.push({ alone, beside, scan: await reader.end() });
  }
  await Promise.all([server.stop(), writer.stop()]);
  return rounds;
}

function scanOf(server: Server): ScanJob {
  return { target: server.target(BUCKET), readers: READERS };
}

async function write(
  { settings }: RowContext,
  server: Server,
  writer: ChildCalls,
): Promise<Latencies> {
  const durationS = settings.quick ? QUICK_DURATION_S : DURATION_S;
  const job: OpenLoopJob = {
    target: server.target(BUCKET),
    shape: {
      payloadBytes: PAYLOAD_BYTES,
      recordsPerRequest: 1,
      connections: CONNECTIONS,
      entries: settings.entries,
    },
    recordsPerSecond: RECORDS_PER_SECOND,
    records: RECORDS_PER_SECOND * (WARMUP_S + durationS),
  };
  const { scheduledMs, answeredMs } = await writer.call<OpenLoopResult>('run', job);
  const skip = RECORDS_PER_SECOND * WARMUP_S;
  const latencies = Float64Array.from(
    answeredMs.slice(skip),
    (answered, index) => answered - (scheduledMs[skip + index] ?? Number.NaN),
  );
  return latencies.sort();
}

async function fill({ settings, driver }: RowContext, server: Server): Promise<void> {
  const shape = batchShape(settings, PAYLOAD_BYTES);
  await driver.fill(server.target(BUCKET), shape, STORED_RECORDS);
}

async function explain(context: RowContext): Promise<string[]> {
  const profiled = await ProfiledServer.start(context, 'os');
  const { server } = profiled;
  await server.admin.createBucket(BUCKET);
  await fill(context, server);
  const reader = ScanReader.start(context.scope);
  await reader.begin(scanOf(server));
  await sleep(PROFILE_MS);
  await reader.end();
  return profiled.report();
}
