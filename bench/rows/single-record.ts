import { startBareHandler } from '../lib/bare-handler.ts';
import {
  cpuRatio,
  describeArm,
  ingestRounds,
  throughputRatio,
  type Arm,
} from '../lib/ingest-rounds.ts';
import type { Generator } from '../lib/load-job.ts';
import { profileServer } from '../lib/profile.ts';
import {
  atLeast,
  atMost,
  spreadFigure,
  type Figure,
  type Row,
  type RowContext,
  type RowResult,
} from '../lib/row.ts';
import { Server, type Durability } from '../lib/server.ts';
import { singleShape } from '../lib/shapes.ts';

interface Goals {
  readonly cpuRatio: number;
  readonly throughput: number;
}

const BUCKET = 'bench';
const PAYLOAD_BYTES = 256;
/** autocannon gives the figures that the goals are about, the sockets show the server closer to its limit. */
const GENERATORS: readonly Generator[] = ['autocannon', 'sockets'];

export const singleOs: Row = {
  id: 'single-256-os',
  title: 'single-record POST 256 B, `os`, against a bare handler',
  inQuick: true,
  run: (context) => run(context, 'os', { cpuRatio: 1.7, throughput: 0.8 }),
};

export const singleFsync: Row = {
  id: 'single-256-fsync',
  title: 'single-record POST 256 B, `fsync`, against a bare handler',
  inQuick: false,
  run: (context) => run(context, 'fsync', { cpuRatio: 2.2, throughput: 0.6 }),
};

async function run(context: RowContext, durability: Durability, goals: Goals): Promise<RowResult> {
  const { scope, settings } = context;
  const shape = singleShape(settings, PAYLOAD_BYTES);
  const bare = await startBareHandler(scope);
  const server = await Server.withBucket(scope, BUCKET, { durability });
  const arms: Arm[] = [
    { name: 'bare handler', target: bare.target(BUCKET), pid: bare.pid, shape },
    { name: `millrace ${durability}`, target: server.target(BUCKET), pid: server.pid, shape },
  ];
  const figures: Figure[] = [];
  const notes: string[] = [];
  const raw: Record<string, unknown> = {};
  for (const generator of GENERATORS) {
    const results = await ingestRounds(context, generator, arms);
    const [reference, candidate] = results;
    if (reference === undefined || candidate === undefined) throw new Error('an arm is missing');
    const isHeadline = generator === 'autocannon';
    figures.push(
      spreadFigure(
        `CPU per record (${generator})`,
        'x',
        cpuRatio(candidate, reference),
        isHeadline ? atMost(goals.cpuRatio) : undefined,
      ),
      spreadFigure(
        `throughput (${generator})`,
        'x',
        throughputRatio(candidate, reference),
        isHeadline ? atLeast(goals.throughput) : undefined,
      ),
    );
    notes.push(...results.map((arm) => `${generator}: ${describeArm(arm)}`));
    raw[generator] = results;
  }
  return { figures, notes, raw, explain: () => profileServer(context, { durability, shape }) };
}
