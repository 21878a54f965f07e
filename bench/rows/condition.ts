import { setTimeout as sleep } from 'node:timers/promises';
import { ProfiledServer } from '../lib/profile.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { ScanReader } from '../lib/scan-reader.ts';
import { entryName } from '../lib/request-writer.ts';
import { Server } from '../lib/server.ts';
import { BATCH_RECORDS } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RECORDS = 256_000;
const QUICK_RECORDS = 80_000;
const CONNECTIONS = 4;
const GOAL = 0.6;
const PROFILE_MS = 4_000;

interface Arm {
  readonly name: string;
  readonly when?: unknown;
  /** Of the records, by the labels of `LABEL_SETS`. */
  readonly matchShare: number;
  readonly ratesPerSecond: number[];
}

/** The harshest first: it returns as much as the query without a condition. */
const CONDITIONS = [
  {
    name: 'matches all',
    matchShare: 1,
    when: {
      $and: [{ $ne: ['&engine_status', 'broken'] }, { $in: ['&sensor_status', 'ok', 'corrupted'] }],
    },
  },
  {
    name: 'matches one in four',
    matchShare: 0.25,
    when: {
      $and: [{ $eq: ['&engine_status', 'working'] }, { $ne: ['&sensor_status', 'ok'] }],
    },
  },
] as const;

export const condition: Row = {
  id: 'condition',
  title:
    'a `when` condition with three operators, records/s examined in `only_metadata` mode, against the query without it',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const server = await Server.start(scope, { durability: 'os' });
  const reader = ScanReader.start(scope);
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  await fill(context, server, records);
  const newArm = (arm: Omit<Arm, 'ratesPerSecond'>): Arm => ({ ...arm, ratesPerSecond: [] });
  const without = newArm({ name: 'no condition', matchShare: 1 });
  const conditions = CONDITIONS.map(newArm);
  // Round 0 does not count: the query threads compile their code.
  for (let round = 0; round <= settings.rounds; round++) {
    for (const arm of [without, ...conditions]) {
      await settle([server.pid, reader.pid]);
      progress(`round ${round} of ${settings.rounds}, ${arm.name}`);
      const rate = await examine(server, reader, arm, records);
      if (round > 0) arm.ratesPerSecond.push(rate);
    }
  }
  const baseline = without.ratesPerSecond;
  return {
    figures: [
      ...conditions.map(({ name, ratesPerSecond }) =>
        spreadFigure(name, 'x', ratioSpread(ratesPerSecond, baseline), atLeast(GOAL)),
      ),
      ...[without, ...conditions].map(({ name, ratesPerSecond }) =>
        spreadFigure(name, 'records/s', spreadOf(ratesPerSecond)),
      ),
    ],
    notes: [
      `one entry of ${records} records, read by one client with HEAD`,
      ...conditions.map(({ name, when }) => `${name}: ${JSON.stringify(when)}`),
    ],
    raw: { without, conditions },
    explain: () => explain(context, reader),
  };
}

/** @returns records examined a second. */
async function examine(
  server: Server,
  reader: ScanReader,
  { when, matchShare }: Pick<Arm, 'when' | 'matchShare'>,
  records: number,
): Promise<number> {
  const { elapsedMs, records: found } = await reader.read({
    target: server.target(BUCKET),
    ...queryOf(when),
  });
  if (found !== records * matchShare) {
    throw new Error(`${found} records were found, not ${records * matchShare}`);
  }
  return (1000 * records) / elapsedMs;
}

function queryOf(when: unknown): {
  entry: string;
  query: Record<string, unknown>;
  withoutContents: true;
  readers: 1;
} {
  const query = { only_metadata: true, ...(when === undefined ? {} : { when }) };
  return { entry: entryName(0), query, withoutContents: true, readers: 1 };
}

async function fill({ driver }: RowContext, server: Server, records: number): Promise<void> {
  await server.admin.createBucket(BUCKET);
  const shape = {
    payloadBytes: PAYLOAD_BYTES,
    recordsPerRequest: BATCH_RECORDS,
    connections: CONNECTIONS,
    entries: 1,
  };
  await driver.fill(server.target(BUCKET), shape, records);
}

async function explain(context: RowContext, reader: ScanReader): Promise<string[]> {
  const profiled = await ProfiledServer.start(context, 'os');
  const { server } = profiled;
  await fill(context, server, QUICK_RECORDS);
  await settle([server.pid]);
  await reader.begin({ target: server.target(BUCKET), ...queryOf(CONDITIONS[0].when) });
  await sleep(PROFILE_MS);
  await reader.end();
  return profiled.report();
}
