import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createZstdDecoder } from '../../src/http/zstd-stream.ts';

const BLOCK_BYTES = 128 * 1024;
const MIB = 1024 * 1024;

/** A frame of blocks of 128 KiB that consist of one byte each: four bytes a block. */
function bomb(blocks: number): Buffer {
  const frame = Buffer.alloc(6 + 4 * blocks);
  frame.writeUInt32LE(0xfd2fb528, 0);
  // No length, no checksum; a window of 128 KiB.
  frame.writeUInt8(7 << 3, 5);
  for (let block = 0; block < blocks; block++) {
    const isLast = block === blocks - 1 ? 1 : 0;
    frame.writeUInt32LE((0x61 << 24) | (BLOCK_BYTES << 3) | (1 << 1) | isLast, 6 + 4 * block);
  }
  return frame;
}

test('a small body that stands for a large one does not hold the thread', async () => {
  const blocks = 1_600;
  const decoder = createZstdDecoder();
  let bytes = 0;
  let turnBytes = 0;
  let mostBytes = 0;
  decoder.on('data', (piece: Buffer) => {
    bytes += piece.length;
    turnBytes += piece.length;
  });
  const ended = once(decoder, 'end').then(() => true);
  decoder.end(bomb(blocks));
  while ((await Promise.race([ended, turn(false)])) === false) {
    mostBytes = Math.max(mostBytes, turnBytes);
    turnBytes = 0;
  }
  expect(bytes).toBe(blocks * BLOCK_BYTES);
  expect(mostBytes).toBeLessThanOrEqual(16 * MIB);
});

test('a reader that has enough is waited for, and one that goes away ends it', async () => {
  const decoder = createZstdDecoder();
  decoder.write(bomb(1_600));
  await once(decoder, 'readable');
  for (let i = 0; i < 200; i++) await turn();
  expect(decoder.readableLength).toBeLessThanOrEqual(16 * MIB);
  let bytes = 0;
  decoder.on('data', (piece: Buffer) => (bytes += piece.length));
  await expect.poll(() => bytes).toBeGreaterThan(50 * MIB);
  decoder.destroy();
  const taken = bytes;
  for (let i = 0; i < 20; i++) await turn();
  expect(bytes).toBe(taken);
});
