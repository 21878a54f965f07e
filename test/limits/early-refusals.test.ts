/** Records above 1 MiB that do not fit are refused by their announced length (http-api §4.4), over real sockets. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance, TEST_TOKEN } from '../lib/instance.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import type { RawConnection } from '../lib/raw-http.ts';

const MIB = 1 << 20;
const GIB = 1 << 30;
const authorization = `Bearer ${TEST_TOKEN}`;

let path = '';
let instance: RunningInstance;
let connection: RawConnection;

function head(ts: number, headers: Record<string, string | number>): string {
  const target = `/api/v1/b/data/e?ts=${ts}`;
  return requestHead({ method: 'POST', path: target, headers: { authorization, ...headers } });
}

/** Size of the data folder: chunks of an upload would be in it, also those of one that was given up. */
async function storedBytes(): Promise<number> {
  const names = await readdir(path);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(path, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe.each([
  { limit: 'a HARD quota', env: {}, status: 400, text: "Quota of 'data' exceeded" },
  {
    limit: 'RS_ENGINE_MAX_STORAGE_SIZE',
    env: { RS_ENGINE_MAX_STORAGE_SIZE: '64MiB' },
    status: 500,
    text: 'storage limit exceeded',
  },
])('beyond $limit', ({ env, status, text }) => {
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    instance = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'false', ...env });
    const hard = { quota_type: 'HARD', quota_size: 64 * MIB };
    const settings = status === 400 ? JSON.stringify(hard) : '{}';
    await instance.api.ok('POST', '/b/data', {}, settings);
    connection = await connectRaw(Number(new URL(instance.url).port));
  });

  afterAll(async () => {
    connection.destroy();
    await instance.stop();
    await rm(path, { recursive: true, force: true });
  });

  test('3 GiB with Expect are refused without a byte of the body', async () => {
    const other = await connectRaw(Number(new URL(instance.url).port));
    await other.send(head(1, { 'content-length': 3 * GIB, expect: '100-continue' }));
    let answer = await other.response();
    if (answer.status === 100) answer = await other.response();
    expect([answer.status, answer.header('x-reduct-error')]).toEqual([status, text]);
    other.destroy();
  });

  test('without Expect the body is dropped, and the connection takes the next record', async () => {
    const length = 80 * MIB;
    const before = await storedBytes();
    await connection.send(head(2, { 'content-length': length }));
    for (let sent = 0; sent < length; sent += MIB) await connection.send(Buffer.alloc(MIB));
    const answer = await connection.response();
    expect([answer.status, answer.header('x-reduct-error')]).toEqual([status, text]);
    expect((await storedBytes()) - before).toBeLessThan(MIB);
    await connection.send(`${head(3, { 'content-length': 5 })}small`);
    expect((await connection.response()).status).toBe(200);
  });

  test('a large record that fits is stored, and the next that does not is refused', async () => {
    const { api } = instance;
    const record = { payload: Buffer.alloc(3 * MIB, 1), labels: {} };
    expect((await api.write('data', 'e', { ...record, ts: 4n })).status).toBe(200);
    const rest = { payload: Buffer.alloc(62 * MIB, 1), labels: {} };
    expect((await api.write('data', 'e', { ...rest, ts: 5n })).error).toBe(text);
  });

  test('in a batch it is told for that record, and its neighbours are stored', async () => {
    const { api } = instance;
    const lengths = { 10: 4, 11: 70 * MIB, 12: 3 };
    const headers = Object.fromEntries(
      Object.entries(lengths).map(([ts, length]) => [
        `x-reduct-time-${ts}`,
        `${length},text/plain`,
      ]),
    );
    const body = Buffer.concat([
      Buffer.from('left'),
      Buffer.alloc(lengths[11]),
      Buffer.from('end'),
    ]);
    const answer = await api.ok('POST', '/b/data/batch/batch', headers, body);
    expect(answer.headers['x-reduct-error-11']).toBe(`${status},${text}`);
    expect((await api.readAll('data', 'batch')).map((found) => found.payload.toString())).toEqual([
      'left',
      'end',
    ]);
  });
});
