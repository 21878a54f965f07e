import { execFileSync } from 'node:child_process';
import { freePort } from '../lib/free-port.ts';
import { processMemory, type ProcessMemory } from '../lib/proc.ts';
import { atMost, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Scope } from '../lib/scope.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RECORDS = 1_000_000;
const QUICK_RECORDS = 100_000;
const MAX_ROUNDS = 3;
const GOAL_MIB = 64;
const MIB = 1024 * 1024;
/** Far below anything kept per record, far above a cursor. */
const GOAL_DISK_BYTES = 1;

interface Side {
  readonly memory: ProcessMemory;
  readonly diskBytes: number;
  readonly records: number;
}

export const pendingMemory: Row = {
  id: 'pending-memory',
  title:
    'resident memory with 1 000 000 pending 1 KiB records, minus without; disk per pending record',
  inQuick: false,
  run,
};

/**
 * Both sides take in the same records with the same requests; the only difference is the task. Each round has fresh
 * servers: resident memory depends on when garbage was collected, and its median over rounds less so.
 */
async function run(context: RowContext): Promise<RowResult> {
  const { settings, progress } = context;
  const rounds = Math.min(settings.rounds, MAX_ROUNDS);
  const without: Side[] = [];
  const withOne: Side[] = [];
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}, without a task`);
    without.push(await measureSide(context, 0));
    progress(`round ${round} of ${rounds}, 1 unreachable target`);
    withOne.push(await measureSide(context, 1));
  }
  const difference = (of: (side: Side) => number): number[] =>
    withOne.map((side, round) => of(side) - of(without[round] ?? side));
  const resident = difference(({ memory }) => memory.residentBytes / MIB);
  const anonymous = difference(({ memory }) => memory.anonymousBytes / MIB);
  const disk = difference(({ diskBytes, records }) => diskBytes / records);
  return {
    figures: [
      spreadFigure('resident memory', 'MiB', spreadOf(resident), atMost(GOAL_MIB)),
      spreadFigure('of it heap, stacks and ring', 'MiB', spreadOf(anonymous)),
      spreadFigure(
        'disk per pending record and task',
        'B',
        spreadOf(disk),
        atMost(GOAL_DISK_BYTES),
      ),
    ],
    notes: [describe('without a task', without), describe('1 unreachable target', withOne)],
    raw: { without, withOne },
  };
}

async function measureSide(context: RowContext, tasks: number): Promise<Side> {
  const scope = new Scope();
  try {
    return await measureIn(scope, context, tasks);
  } finally {
    await scope.close();
  }
}

async function measureIn(
  scope: Scope,
  { settings, driver }: RowContext,
  tasks: number,
): Promise<Side> {
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  // Enabled, so that the task tries and fails all the time, which is the state that could leak.
  const port = await freePort();
  for (let task = 0; task < tasks; task++) {
    await server.admin.createTask(`pending-${task}`, BUCKET, {
      dstHost: `http://127.0.0.1:${port}`,
      dstToken: '',
      dstBucket: 'sink',
      mode: 'enabled',
    });
  }
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  await driver.run({
    generator: 'sockets',
    target: server.target(BUCKET),
    shape: batchShape(settings, PAYLOAD_BYTES),
    warmupMs: 0,
    measureMs: 0,
    requests: records / BATCH_RECORDS,
    watchedPids: [],
  });
  // The exact count makes a thread read all of them; what that leaves behind counts.
  for (let task = 0; task < tasks; task++) {
    const pending = await server.admin.pendingRecords(`pending-${task}`);
    if (pending !== records) throw new Error(`${pending} of ${records} records are pending`);
  }
  await settle([server.pid]);
  const memory = processMemory(server.pid);
  // A stop and a start turn the write-ahead log into tables: what is left is what the records take.
  await server.stop();
  await server.spawn();
  await settle([server.pid]);
  await server.stop();
  return { memory, diskBytes: folderBytes(server.dataFolder), records };
}

function folderBytes(path: string): number {
  const text = execFileSync('du', ['--summarize', '--block-size=1', path], { encoding: 'utf8' });
  return Number.parseInt(text, 10);
}

function describe(name: string, sides: readonly Side[]): string {
  const mib = (of: (side: Side) => number): string =>
    `${Math.round(spreadOf(sides.map(of)).median / MIB)} MiB`;
  return (
    `${name}: resident ${mib(({ memory }) => memory.residentBytes)}, of it heap, stacks and ring ` +
    `${mib(({ memory }) => memory.anonymousBytes)}; disk ${mib(({ diskBytes }) => diskBytes)}`
  );
}
