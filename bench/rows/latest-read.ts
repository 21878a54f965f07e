import { startBareHandler } from '../lib/bare-handler.ts';
import { describeArm, ingestRounds, throughputRatio, type Arm } from '../lib/ingest-rounds.ts';
import type { Generator, LoadShape } from '../lib/load-job.ts';
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
const PAYLOAD_BYTES = 1024;
/** Enough that the latest record is not the only one of its entry. */
const STORED_RECORDS = 64 * BATCH_RECORDS;
const GOAL = 0.5;

/** autocannon takes the `content-length` of an answer to HEAD for a promise, so HEAD is measured with sockets only. */
const COMPARISONS: readonly { readonly read: 'GET' | 'HEAD'; readonly generator: Generator }[] = [
  { read: 'GET', generator: 'autocannon' },
  { read: 'GET', generator: 'sockets' },
  { read: 'HEAD', generator: 'sockets' },
];

export const latestRead: Row = {
  id: 'latest-read',
  title: 'latest 1 KiB record of an entry by GET and HEAD, requests/s, against a bare handler',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings } = context;
  const bare = await startBareHandler(scope);
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  await fill(context, server);
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  for (const { read, generator } of COMPARISONS) {
    const shape: LoadShape = { ...singleShape(settings, PAYLOAD_BYTES), read };
    const arms: Arm[] = [
      { name: `bare handler ${read}`, target: bare.target(BUCKET), pid: bare.pid, shape },
      { name: `millrace ${read}`, target: server.target(BUCKET), pid: server.pid, shape },
    ];
    const results = await ingestRounds(context, generator, arms);
    const [reference, candidate] = results;
    if (reference === undefined || candidate === undefined) throw new Error('an arm is missing');
    const label = `${read} (${generator})`;
    figures.push(spreadFigure(label, 'x', throughputRatio(candidate, reference), atLeast(GOAL)));
    notes.push(...results.map((arm) => `${generator}: ${describeArm(arm)}`));
    raw[label] = results;
  }
  notes.push('records in these lines are requests; the bare handler answers without a body');
  return { figures, notes, raw, explain: () => explain(context) };
}

function explain(context: RowContext): Promise<string[]> {
  const shape: LoadShape = { ...singleShape(context.settings, PAYLOAD_BYTES), read: 'GET' };
  return profileServer(context, {
    durability: 'os',
    shape,
    prepare: (server) => fill(context, server),
  });
}

async function fill({ settings, driver }: RowContext, server: Server): Promise<void> {
  const shape = { ...batchShape(settings, PAYLOAD_BYTES), entries: settings.entries };
  await driver.fill(server.target(BUCKET), shape, STORED_RECORDS);
}
