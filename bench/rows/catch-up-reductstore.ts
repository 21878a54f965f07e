/** What piled up at the source, into a real ReductStore: from Millrace, against from another ReductStore. */
import { createPausedTasks, drainTasks, fillBucket } from '../lib/backlog.ts';
import { reductStoreBinary } from '../lib/reductstore.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const PAYLOAD_BYTES = 1024;
const RECORDS = 64_000;
const QUICK_RECORDS = 16_000;
const GOAL = 2;

export const catchUpReductStore: Row = {
  id: 'catch-up-reductstore',
  title: 'catch-up into a real ReductStore from Millrace, against from ReductStore to ReductStore',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const command = [reductStoreBinary()] as const;
  const target = await Server.start(scope, { durability: 'os', command });
  const arms = [
    { name: 'ReductStore', source: await Server.start(scope, { durability: 'os', command }) },
    { name: 'Millrace', source: await Server.start(scope, { durability: 'os' }) },
  ].map((arm) => ({ ...arm, rates: [] as number[] }));
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  // With several connections that wrote batches to one entry, filling a ReductStore came to no end.
  const oneWriterAnEntry = { ...context, settings: { ...settings, connections: settings.entries } };
  for (let round = 0; round < settings.rounds; round++) {
    for (const { name, source, rates } of arms) {
      progress(`round ${round + 1} of ${settings.rounds}, from ${name}`);
      const bucket = `${name}-${round}`;
      await source.admin.createBucket(bucket);
      await target.admin.createBucket(bucket);
      const to = { url: target.url, token: target.token };
      await createPausedTasks(source, bucket, new Map([[bucket, to]]));
      await fillBucket(oneWriterAnEntry, source, bucket, PAYLOAD_BYTES, records);
      await settle([source.pid, target.pid]);
      rates.push((1000 * records) / (await drainTasks(source, [bucket])));
      const stored = await target.admin.recordCount(bucket);
      if (stored !== records) throw new Error(`${stored} of ${records} records are in the target`);
      await source.admin.removeTask(bucket);
    }
  }
  const [reductStore, millrace] = arms;
  if (reductStore === undefined || millrace === undefined) throw new Error('no arms');
  const ratio = ratioSpread(millrace.rates, reductStore.rates);
  return {
    figures: [
      spreadFigure('records/s', 'x', ratio, atLeast(GOAL)),
      spreadFigure('from Millrace', 'records/s', spreadOf(millrace.rates)),
      spreadFigure('from ReductStore', 'records/s', spreadOf(reductStore.rates)),
    ],
    notes: [
      `${records} × ${PAYLOAD_BYTES} B in ${settings.entries} entries; the same target in all rounds, a bucket of its own for each`,
    ],
    raw: arms.map(({ name, rates }) => ({ name, rates })),
  };
}
