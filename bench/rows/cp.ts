import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cpuTimeUs } from '../lib/proc.ts';
import { ProfiledServer } from '../lib/profile.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';
import { deliver, fallBehind, type Portion } from './catch-up.ts';

const PAYLOAD_BYTES = 1024;
const RECORDS = 200_000;
const QUICK_RECORDS = 80_000;
/** Round 0, which does not count: both servers compile their code. */
const WARMUP_RECORDS = 40_000;
const GOAL = 0.8;
const MILLRACE: string = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const execute = promisify(execFile);

export const copying: Row = {
  id: 'cp',
  title:
    '`millrace cp` of 1 KiB records between two instances, against the catch-up of a task with the same data',
  inQuick: true,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const source = await Server.start(scope, { durability: 'os' });
  const target = await Server.start(scope, { durability: 'os' });
  const records = settings.quick ? QUICK_RECORDS : RECORDS;
  const replicated: Portion[] = [];
  const copied: Portion[] = [];
  const pids = [source.pid, target.pid];
  for (let round = 0; round <= settings.rounds; round++) {
    const bucket = `bench-${round}`;
    progress(`round ${round} of ${settings.rounds}, ingest`);
    const count = round === 0 ? WARMUP_RECORDS : records;
    await fallBehind(context, source, target, bucket, PAYLOAD_BYTES, count);
    progress(`round ${round} of ${settings.rounds}, catch-up`);
    await settle(pids);
    const delivered = await deliver(source, target, bucket);
    progress(`round ${round} of ${settings.rounds}, cp`);
    await settle(pids);
    const portion = await copy(source, target, bucket, `copy-${round}`);
    if (round === 0) continue;
    replicated.push(delivered);
    copied.push(portion);
  }
  const rates = (portions: readonly Portion[]): number[] =>
    portions.map((portion) => portion.recordsPerSecond);
  return {
    figures: [
      spreadFigure(
        `${records} records, cp against catch-up`,
        'x',
        ratioSpread(rates(copied), rates(replicated)),
        atLeast(GOAL),
      ),
      spreadFigure('cp', 'records/s', spreadOf(rates(copied))),
      spreadFigure('catch-up', 'records/s', spreadOf(rates(replicated))),
    ],
    notes: [
      `CPU of the target: cp ${cpuText(copied, 'target')}, catch-up ${cpuText(replicated, 'target')}; ` +
        `of the source: cp ${cpuText(copied, 'source')}, catch-up ${cpuText(replicated, 'source')}`,
      'cp is a process of its own and counts from its start to its end',
    ],
    raw: { replicated, copied },
    explain: () => profileCopy(context, target),
  };
}

async function profileCopy(context: RowContext, target: Server): Promise<string[]> {
  const profiled = await ProfiledServer.start(context, 'os');
  const { server } = profiled;
  await fallBehind(context, server, target, 'profile', PAYLOAD_BYTES, RECORDS);
  await settle([server.pid, target.pid]);
  await copy(server, target, 'profile', 'profile-copy');
  return profiled.report();
}

async function copy(source: Server, target: Server, from: string, to: string): Promise<Portion> {
  const targetStartUs = cpuTimeUs(target.pid);
  const sourceStartUs = cpuTimeUs(source.pid);
  const startMs = performance.now();
  await execute(process.execPath, [
    MILLRACE,
    'cp',
    placeOf(source, from),
    placeOf(target, to),
    '-q',
  ]);
  const elapsedMs = performance.now() - startMs;
  const targetCpuUs = cpuTimeUs(target.pid) - targetStartUs;
  const sourceCpuUs = cpuTimeUs(source.pid) - sourceStartUs;
  const records = await source.admin.recordCount(from);
  const stored = await target.admin.recordCount(to);
  if (stored !== records) throw new Error(`${stored} of ${records} records were copied`);
  return {
    recordsPerSecond: (1000 * records) / elapsedMs,
    targetCpuUsPerRecord: targetCpuUs / records,
    sourceCpuUsPerRecord: sourceCpuUs / records,
  };
}

function placeOf({ url, token }: Server, bucket: string): string {
  return `${url.replace('://', `://${token}@`)}/${bucket}`;
}

function cpuText(portions: readonly Portion[], side: 'source' | 'target'): string {
  const { median } = spreadOf(portions.map((portion) => portion[`${side}CpuUsPerRecord`]));
  return `${median.toFixed(1)} µs/record`;
}
