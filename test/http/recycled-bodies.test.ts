import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';
import type { RawConnection } from '../lib/raw-http.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';

const MIB = 1024 * 1024;
/** Each batch is full with these: all bodies are of one length, so that their buffers serve each other. */
const RECORDS = 8;
const RECORD_BYTES = MIB;
const ENTRIES = 4;
const NIBBLE_BYTES = MIB;
/** So long may a connection take nothing, at least. */
const PATIENCE_MS = 9_000;
const QUICKLY = { timeout: 2_000 };
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const open = useFront({ readMemoryBytes: 256 * MIB });
const digests: string[] = [];
let front: FrontHarness;

beforeAll(async () => {
  front = open();
  await front.api('POST', '/b/data');
  for (let entry = 0; entry < ENTRIES; entry++) {
    const content = randomBytes(RECORDS * RECORD_BYTES);
    digests.push(digest(content));
    for (let i = 0; i < RECORDS; i++) {
      const body = content.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
      await front.api('POST', `/b/data/e${entry}?ts=${i}`, { body });
    }
  }
});

async function batchPath(entry: number): Promise<string> {
  const created = await front.api('GET', `/b/data/e${entry}/q`);
  return `/b/data/e${entry}/batch?q=${/\d+/.exec(created.body.toString())?.[0]}`;
}

/** Asks for a batch and reads nothing. */
async function stalledReader(entry: number): Promise<RawConnection> {
  const path = `/api/v1${await batchPath(entry)}`;
  const connection = await connectRaw(front.port);
  connection.socket.pause();
  await connection.send(requestHead({ method: 'GET', path }));
  return connection;
}

const heldBytes = (): number => front.server.figures().readMemory.heldBytes;

/** Takes a little of an answer: a connection that takes nothing for about ten seconds is ended. */
async function nibble({ socket, closed }: RawConnection): Promise<void> {
  let takenBytes = 0;
  socket.resume();
  while (takenBytes < NIBBLE_BYTES) {
    const next = await Promise.race([once(socket, 'data'), closed]);
    if (next === undefined) throw new Error('closed');
    const [piece] = next as [Buffer];
    takenBytes += piece.length;
  }
  socket.pause();
}

/** Whole batches, whose buffers are used again by the next ones. */
async function readOn(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const entry = i % ENTRIES;
    const { body } = await front.api('GET', await batchPath(entry));
    expect(digest(body)).toBe(digests[entry]);
  }
}

/** Readers that stand still while the buffers of others come and go. */
async function readBesideStalled(): Promise<void> {
  const slow = await Promise.all([0, 1, 2].map((entry) => stalledReader(entry)));
  await expect.poll(heldBytes, QUICKLY).toBe(3 * RECORDS * RECORD_BYTES);
  const gone = await Promise.all([3].map((entry) => stalledReader(entry)));
  await expect.poll(heldBytes, QUICKLY).toBe(4 * RECORDS * RECORD_BYTES);
  await readOn(1);
  for (const connection of gone) connection.destroy();
  for (let turn = 0; turn < 2; turn++) {
    await Promise.all(slow.map(nibble));
    await Promise.all([readOn(1), readOn(2)]);
  }
  const answers = slow.map((connection) => connection.response());
  const [first, ...others] = slow;
  first?.socket.resume();
  await Promise.all([answers[0], readOn(1)]);
  for (const { socket } of others) socket.resume();
  const bodies = await Promise.all(answers);
  expect(bodies.map(({ body }) => digest(body))).toEqual(digests.slice(0, 3));
  for (const connection of slow) connection.destroy();
  await expect.poll(heldBytes, QUICKLY).toBe(0);
}

describe('memory of bodies that is used again', () => {
  test('is never that of an answer whose client has not taken all of it', async ({ skip }) => {
    const startMs = performance.now();
    try {
      await readBesideStalled();
    } catch (error) {
      if (performance.now() - startMs < PATIENCE_MS) throw error;
      skip('the machine is too slow: connections that stand still may have been ended');
    }
  });
});
