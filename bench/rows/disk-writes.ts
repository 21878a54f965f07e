import { processIo, type ProcessIo } from '../lib/proc.ts';
import { atMost, type Row, type RowContext, type RowResult } from '../lib/row.ts';
import { Server } from '../lib/server.ts';
import { singleShape } from '../lib/shapes.ts';
import { settle } from '../lib/wait.ts';

const BUCKET = 'bench';
const PAYLOAD_BYTES = 4096;
const ENTRIES = 16;
const RECORDS = 1024 * 1024;
const QUICK_RECORDS = 64 * 1024;
const GOAL = 2.3;
const GIB = 2 ** 30;

export const diskWrites: Row = {
  id: 'disk-writes',
  title: 'bytes written to disk per byte stored, 4 GiB of 4 KiB records over 16 entries',
  inQuick: false,
  run,
};

async function run(context: RowContext): Promise<RowResult> {
  const { scope, settings, driver, progress } = context;
  const server = await Server.withBucket(scope, BUCKET, { durability: 'os' });
  const before = processIo(server.pid);
  progress('writing');
  const load = await driver.run({
    generator: 'sockets',
    target: server.target(BUCKET),
    shape: { ...singleShape(settings, PAYLOAD_BYTES), entries: ENTRIES },
    warmupMs: 0,
    measureMs: 0,
    requests: settings.quick ? QUICK_RECORDS : RECORDS,
    watchedPids: [server.pid],
  });
  await settle([server.pid]);
  const written = difference(processIo(server.pid), before);
  progress('flushing');
  // What is still in memory tables is flushed by the next start, which reads it from the write-ahead log.
  await server.stop();
  await server.spawn();
  await settle([server.pid]);
  const flushed = processIo(server.pid);
  const storedBytes = load.records * PAYLOAD_BYTES;
  const ratio = (written.writeBytes + flushed.writeBytes) / storedBytes;
  const gib = (bytes: number): string => (bytes / GIB).toFixed(2);
  return {
    figures: [
      { label: 'written per stored', value: ratio, unit: 'x', goal: atMost(GOAL) },
      { label: 'ingest meanwhile', value: load.recordsPerSecond, unit: 'records/s' },
    ],
    notes: [
      `${gib(storedBytes)} GiB of payload; write_bytes of /proc/<pid>/io: ${gib(written.writeBytes)} GiB while writing and ` +
        `until compactions were over, ${gib(flushed.writeBytes)} GiB for the rest after a restart; ` +
        `${gib(written.cancelledWriteBytes)} GiB of these were in files deleted before they reached the disk and still count`,
    ],
    raw: { load, written, flushed },
  };
}

function difference(after: ProcessIo, before: ProcessIo): ProcessIo {
  return {
    writeBytes: after.writeBytes - before.writeBytes,
    cancelledWriteBytes: after.cancelledWriteBytes - before.cancelledWriteBytes,
  };
}
