import { ChildCalls } from '../lib/child-calls.ts';
import type { OpenLoopJob, OpenLoopResult } from '../lib/open-loop.ts';
import { atMost, type Figure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server, type Durability } from '../lib/server.ts';
import { quantile } from '../lib/stats.ts';
import { until } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RATES: readonly number[] = [2_000, 10_000];
const DURATION_S = 30;
const QUICK_DURATION_S = 4;
/** Records of the first second are not counted: connections and code are cold. */
const WARMUP_S = 1;
/** The median has a goal at this rate only. */
const P50_RATE = 2_000;
const P50_GOAL_MS = 5;
const P99_GOAL_MS = 50;
const DRAIN_TIMEOUT_MS = 60_000;
const DURABILITIES: readonly Durability[] = ['fsync', 'os'];

export const replicationLag: Row = {
  id: 'replication-lag',
  title:
    'time from 200 to the writer until the record is in the target, 2 000 and 10 000 records/s, open loop',
  inQuick: true,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  const arms = RATES.flatMap((rate) => DURABILITIES.map((durability) => ({ rate, durability })));
  for (const { rate, durability } of arms) {
    const { lagsMs, ackMs } = await measure(context, durability, rate);
    const arm = `${rate} records/s, ${durability}`;
    figures.push(
      {
        label: `${arm}: p50`,
        value: quantile(lagsMs, 0.5),
        unit: 'ms',
        ...(rate === P50_RATE ? { goal: atMost(P50_GOAL_MS) } : {}),
      },
      {
        label: `${arm}: p99`,
        value: quantile(lagsMs, 0.99),
        unit: 'ms',
        goal: atMost(P99_GOAL_MS),
      },
    );
    const text = (values: Float64Array, q: number): string => quantile(values, q).toFixed(1);
    notes.push(
      `${arm}: ${lagsMs.length} records of ${PAYLOAD_BYTES} B; lag p99.9 ${text(lagsMs, 0.999)} max ${text(lagsMs, 1)} ms; ` +
        `from the scheduled time of a write to its 200: p50 ${text(ackMs, 0.5)} p99 ${text(ackMs, 0.99)} ms`,
    );
    raw[arm] = { p999: quantile(lagsMs, 0.999), max: quantile(lagsMs, 1) };
  }
  notes.push(
    "a record counts as in the target when a second instance has answered its batch with 200, seen by a proxy between the two; the proxy's own time counts",
  );
  return { figures, notes, raw };
}

/** Ascending. */
interface Lags {
  readonly lagsMs: Float64Array;
  readonly ackMs: Float64Array;
}

async function measure(
  context: RowContext,
  durability: Durability,
  recordsPerSecond: number,
): Promise<Lags> {
  const { scope, settings, progress } = context;
  const { entries } = settings;
  const source = await Server.withBucket(scope, BUCKET, { durability });
  const target = await Server.withBucket(scope, BUCKET, { durability });
  const proxy = ChildCalls.start(scope, 'stamping-proxy');
  const proxyPort = await proxy.call<number>('listen', target.url);
  await source.admin.createTask('deliver', BUCKET, {
    dstHost: `http://127.0.0.1:${proxyPort}`,
    dstToken: target.token,
    dstBucket: BUCKET,
    mode: 'enabled',
  });
  const writer = ChildCalls.start(scope, 'open-loop-writer');
  const durationS = settings.quick ? QUICK_DURATION_S : DURATION_S;
  const job: OpenLoopJob = {
    target: source.target(BUCKET),
    shape: { payloadBytes: PAYLOAD_BYTES, recordsPerRequest: 1, connections: 32, entries },
    recordsPerSecond,
    records: recordsPerSecond * (WARMUP_S + durationS),
  };
  progress(`${durability}, ${recordsPerSecond} records/s, ${durationS} s`);
  const written = await writer.call<OpenLoopResult>('run', job);
  await until(
    'The delivery of all records',
    async () => (await source.admin.pendingRecords('deliver')) === 0,
    DRAIN_TIMEOUT_MS,
  );
  const stamps = await proxy.call<[string, number][]>('stamps');
  await Promise.all([source.stop(), target.stop(), proxy.stop(), writer.stop()]);
  return lagsOf(written, new Map(stamps), recordsPerSecond * WARMUP_S);
}

function lagsOf(
  { keys, scheduledMs, answeredMs }: OpenLoopResult,
  stamps: ReadonlyMap<string, number>,
  skip: number,
): Lags {
  const lagsMs = new Float64Array(keys.length - skip);
  const ackMs = new Float64Array(keys.length - skip);
  for (let index = skip; index < keys.length; index++) {
    const stampMs = stamps.get(keys[index] ?? '');
    const answerMs = answeredMs[index];
    if (stampMs === undefined || answerMs === undefined) {
      throw new Error(`record ${keys[index]} is not in the target`);
    }
    // A record may be in the target before its writer has read the 200.
    lagsMs[index - skip] = Math.max(0, stampMs - answerMs);
    ackMs[index - skip] = answerMs - (scheduledMs[index] ?? Number.NaN);
  }
  return { lagsMs: lagsMs.sort(), ackMs: ackMs.sort() };
}
