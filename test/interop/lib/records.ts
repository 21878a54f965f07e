/** Records of all shapes that the batch protocol can carry. */
import { createHash } from 'node:crypto';
import type { WrittenRecord } from './contents.ts';

const T0 = 1_700_000_000_000_000n;
const SIZES = [0, 1, 256, 4096, 70_000];
const ENTRIES = ['sensor-1', 'sensor-2', 'line/motor', 'line/motor/axis-x'];

/** Content that follows from its name, so that a mix-up is seen. */
export function contentOf(name: string, bytes: number): Buffer {
  const seed = createHash('sha512').update(name).digest();
  return Buffer.alloc(bytes, seed);
}

/** @param first serial of the first record; serials make timestamps and contents unique. */
export function makeRecords(first: number, count: number): WrittenRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const serial = first + i;
    const entry = ENTRIES[serial % ENTRIES.length] ?? 'sensor-1';
    const ts = T0 + BigInt(serial) * 1000n;
    return {
      entry,
      ts,
      content: contentOf(`${entry} ${serial}`, SIZES[serial % SIZES.length] ?? 1),
      contentType: serial % 2 === 0 ? 'application/octet-stream' : 'text/plain',
      labels: {
        serial: String(serial),
        state: serial % 3 === 0 ? 'idle' : 'working',
        anomaly: String(serial % 7 === 0),
        rpm: `${serial % 100}.5`,
        note: serial % 4 === 0 ? 'with, comma' : 'plain',
      },
    };
  });
}
