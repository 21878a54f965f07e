import { setTimeout as sleep } from 'node:timers/promises';
import { ProfiledServer } from '../lib/profile.ts';
import { atLeast, spreadFigure, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { ScanReader } from '../lib/scan-reader.ts';
import { entryName } from '../lib/request-writer.ts';
import { Server } from '../lib/server.ts';
import { BATCH_RECORDS } from '../lib/shapes.ts';
import { ratioSpread, spreadOf } from '../lib/stats.ts';
import { settle } from '../lib/wait.ts';

const PAYLOAD_BYTES = 1024;
const ENTRIES = 16;
/** Over all entries. */
const RECORDS = 640_000;
const QUICK_RECORDS = 256_000;
/** Round 0, which does not count: both sides compile their code. */
const WARMUP_RECORDS = 128_000;
const GOAL = 1;
const PROFILE_MS = 4_000;
/** One reader, and as many as there are writers. */
const READERS = [1, 16] as const;

interface Portion {
  readonly writesPerSecond: number;
  /** By number of readers. */
  readonly readsPerSecond: readonly number[];
}

export const queryRead: Row = {
  id: 'query-read',
  title: `query + batch read of 1 KiB records of one entry out of ${ENTRIES}, against batch v1 write of the same records`,
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, progress } = context;
  const server = await Server.start(scope, { durability: 'os' });
  const reader = ScanReader.start(scope);
  const portions: Portion[] = [];
  for (let round = 0; round <= settings.rounds; round++) {
    progress(`round ${round} of ${settings.rounds}`);
    const isWarmup = round === 0;
    const records = settings.quick ? QUICK_RECORDS : RECORDS;
    const portion = await measure(
      context,
      server,
      reader,
      `bench-${round}`,
      isWarmup ? WARMUP_RECORDS : records,
    );
    if (!isWarmup) portions.push(portion);
  }
  const writes = portions.map((portion) => portion.writesPerSecond);
  const figures = READERS.flatMap((readers, index) => {
    const reads = portions.map((portion) => portion.readsPerSecond[index] ?? Number.NaN);
    const name = readers === 1 ? '1 reader' : `${readers} readers`;
    return [
      spreadFigure(`${name} against write`, 'x', ratioSpread(reads, writes), atLeast(GOAL)),
      spreadFigure(`${name}`, 'records/s', spreadOf(reads)),
    ];
  });
  return {
    figures: [...figures, spreadFigure('batch v1 write', 'records/s', spreadOf(writes))],
    notes: [
      `written by ${ENTRIES} connections, one entry each, ${BATCH_RECORDS} records a request; ` +
        'each reader has a query of its own over the same entry and one request in flight',
    ],
    raw: { portions },
    explain: () => explain(context, reader),
  };
}

async function measure(
  context: RowContext,
  server: Server,
  reader: ScanReader,
  bucket: string,
  records: number,
): Promise<Portion> {
  const writesPerSecond = await fill(context, server, bucket, records);
  const readsPerSecond: number[] = [];
  const stored = (await server.admin.recordCounts(bucket)).get(entryName(0)) ?? 0;
  for (const readers of READERS) {
    await settle([server.pid, reader.pid]);
    const job = { target: server.target(bucket), entry: entryName(0), readers };
    const scan = await reader.read(job);
    if (scan.records !== readers * stored) {
      throw new Error(`${scan.records} records were read, not ${readers} times ${stored}`);
    }
    readsPerSecond.push((1000 * scan.records) / scan.elapsedMs);
  }
  return { writesPerSecond, readsPerSecond };
}

/** @returns records written a second. */
async function fill(
  { driver }: RowContext,
  server: Server,
  bucket: string,
  records: number,
): Promise<number> {
  await server.admin.createBucket(bucket);
  await settle([server.pid]);
  const shape = {
    payloadBytes: PAYLOAD_BYTES,
    recordsPerRequest: BATCH_RECORDS,
    connections: ENTRIES,
    entries: ENTRIES,
  };
  const load = await driver.fill(server.target(bucket), shape, records);
  return load.recordsPerSecond;
}

async function explain(context: RowContext, reader: ScanReader): Promise<string[]> {
  const profiled = await ProfiledServer.start(context, 'os');
  const { server } = profiled;
  await fill(context, server, 'bench', WARMUP_RECORDS);
  await settle([server.pid]);
  await reader.begin({ target: server.target('bench'), entry: entryName(0), readers: 1 });
  await sleep(PROFILE_MS);
  await reader.end();
  return profiled.report();
}
