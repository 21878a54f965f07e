import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../lib/free-port.ts';
import { NullSink } from '../lib/null-sink.ts';
import { Scope } from '../lib/scope.ts';
import { atMost, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape } from '../lib/shapes.ts';
import { spreadOf } from '../lib/stats.ts';
import { until } from '../lib/wait.ts';

const BUCKET = 'bench';
const GOAL_S = 1;
/** How long the target stays away: from a restart to an outage in which the back-off reaches its cap. */
const OUTAGES_S = [2, 5, 10, 20];
const QUICK_OUTAGES_S = [3];
const WRITE_REQUESTS = 50;
const FIRST_BATCH_TIMEOUT_MS = 120_000;

export const targetReturn: Row = {
  id: 'target-return',
  title: 'first batch after a target comes back',
  inQuick: true,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const source = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  // The system's choice would not do: a port that was bound without naming it cannot be bound again at once.
  const port = await freePort();
  const first = await NullSink.start(scope, port);
  await source.admin.createTask('deliver', BUCKET, {
    dstHost: first.url,
    dstToken: '',
    dstBucket: 'sink',
    mode: 'enabled',
  });
  await write(context, source);
  await until('The first delivery', async () => (await first.counts()).requests > 0, 30_000);
  await first.kill();
  const delaysS: number[] = [];
  const outages = settings.quick ? QUICK_OUTAGES_S : OUTAGES_S;
  for (const outageS of outages) {
    progress(`outage of ${outageS} s`);
    await write(context, source);
    await sleep(outageS * 1000);
    delaysS.push(await comeBack(port));
  }
  const each = outages.map((outageS, index) => `${outageS} s: ${delaysS[index]?.toFixed(3)} s`);
  const spread = spreadOf(delaysS);
  return {
    figures: [
      { ...spreadFigure('slowest', 's', spread, atMost(GOAL_S)), value: spread.high },
      { label: 'median', value: spread.median, unit: 's' },
    ],
    notes: [
      `by length of the outage, from listening again to the first whole batch: ${each.join(', ')}`,
    ],
    raw: { outages, delaysS },
  };
}

/** Starts the target again, measures, and takes it away again. */
async function comeBack(port: number): Promise<number> {
  const scope = new Scope();
  try {
    const sink = await NullSink.start(scope, port);
    await until(
      'A batch after the return',
      async () => (await sink.counts()).requests > 0,
      FIRST_BATCH_TIMEOUT_MS,
    );
    const { listeningMs, firstBatchMs } = await sink.counts();
    await sink.kill();
    return (firstBatchMs - listeningMs) / 1000;
  } finally {
    await scope.close();
  }
}

async function write({ settings, driver }: RowContext, server: Server): Promise<void> {
  await driver.run({
    generator: 'sockets',
    target: server.target(BUCKET),
    shape: batchShape(settings, 256),
    warmupMs: 0,
    measureMs: 0,
    requests: WRITE_REQUESTS,
    watchedPids: [],
  });
}
