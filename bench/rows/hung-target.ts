/** A target that takes everything and never answers, beside healthy ones. */
import { createPausedTasks, drainTasks, fillBucket, type TaskTarget } from '../lib/backlog.ts';
import { ChildCalls } from '../lib/child-calls.ts';
import { NullSink } from '../lib/null-sink.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const HEALTHY = 15;
const PAYLOAD_BYTES = 1024;
const RECORDS = 40_000;
const QUICK_RECORDS = 16_000;
const GOAL = 0.95;

export const hungTarget: Row = {
  id: 'hung-target',
  title: `throughput of ${HEALTHY} tasks beside one whose target hangs for ever, against ${HEALTHY + 1} healthy ones`,
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings } = context;
  const sink = await NullSink.start(scope);
  const hanging = ChildCalls.start(scope, 'hanging-target');
  const port = await hanging.call<number>('listen');
  const healthy: TaskTarget = { url: sink.url, token: '' };
  const hung: TaskTarget = { url: `http://127.0.0.1:${port}`, token: '' };
  const arms = [
    {
      server: await Server.start(scope, { durability: 'os' }),
      last: healthy,
      rates: [] as number[],
    },
    { server: await Server.start(scope, { durability: 'os' }), last: hung, rates: [] as number[] },
  ];
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  for (let round = 0; round < settings.rounds; round++) {
    // In turn first: whoever is second finds a machine that writes back what the first one has stored.
    for (const { server, last, rates } of round % 2 === 0 ? arms : arms.toReversed()) {
      context.progress(
        `round ${round + 1} of ${settings.rounds}, ${last === hung ? 'one hung' : 'all healthy'}`,
      );
      const bucket = `bench-${round}`;
      await server.admin.createBucket(bucket);
      const names = Array.from({ length: HEALTHY }, (_, task) => `healthy-${task}-${round}`);
      const extra = `last-${round}`;
      const targets = new Map([
        ...names.map((name): [string, TaskTarget] => [name, healthy]),
        [extra, last],
      ]);
      await createPausedTasks(server, bucket, targets);
      await fillBucket(context, server, bucket, PAYLOAD_BYTES, records);
      await settle([server.pid, sink.pid]);
      await server.admin.setTaskMode(extra, 'enabled');
      const elapsedMs = await drainTasks(server, names);
      rates.push((1000 * records) / elapsedMs);
      for (const name of targets.keys()) await server.admin.removeTask(name);
    }
  }
  const [all, beside] = arms;
  if (all === undefined || beside === undefined) throw new Error('no arms');
  return {
    figures: [
      spreadFigure('records/s of a task', 'x', ratioSpread(beside.rates, all.rates), atLeast(GOAL)),
      spreadFigure('all healthy', 'records/s and task', spreadOf(all.rates)),
      spreadFigure('one hung', 'records/s and task', spreadOf(beside.rates)),
    ],
    notes: [
      `a backlog of ${records} × ${PAYLOAD_BYTES} B for every task; the time until the ${HEALTHY} have delivered`,
    ],
    raw: { allHealthy: all.rates, oneHung: beside.rates },
  };
}
