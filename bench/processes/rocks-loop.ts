/**
 * The floor under the 4 KiB row: the same records written by a plain loop of RocksDB write batches, payload by arrival
 * number and one small index row by entry and timestamp, no HTTP, no labels, no catalogue.
 */
import { mkdirSync } from 'node:fs';
import { openRocks, type RocksDatabase } from '../../src/store/rocks.ts';
import { blockKey, indexKey } from '../../src/store/keys.ts';
import { COLUMN_BLOCKS, COLUMN_INDEX, INDEX_VALUE_BYTES } from '../../src/store/format.ts';
import { SignalReader } from '../../src/signal/signal-reader.ts';
import { loadSignal } from '../../src/signal/signal.ts';
import { serveCalls } from '../lib/child-calls.ts';
import type { RocksLoopJob, RocksLoopResult } from '../lib/rocks-loop.ts';

/** What the server opens its store with (default of MILLRACE_CACHE_MEMORY). */
const OPTIONS = { cacheBytes: 64 << 20 };

let db: RocksDatabase | undefined;
let sequence = 0;

async function open(argument: unknown): Promise<void> {
  const path = argument as string;
  mkdirSync(path, { recursive: true });
  db = await openRocks(path, OPTIONS);
}

async function run(argument: unknown): Promise<RocksLoopResult> {
  const job = argument as RocksLoopJob;
  const payloads = new SignalReader(loadSignal(), { payloadBytes: job.payloadBytes });
  await loopFor(payloads, job, job.warmupMs);
  const startCpu = process.cpuUsage();
  const startMs = performance.now();
  const records = await loopFor(payloads, job, job.measureMs);
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(startCpu);
  return { records, elapsedMs, cpuUs: user + system };
}

async function loopFor(
  payloads: SignalReader,
  { batchRecords, entries }: RocksLoopJob,
  durationMs: number,
): Promise<number> {
  if (db === undefined) throw new Error('the store is not open');
  const batch = db.batch();
  const indexValue = Buffer.alloc(INDEX_VALUE_BYTES);
  const startSequence = sequence;
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs) {
    for (let index = 0; index < batchRecords; index++) {
      batch.put(COLUMN_BLOCKS, blockKey(sequence), payloads.next());
      indexValue.writeUIntBE(sequence, 8, 6);
      const entryId = 1 + (sequence % entries);
      batch.put(COLUMN_INDEX, indexKey(entryId, BigInt(sequence)), indexValue);
      sequence++;
    }
    batch.commit(false);
    // A turn of the event loop, as between two commit groups: freed buffers are collected.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sequence - startSequence;
}

serveCalls({ open, run });
