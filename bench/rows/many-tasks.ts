/** Many tasks on one bucket, each with a target of its own: what they deliver together, and what a writer notices. */
import { createPausedTasks, drainTasks, fillBucket, type TaskTarget } from '../lib/backlog.ts';
import { NullSink } from '../lib/null-sink.ts';
import {
  atLeast,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const TASKS = [1, 16, 128];
const QUICK_TASKS = [1, 16];
const PAYLOAD_BYTES = 1024;
const RECORDS = 40_000;
const QUICK_RECORDS = 16_000;
/** Ingest is measured over more, so that it lasts. */
const INGEST_FACTOR = 2;
const SENT_GOAL = 1;
const INGEST_GOAL = 0.6;

/** A server with so many tasks, and what each round has measured. */
interface Arm {
  readonly server: Server;
  readonly tasks: readonly string[];
  readonly sentPerSecond: number[];
  readonly ingestPerSecond: number[];
}

export const manyTasks: Row = {
  id: 'many-tasks',
  title: '1, 16 and 128 tasks on one bucket, one target each on one sink: sent in all, and ingest',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings } = context;
  const sink = await NullSink.start(scope);
  const arms: Arm[] = [];
  for (const tasks of [0, ...(settings.quick ? QUICK_TASKS : TASKS)]) {
    arms.push(await startArm(context, tasks));
  }
  for (let round = 0; round < settings.rounds; round++) {
    // In turn first: the machine writes back what the one before has stored.
    for (const arm of round % 2 === 0 ? arms : arms.toReversed()) {
      await measure(context, sink, arm, round);
    }
  }
  const [none, one] = arms;
  if (none === undefined || one === undefined) throw new Error('no arms');
  return {
    figures: arms.slice(1).flatMap((arm) => figuresOf(arm, one, none)),
    notes: [
      `${PAYLOAD_BYTES} B; sent: a backlog of ${recordsOf(context)} records for every task at once; ingest: batches of 80 while all tasks deliver`,
      `ingest without tasks: ${Math.round(spreadOf(none.ingestPerSecond).median)} records/s`,
    ],
    raw: arms.map(({ tasks, sentPerSecond, ingestPerSecond }) => ({
      tasks: tasks.length,
      sentPerSecond,
      ingestPerSecond,
    })),
  };
}

function figuresOf(arm: Arm, one: Arm, none: Arm): Figure[] {
  const count = arm.tasks.length;
  const label = count === 1 ? '1 task' : `${count} tasks`;
  const sent = spreadFigure(`${label}, sent in all`, 'records/s', spreadOf(arm.sentPerSecond));
  const ratio = ratioSpread(arm.sentPerSecond, one.sentPerSecond);
  const ingest = ratioSpread(arm.ingestPerSecond, none.ingestPerSecond);
  return [
    sent,
    ...(arm === one
      ? []
      : [spreadFigure(`${label}, sent against 1 task`, 'x', ratio, atLeast(SENT_GOAL))]),
    spreadFigure(`${label}, ingest against none`, 'x', ingest, atLeast(INGEST_GOAL)),
  ];
}

async function startArm({ scope }: RowContext, tasks: number): Promise<Arm> {
  const server = await Server.start(scope, { durability: 'os' });
  const names = Array.from({ length: tasks }, (_, task) => `deliver-${task}`);
  return { server, tasks: names, sentPerSecond: [], ingestPerSecond: [] };
}

function recordsOf({ settings }: RowContext): number {
  return settings.quick ? QUICK_RECORDS : RECORDS;
}

/** A backlog first, then ingest beside live delivery, on a bucket of this round. */
async function measure(
  context: RowContext,
  sink: NullSink,
  { server, tasks, sentPerSecond, ingestPerSecond }: Arm,
  round: number,
): Promise<void> {
  const bucket = `bench-${round}`;
  const records = recordsOf(context);
  context.progress(`round ${round + 1} of ${context.settings.rounds}, ${tasks.length} tasks`);
  await server.admin.createBucket(bucket);
  const target: TaskTarget = { url: sink.url, token: '' };
  const named = new Map(tasks.map((name) => [`${name}-${round}`, target]));
  const names = [...named.keys()];
  await createPausedTasks(server, bucket, named);
  await fillBucket(context, server, bucket, PAYLOAD_BYTES, records);
  await settle([server.pid, sink.pid]);
  if (names.length > 0) {
    const elapsedMs = await drainTasks(server, names);
    sentPerSecond.push((1000 * records * names.length) / elapsedMs);
    await settle([server.pid, sink.pid]);
  }
  ingestPerSecond.push(
    await fillBucket(context, server, bucket, PAYLOAD_BYTES, INGEST_FACTOR * records),
  );
  if (names.length > 0) await drainTasks(server, names);
  for (const name of names) await server.admin.removeTask(name);
}
