import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/store/format.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import type { RawConnection } from '../lib/raw-http.ts';

const MIB = 1024 * 1024;
const LIMIT_BYTES = 32 * MIB;
const RECORDS = 16;
/** Sixteen of these are the content of a batch: more than any socket takes unread. */
const RECORD_BYTES = MIB / 2;
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const open = useFront({ readMemoryBytes: LIMIT_BYTES });
const content = randomBytes(RECORDS * RECORD_BYTES);
let front: FrontHarness;

beforeAll(async () => {
  front = open();
  await front.api('POST', '/b/data');
  for (let i = 0; i < RECORDS; i++) {
    const body = content.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
    await front.api('POST', `/b/data/e?ts=${i}`, { body });
  }
});

async function batchPath(): Promise<string> {
  const created = await front.api('GET', '/b/data/e/q');
  return `/b/data/e/batch?q=${/\d+/.exec(created.body.toString())?.[0]}`;
}

/** Asks for a batch and reads nothing. */
async function stalledReader(): Promise<RawConnection> {
  const path = `/api/v1${await batchPath()}`;
  const connection = await connectRaw(front.port);
  connection.socket.pause();
  await connection.send(requestHead({ method: 'GET', path }));
  return connection;
}

describe('clients that take their answers slowly', () => {
  test('one that takes a little at a time gets everything, and others are served meanwhile', async () => {
    const connection = await stalledReader();
    await expect.poll(() => front.server.figures().readMemory.heldBytes).toBe(content.length);
    const whole = connection.response();
    for (let i = 0; i < 20; i++) {
      connection.socket.resume();
      await sleep(1);
      connection.socket.pause();
      const other = await front.api('GET', '/b/data/e?ts=3');
      expect(other.body.length).toBe(RECORD_BYTES);
    }
    connection.socket.resume();
    const { status, body } = await whole;
    expect([status, digest(body)]).toEqual([200, digest(content)]);
    connection.destroy();
    await expect.poll(() => front.server.figures().readMemory.heldBytes).toBe(0);
  });

  test('many that take nothing hold no more than the limit, and give way to one that reads', async () => {
    const stalled = await Promise.all(Array.from({ length: 12 }, () => stalledReader()));
    await expect.poll(() => front.server.figures().readMemory.waiting).toBeGreaterThan(0);
    expect(front.server.figures().readMemory.heldBytes).toBeLessThanOrEqual(LIMIT_BYTES);
    const dropsBefore = front.server.figures().readMemory.dropsTotal;
    const read = await front.api('GET', await batchPath());
    expect([read.status, digest(read.body)]).toEqual([200, digest(content)]);
    const { heldBytes, dropsTotal } = front.server.figures().readMemory;
    expect(dropsTotal).toBeGreaterThan(dropsBefore);
    expect(heldBytes).toBeLessThanOrEqual(LIMIT_BYTES);
    for (const connection of stalled) connection.destroy();
    await expect
      .poll(() => front.server.figures().readMemory)
      .toMatchObject({ heldBytes: 0, waiting: 0 });
    await expect.poll(() => front.server.figures().requestsInFlight).toBe(0);
  });

  test('a reader of a large record holds one chunk of it', async () => {
    const large = randomBytes(24 * MIB);
    await front.api('POST', '/b/data/large?ts=1', { body: large });
    const connection = await connectRaw(front.port);
    connection.socket.pause();
    await connection.send(requestHead({ method: 'GET', path: '/api/v1/b/data/large?ts=1' }));
    await expect.poll(() => front.server.figures().readMemory.heldBytes).toBe(CHUNK_BYTES);
    const whole = connection.response();
    connection.socket.resume();
    expect(digest((await whole).body)).toBe(digest(large));
    connection.destroy();
    await expect.poll(() => front.server.figures().readMemory.heldBytes).toBe(0);
  });
});
