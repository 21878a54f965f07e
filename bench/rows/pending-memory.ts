import { execFileSync } from 'node:child_process';
import { freePort } from '../lib/free-port.ts';
import { processMemory, type ProcessMemory } from '../lib/proc.ts';
import { atMost, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { batchShape, BATCH_RECORDS } from '../lib/shapes.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 1024;
const RECORDS = 1_000_000;
const QUICK_RECORDS = 100_000;
const GOAL_MIB = 64;
const MIB = 1024 * 1024;
/** Far below anything kept per record, far above a cursor. */
const GOAL_DISK_BYTES = 1;

interface Side {
  readonly memory: ProcessMemory;
  readonly diskBytes: number;
  readonly pendingRecords: number;
}

export const pendingMemory: Row = {
  id: 'pending-memory',
  title:
    'resident memory with 1 000 000 pending 1 KiB records, minus without; disk per pending record',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const without = await measureSide(context, 'without a task', 0);
  const withOne = await measureSide(context, '1 unreachable target', 1);
  const residentMiB = (withOne.memory.residentBytes - without.memory.residentBytes) / MIB;
  const anonymousMiB = (withOne.memory.anonymousBytes - without.memory.anonymousBytes) / MIB;
  const diskPerRecord = (withOne.diskBytes - without.diskBytes) / withOne.pendingRecords;
  return {
    figures: [
      { label: 'resident memory', value: residentMiB, unit: 'MiB', goal: atMost(GOAL_MIB) },
      { label: 'of it heap and stacks', value: anonymousMiB, unit: 'MiB' },
      {
        label: 'disk per pending record and task',
        value: diskPerRecord,
        unit: 'B',
        goal: atMost(GOAL_DISK_BYTES),
      },
    ],
    notes: [describe('without a task', without), describe('1 unreachable target', withOne)],
    raw: { without, withOne },
  };
}

async function measureSide(context: RowContext, name: string, tasks: number): Promise<Side> {
  const { scope, settings, driver, progress } = context;
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
  progress(`writing, ${name}`);
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
  await settle([server.pid]);
  const memory = processMemory(server.pid);
  const pendingRecords = tasks === 0 ? 0 : await server.admin.pendingRecords('pending-0');
  if (tasks > 0 && pendingRecords !== records) {
    throw new Error(`${pendingRecords} of ${records} records are pending`);
  }
  // A stop and a start turn the write-ahead log into tables: what is left is what the records take.
  await server.stop();
  await server.spawn();
  await settle([server.pid]);
  await server.stop();
  return { memory, diskBytes: folderBytes(server.dataFolder), pendingRecords };
}

function folderBytes(path: string): number {
  const text = execFileSync('du', ['--summarize', '--block-size=1', path], { encoding: 'utf8' });
  return Number.parseInt(text, 10);
}

function describe(name: string, { memory, diskBytes }: Side): string {
  const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  return `${name}: resident ${mib(memory.residentBytes)}, of it heap and stacks ${mib(memory.anonymousBytes)}, ring ${mib(memory.sharedBytes)}; disk ${mib(diskBytes)}`;
}
