import type { LoadResult } from '../lib/load-job.ts';
import { NullSink } from '../lib/null-sink.ts';
import { cpuTimeUs } from '../lib/proc.ts';
import { atMost, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle, until } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 256;
const TASKS = 16;
const GOAL = 0.4;
const RECORDS = 200_000;
const QUICK_RECORDS = 40_000;
const DRAIN_TIMEOUT_MS = 300_000;

/** A server with some tasks that deliver everything to one sink. */
interface FanOutArm {
  readonly server: Server;
  readonly tasks: number;
  /** CPU of the source per record, ingest and delivery, one value a round. */
  readonly cpuUsPerRecord: number[];
}

export const fanOut: Row = {
  id: 'fan-out',
  title: `${TASKS} tasks with one null sink: source CPU per record and target, against 1 task`,
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const sink = await NullSink.start(scope);
  const arms = [
    await startArm(context, sink, 0),
    await startArm(context, sink, 1),
    await startArm(context, sink, TASKS),
  ];
  const pids = [sink.pid, ...arms.map((arm) => arm.server.pid)];
  for (let round = 0; round < settings.rounds; round++) {
    for (const arm of arms) {
      await settle(pids);
      progress(`round ${round + 1} of ${settings.rounds}, ${arm.tasks} tasks`);
      arm.cpuUsPerRecord.push(await deliver(context, arm));
    }
  }
  const [none, one, many] = arms.map((arm) => arm.cpuUsPerRecord);
  if (none === undefined || one === undefined || many === undefined) throw new Error('no arms');
  // What a target costs: the CPU beyond that of the same ingest without tasks.
  const perTarget = (values: readonly number[], tasks: number): number[] =>
    values.map((us, round) => (us - (none[round] ?? Number.NaN)) / tasks);
  const ofOne = perTarget(one, 1);
  const ofMany = perTarget(many, TASKS);
  return {
    figures: [
      spreadFigure('CPU per record and target', 'x', ratioSpread(ofMany, ofOne), atMost(GOAL)),
      spreadFigure('1 task', 'µs per record and target', spreadOf(ofOne)),
      spreadFigure(`${TASKS} tasks`, 'µs per record and target', spreadOf(ofMany)),
      spreadFigure('ingest without a task', 'µs per record', spreadOf(none)),
    ],
    notes: [
      `${BATCH_RECORDS} × ${PAYLOAD_BYTES} B batches; CPU until the last record is delivered, minus that of the same ingest without a task`,
    ],
    raw: arms.map(({ tasks, cpuUsPerRecord }) => ({ tasks, cpuUsPerRecord })),
  };
}

async function startArm({ scope }: RowContext, sink: NullSink, tasks: number): Promise<FanOutArm> {
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  for (let task = 0; task < tasks; task++) {
    await server.admin.createTask(taskName(task), BUCKET, {
      dstHost: sink.url,
      dstToken: '',
      dstBucket: 'sink',
      mode: 'enabled',
    });
  }
  return { server, tasks, cpuUsPerRecord: [] };
}

/** Writes one portion and waits until every task has delivered it. Returns the source's CPU time in µs per record. */
async function deliver({ settings, driver }: RowContext, arm: FanOutArm): Promise<number> {
  const { server, tasks } = arm;
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  const startUs = cpuTimeUs(server.pid);
  const load: LoadResult = await driver.run({
    generator: 'sockets',
    target: server.target(BUCKET),
    shape: batchShape(settings, PAYLOAD_BYTES),
    warmupMs: 0,
    measureMs: 0,
    requests: records / BATCH_RECORDS,
    watchedPids: [],
  });
  for (let task = 0; task < tasks; task++) {
    await until(
      `The delivery of task ${task}`,
      async () => (await server.admin.pendingRecords(taskName(task))) === 0,
      DRAIN_TIMEOUT_MS,
      50,
    );
  }
  return (cpuTimeUs(server.pid) - startUs) / load.records;
}

function taskName(task: number): string {
  return `deliver-${task}`;
}
