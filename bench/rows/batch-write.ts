import { describeArm, ingestRounds, throughputRatio, type Arm } from '../lib/ingest-rounds.ts';
import type { Generator } from '../lib/load-job.ts';
import { profileServer } from '../lib/profile.ts';
import {
  atLeast,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { BATCH_RECORDS, batchShape, singleShape } from '../lib/shapes.ts';

const BUCKET = 'bench';
const GENERATORS: readonly Generator[] = ['autocannon', 'sockets'];
const SIZES: readonly { readonly payloadBytes: number; readonly goal: number }[] = [
  { payloadBytes: 256, goal: 5 },
  { payloadBytes: 1024, goal: 4 },
];

export const batchWrite: Row = {
  id: 'batch-v1',
  title: `batch v1 write, ${BATCH_RECORDS} records a request, against single-record POST`,
  inQuick: true,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings } = context;
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  for (const { payloadBytes, goal } of SIZES) {
    const both = { target: server.target(BUCKET), pid: server.pid };
    const arms: Arm[] = [
      { ...both, name: `single ${payloadBytes} B`, shape: singleShape(settings, payloadBytes) },
      { ...both, name: `batch ${payloadBytes} B`, shape: batchShape(settings, payloadBytes) },
    ];
    for (const generator of GENERATORS) {
      const results = await ingestRounds(context, generator, arms);
      const [single, batch] = results;
      if (single === undefined || batch === undefined) throw new Error('an arm is missing');
      const label = `${BATCH_RECORDS} × ${payloadBytes} B, records/s (${generator})`;
      const isHeadline = generator === 'autocannon';
      figures.push(
        spreadFigure(
          label,
          'x',
          throughputRatio(batch, single),
          isHeadline ? atLeast(goal) : undefined,
        ),
      );
      notes.push(...results.map((arm) => `${generator}: ${describeArm(arm)}`));
      raw[`${generator} ${payloadBytes}`] = results;
    }
  }
  const shape = batchShape(settings, 256);
  return {
    figures,
    notes,
    raw,
    explain: () => profileServer(context, { durability: 'os', shape }),
  };
}
