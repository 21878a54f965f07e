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
import { BATCH_RECORDS, batchShape, multiBatchShape } from '../lib/shapes.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const ENTRIES = 8;
const GOAL = 0.9;
const GENERATORS: readonly Generator[] = ['autocannon', 'sockets'];

export const batchV2Write: Row = {
  id: 'batch-v2',
  title: `batch v2 write over ${ENTRIES} entries, ${BATCH_RECORDS} × 1 KiB, against batch v1`,
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings } = context;
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  const both = { target: server.target(BUCKET), pid: server.pid };
  const one = { ...batchShape(settings, PAYLOAD_BYTES), entries: ENTRIES };
  const multi = multiBatchShape(settings, PAYLOAD_BYTES, ENTRIES);
  const arms: Arm[] = [
    { ...both, name: 'batch v1', shape: one },
    { ...both, name: 'batch v2', shape: multi },
  ];
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  for (const generator of GENERATORS) {
    const results = await ingestRounds(context, generator, arms);
    const [v1, v2] = results;
    if (v1 === undefined || v2 === undefined) throw new Error('an arm is missing');
    const goal = generator === 'autocannon' ? atLeast(GOAL) : undefined;
    const ratio = throughputRatio(v2, v1);
    figures.push(spreadFigure(`records/s (${generator})`, 'x', ratio, goal));
    notes.push(...results.map((arm) => `${generator}: ${describeArm(arm)}`));
    raw[generator] = results;
  }
  notes.push(
    `${BATCH_RECORDS / ENTRIES} records of each of ${ENTRIES} entries in every request of v2; all connections write to the same entries`,
  );
  const explain = (): Promise<string[]> =>
    profileServer(context, { durability: 'os', shape: multi });
  return { figures, notes, raw, explain };
}
