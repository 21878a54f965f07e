import { join } from 'node:path';
import { startBareHandler } from '../lib/bare-handler.ts';
import { ChildCalls } from '../lib/child-calls.ts';
import { describeArm, ingestRounds, type Arm, type ArmResults } from '../lib/ingest-rounds.ts';
import type { Generator } from '../lib/load-job.ts';
import { profileServer } from '../lib/profile.ts';
import type { RocksLoopJob, RocksLoopResult } from '../lib/rocks-loop.ts';
import {
  atMost,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { singleShape } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 4096;
const GENERATORS: readonly Generator[] = ['autocannon', 'sockets'];
/** Records per write batch of the raw loop: a commit group under load (design, section 3). */
const LOOP_BATCH_RECORDS = 50;
const MAX_CPU_US = 36;
const MAX_CPU_RATIO = 1.6;

export const single4k: Row = {
  id: 'single-4k-os',
  title: 'single-record POST 4 KiB, `os`: CPU per record',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const shape = singleShape(settings, PAYLOAD_BYTES);
  const bare = await startBareHandler(scope);
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  const loop = await RawLoop.start(context);
  const arms: Arm[] = [
    {
      name: 'bare handler',
      target: bare.target(BUCKET),
      pid: bare.pid,
      shape,
      settlePids: [loop.pid],
      afterWindow: async () => {
        await settle([server.pid, loop.pid]);
        progress('raw RocksDB loop');
        await loop.run();
      },
    },
    { name: 'millrace os', target: server.target(BUCKET), pid: server.pid, shape },
  ];
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  for (const generator of GENERATORS) {
    loop.results.length = 0;
    const results = await ingestRounds(context, generator, arms);
    figures.push(...figuresOf(generator, results, loop.cpuUsPerRecord));
    notes.push(...results.map((arm) => `${generator}: ${describeArm(arm)}`), loop.describe());
    raw[generator] = { results, loop: [...loop.results] };
  }
  const explain = (): Promise<string[]> => profileServer(context, { durability: 'os', shape });
  return { figures, notes, raw, explain };
}

function figuresOf(
  generator: Generator,
  results: readonly ArmResults[],
  loopUsPerRecord: readonly number[],
): Figure[] {
  const [reference, candidate] = results;
  if (reference === undefined || candidate === undefined) throw new Error('an arm is missing');
  const floorUs = reference.cpuUsPerRecord.map((us, round) => us + (loopUsPerRecord[round] ?? 0));
  const isHeadline = generator === 'autocannon';
  return [
    spreadFigure(
      `CPU per record (${generator})`,
      'µs',
      spreadOf(candidate.cpuUsPerRecord),
      isHeadline ? atMost(MAX_CPU_US) : undefined,
    ),
    spreadFigure(
      `against bare handler + raw RocksDB loop (${generator})`,
      'x',
      ratioSpread(candidate.cpuUsPerRecord, floorUs),
      isHeadline ? atMost(MAX_CPU_RATIO) : undefined,
    ),
  ];
}

/** The running `bench/processes/rocks-loop` and its results, one a round. */
class RawLoop {
  readonly pid: number;
  readonly results: RocksLoopResult[] = [];
  readonly #calls: ChildCalls;
  readonly #job: RocksLoopJob;

  private constructor(calls: ChildCalls, job: RocksLoopJob) {
    this.#calls = calls;
    this.pid = calls.pid;
    this.#job = job;
  }

  static async start({ scope, settings }: RowContext): Promise<RawLoop> {
    const folder = scope.folder();
    const calls = ChildCalls.start(scope, 'rocks-loop');
    await calls.call('open', join(folder, 'raw'));
    return new RawLoop(calls, {
      payloadBytes: PAYLOAD_BYTES,
      batchRecords: LOOP_BATCH_RECORDS,
      entries: settings.entries,
      warmupMs: settings.warmupMs,
      measureMs: settings.measureMs,
    });
  }

  async run(): Promise<void> {
    this.results.push(await this.#calls.call<RocksLoopResult>('run', this.#job));
  }

  get cpuUsPerRecord(): number[] {
    return this.results.map(({ cpuUs, records }) => cpuUs / records);
  }

  describe(): string {
    const rate = spreadOf(this.results.map((result) => (1000 * result.records) / result.elapsedMs));
    const { median } = spreadOf(this.cpuUsPerRecord);
    return `raw RocksDB loop, ${LOOP_BATCH_RECORDS} records a batch: ${Math.round(rate.median)} records/s, ${median.toFixed(1)} µs/record`;
  }
}
