/**
 * Reads a ring as fast as it can until told to stop, and checks every block it gets: sequence and checksum must be
 * those the producer wrote. Runs from the build, like every worker.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { RingReader } from '../../dist/src/ring/reader.js';

const { buffer, last, stepBack } = workerData;
const reader = new RingReader(buffer);
const result = { read: 0, torn: 0, inStore: 0, lapped: 0, notPublished: 0 };
let sequence = reader.tail();

/** Every third turn goes one block back, towards the edge that the producer overwrites. */
let turn = 0;
while (sequence < last) {
  const copy = reader.read(sequence, 7, (bytes) => Buffer.allocUnsafe(bytes));
  turn++;
  if (copy === 'not-published') {
    result.notPublished++;
    continue;
  }
  if (copy === 'in-store') {
    result.inStore++;
    // Lapped on purpose: go to the very edge of what is still there, where the producer overwrites next.
    sequence = Math.max(sequence + 1, reader.tail());
    continue;
  }
  const body = copy.subarray(12);
  const isWhole = copy.readDoubleLE(0) === sequence && copy.readUInt32LE(8) === crc32(body) >>> 0;
  if (!isWhole) result.torn++;
  result.read++;
  sequence = stepBack && turn % 3 === 0 ? Math.max(reader.tail(), sequence - 1) : sequence + 1;
}
result.lapped = reader.lapped;
parentPort.postMessage(result);
