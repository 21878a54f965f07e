/** A link with a long round trip that loses packets. */
import { createPausedTasks, drainTasks, fillBucket } from '../lib/backlog.ts';
import { ChildCalls } from '../lib/child-calls.ts';
import { NullSink } from '../lib/null-sink.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';

const ROUND_TRIP_MS = 100;
const LOSS = 0.005;
const ENTRIES = 16;
const PAYLOAD_BYTES = 1024;
const RECORDS = 32_000;
const QUICK_RECORDS = 8_000;
const GOAL = 4;

export const longLink: Row = {
  id: 'long-link',
  title: `catch-up over a link of ${ROUND_TRIP_MS} ms and ${100 * LOSS} % loss, against one batch at a time`,
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const sink = await NullSink.start(scope);
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  const single = { MILLRACE_REPLICATION_CONCURRENCY: '1' };
  const arms = [
    {
      name: 'one batch at a time',
      server: await Server.start(scope, { durability: 'os', env: single }),
      rates: [] as number[],
    },
    {
      name: 'several',
      server: await Server.start(scope, { durability: 'os' }),
      rates: [] as number[],
    },
  ];
  const sixteen = { ...context, settings: { ...settings, entries: ENTRIES } };
  for (let round = 0; round < settings.rounds; round++) {
    for (const { name, server, rates } of arms) {
      progress(`round ${round + 1} of ${settings.rounds}, ${name}`);
      const link = ChildCalls.start(scope, 'long-link');
      const options = {
        targetPort: sink.port,
        roundTripMs: ROUND_TRIP_MS,
        loss: LOSS,
        seed: round + 1,
      };
      const port = await link.call<number>('listen', options);
      const bucket = `bench-${round}`;
      const task = `deliver-${round}`;
      await server.admin.createBucket(bucket);
      const target = { url: `http://127.0.0.1:${port}`, token: '' };
      await createPausedTasks(server, bucket, new Map([[task, target]]));
      await fillBucket(sixteen, server, bucket, PAYLOAD_BYTES, records);
      rates.push((1000 * records) / (await drainTasks(server, [task])));
      await server.admin.removeTask(task);
      await link.stop();
    }
  }
  const [one, several] = arms;
  if (one === undefined || several === undefined) throw new Error('no arms');
  return {
    figures: [
      spreadFigure('records/s', 'x', ratioSpread(several.rates, one.rates), atLeast(GOAL)),
      spreadFigure('one batch at a time', 'records/s', spreadOf(one.rates)),
      spreadFigure('several', 'records/s', spreadOf(several.rates)),
    ],
    notes: [
      `${records} × ${PAYLOAD_BYTES} B in ${ENTRIES} entries; the link is a relay that delays and stalls, see bench/processes/long-link.ts; the order within an entry is kept in both`,
    ],
    raw: { one: one.rates, several: several.rates },
  };
}
