import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/store/format.ts';
import { openFront, useFront } from '../lib/front-harness.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import type { RawConnection, RawResponse } from '../lib/raw-http.ts';
import type { UploadBudgetFigures } from '../../src/http/upload-budget.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const MIB = 1024 * 1024;
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('large contents', () => {
  const open = useFront();

  test.each([
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    2 * CHUNK_BYTES,
    9 * CHUNK_BYTES + 12_345,
  ])('a record of %i bytes comes back as it was', async (length) => {
    const front = open();
    await front.api('POST', '/b/data');
    const content = randomBytes(length);
    const written = await front.api('POST', `/b/data/large?ts=${length}`, {
      body: content,
      headers: { 'x-reduct-label-n': 'v' },
    });
    expect(written.status).toBe(200);
    const read = await front.api('GET', `/b/data/large?ts=${length}`);
    expect(digest(read.body)).toBe(digest(content));
    expect(read.header('x-reduct-label-n')).toBe('v');
    const head = await front.api('HEAD', `/b/data/large?ts=${length}`);
    expect(head.header('content-length')).toBe(String(length));
    expect(front.server.figures().uploads.heldBytes).toBe(0);
  });

  test('a connection takes one large record after the other', async () => {
    const front = open();
    await front.api('POST', '/b/kept');
    const connection = await connectRaw(front.port);
    const content = randomBytes(4 * MIB);
    for (let ts = 1; ts <= 8; ts++) {
      const path = `/api/v1/b/kept/large?ts=${ts}`;
      await connection.send(requestHead({ method: 'POST', path, body: content }));
      await connection.send(content);
      expect((await connection.response()).status).toBe(200);
    }
    connection.destroy();
    const read = await front.api('GET', '/b/kept/large?ts=8');
    expect(digest(read.body)).toBe(digest(content));
  });

  test('large and small records of one batch are cut apart and answered together', async () => {
    const front = open();
    const lengths = [10, 3 * CHUNK_BYTES + 5, 0, 20, CHUNK_BYTES + 1, 1];
    const content = randomBytes(lengths.reduce((sum, length) => sum + length, 0));
    const headers: Record<string, string> = {};
    for (const [i, length] of lengths.entries()) headers[`x-reduct-time-${i}`] = `${length},`;
    const written = await front.api('POST', '/b/data/mixed/batch', { headers, body: content });
    expect(written.status).toBe(200);
    expect(written.headerLines.filter(([name]) => name.startsWith('x-reduct-error'))).toEqual([]);
    let at = 0;
    for (const [i, length] of lengths.entries()) {
      const read = await front.api('GET', `/b/data/mixed?ts=${i}`);
      expect(digest(read.body)).toBe(digest(content.subarray(at, at + length)));
      at += length;
    }
    const again = await front.api('POST', '/b/data/mixed/batch', { headers, body: content });
    expect(again.headerLines.filter(([name]) => name.startsWith('x-reduct-error'))).toHaveLength(6);
    const created = await front.api('GET', '/b/data/mixed/q');
    const id = /\d+/.exec(created.body.toString())?.[0];
    const bodies: Buffer[] = [];
    for (;;) {
      const batch = await front.api('GET', `/b/data/mixed/batch?q=${id}`);
      if (batch.status === 204) break;
      bodies.push(batch.body);
    }
    expect(digest(Buffer.concat(bodies))).toBe(digest(content));
  });

  test('a reader that stops in the middle takes nothing with it', async () => {
    const front = open();
    const content = randomBytes(12 * MIB);
    await front.api('POST', '/b/data/slow-read?ts=1', { body: content });
    const connection = await connectRaw(front.port);
    await connection.send(requestHead({ method: 'GET', path: '/api/v1/b/data/slow-read?ts=1' }));
    connection.socket.pause();
    await expect.poll(() => front.server.figures().requestsInFlight).toBe(1);
    connection.destroy();
    await expect.poll(() => front.server.figures().requestsInFlight).toBe(0);
    const read = await front.api('GET', '/b/data/slow-read?ts=1');
    expect(digest(read.body)).toBe(digest(content));
  });
});

describe('compressed bodies', () => {
  const open = useFront();

  test('a gzip body is stored as its content, and the other length header counts', async () => {
    const front = open();
    await front.api('POST', '/b/data');
    const content = Buffer.from('vibration '.repeat(200_000));
    const body = gzipSync(content);
    const headers = { 'content-encoding': 'gzip', 'x-reduct-content-length': content.length };
    expect((await front.api('POST', '/b/data/gz?ts=1', { headers, body })).status).toBe(200);
    const read = await front.api('GET', '/b/data/gz?ts=1');
    expect(digest(read.body)).toBe(digest(content));
    const without = await front.api('POST', '/b/data/gz?ts=2', {
      headers: { 'content-encoding': 'gzip' },
      body,
    });
    expect([without.status, without.header('x-reduct-error')]).toEqual([
      422,
      'content-length header is required',
    ]);
  });

  test('a gzip batch needs no length, and a JSON document may be compressed, too', async () => {
    const front = open();
    const created = await front.api('POST', '/b/zipped', {
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync('{"quota_type":"HARD","quota_size":5000000}'),
    });
    expect(created.status).toBe(200);
    expect((await front.api('GET', '/b/zipped')).body.toString()).toContain('"quota_type":"HARD"');
    const headers = {
      'content-encoding': 'gzip',
      'x-reduct-time-1': '3,',
      'x-reduct-time-2': '1200000,',
    };
    const content = Buffer.concat([Buffer.from('abc'), Buffer.alloc(1_200_000, 'z')]);
    const body = gzipSync(content);
    const written = await front.api('POST', '/b/zipped/e/batch', { headers, body });
    expect([written.status, written.header('x-reduct-error-2')]).toEqual([200, undefined]);
    expect((await front.api('GET', '/b/zipped/e?ts=1')).body.toString()).toBe('abc');
    expect((await front.api('GET', '/b/zipped/e?ts=2')).body).toHaveLength(1_200_000);
  });

  test('a body that is no gzip, ends early, or holds too much is a 400', async () => {
    const front = open();
    const send = (body: Uint8Array, length: number): Promise<RawResponse> =>
      front.api('POST', '/b/data/bad-gz?ts=1', {
        headers: { 'content-encoding': 'gzip', 'x-reduct-content-length': length },
        body,
      });
    const garbage = await send(Buffer.from('not gzip at all'), 3);
    expect(garbage.status).toBe(400);
    expect(garbage.header('x-reduct-error')).toMatch(/^Error while receiving data chunk: /);
    const whole = gzipSync(randomBytes(100_000));
    expect((await send(whole.subarray(0, 50_000), 100_000)).status).toBe(400);
    const bomb = await send(gzipSync(Buffer.alloc(50 * MIB)), 1000);
    expect([bomb.status, bomb.header('x-reduct-error')]).toEqual([
      400,
      'Content is bigger than in content-length',
    ]);
    const small = await send(gzipSync('abc'), 4);
    expect(small.header('x-reduct-error')).toBe('Content is smaller than in content-length');
    expect((await front.api('GET', '/b/data/bad-gz?ts=1')).status).toBe(404);
    expect(front.server.figures().uploads.heldBytes).toBe(0);
  });

  test('zstd bodies are decoded, whole and in pieces, and refused when they are not zstd', async () => {
    const front = open();
    const content = 'vibration '.repeat(50);
    const send = (ts: number, hex: string): Promise<RawResponse> =>
      front.api('POST', `/b/data/zstd?ts=${ts}`, {
        headers: { 'content-encoding': 'zstd', 'x-reduct-content-length': content.length },
        body: Buffer.from(hex, 'hex'),
      });
    // Written by the zstd command line: without and with checksum.
    const frames = [
      '28b52ffd00688d000050766962726174696f6e200100e7550b12',
      '28b52ffd04588d000050766962726174696f6e200100e7550b12f314c9c3',
    ];
    for (const [ts, hex] of frames.entries()) {
      expect((await send(ts, hex)).status).toBe(200);
      expect((await front.api('GET', `/b/data/zstd?ts=${ts}`)).body.toString()).toBe(content);
      const cut = await send(100 + ts, hex.slice(0, -20));
      expect(cut.status).toBe(400);
    }
    const garbage = await send(200, '00112233445566778899');
    expect(garbage.status).toBe(400);
    expect(garbage.header('x-reduct-api')).toBe('1.21');
    expect(front.server.figures().uploads.heldBytes).toBe(0);
  });

  test('unknown codings are 415, and identity is none', async () => {
    const front = open();
    const send = (headers: Record<string, string | number>): Promise<RawResponse> =>
      front.api('POST', '/b/data/coded?ts=1', { headers, body: 'x' });
    const coding = { 'content-encoding': 'br' };
    expect((await send({ ...coding, 'x-reduct-content-length': 1 })).status).toBe(415);
    expect((await send(coding)).status, 'rather than a length that is missing').toBe(415);
    expect(
      (
        await front.api('POST', '/b/data/coded?ts=2', {
          headers: { 'content-encoding': 'identity' },
          body: 'x',
        })
      ).status,
    ).toBe(200);
  });
});

describe.concurrent('slow bodies', () => {
  test('a pause longer than allowed is told and ends the connection', async () => {
    await withTempDir(async (path) => {
      const front = await openFront(path, { config: { operationTimeoutMs: 200 } });
      await front.api('POST', '/b/data');
      for (const target of ['/api/v1/b/data/e?ts=1', '/api/v1/b/none/e?ts=1', '/api/v1/b/new']) {
        const connection = await connectRaw(front.port);
        await connection.send(`${requestHead({ method: 'POST', path: target, body: 'abcd' })}ab`);
        const response = await connection.response();
        expect(response.status).toBe(400);
        expect(response.header('x-reduct-error')).toBe('Timeout while receiving data');
        await connection.closed;
      }
      expect(front.server.figures().uploads).toMatchObject({ heldBytes: 0, waiting: 0 });
      await front.close();
    });
  });

  test('a sender that is slower than the library allows, but never pauses long, is served', async () => {
    await withTempDir(async (path) => {
      const front = await openFront(path);
      await front.api('POST', '/b/data');
      const connection = await connectRaw(front.port);
      const request = { method: 'POST', path: '/api/v1/b/data/e?ts=1', body: 'x'.repeat(13) };
      await connection.send(requestHead(request));
      for (let sent = 0; sent < 13; sent++) {
        await connection.send('x');
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      expect((await connection.response()).status).toBe(200);
      connection.destroy();
      await front.close();
    });
  });
});

describe('memory of uploads', () => {
  const LIMIT = 4 * MIB;

  /** Begins a write of `length` bytes at `ts` and sends `sent` of them. */
  async function begin(
    front: FrontHarness,
    ts: number,
    length: number,
    sent: number,
  ): Promise<RawConnection> {
    const connection = await connectRaw(front.port);
    const headers = { 'content-length': length };
    const target = `/api/v1/b/data/e?ts=${ts}`;
    await connection.send(requestHead({ method: 'POST', path: target, headers }));
    await connection.send(Buffer.alloc(sent, 'x'));
    return connection;
  }

  async function finish(connection: RawConnection, missing: number): Promise<number> {
    void connection.send(Buffer.alloc(missing, 'x'));
    const { status } = await connection.response();
    connection.destroy();
    return status;
  }

  const heldBytes = (front: FrontHarness): number => front.server.figures().uploads.heldBytes;

  /** Bodies that have joined with one byte each, so that none of them has to wait when it grows. */
  async function joinAll(front: FrontHarness, count: number): Promise<RawConnection[]> {
    const joined: RawConnection[] = [];
    for (let ts = 1; ts <= count; ts++) joined.push(await begin(front, ts, 1_000_000, 1));
    await expect.poll(() => heldBytes(front)).toBe(count * 65_536);
    return joined;
  }

  test('above the soft mark beginners wait, at the limit somebody is refused, the rest ends well', async () => {
    await withTempDir(async (path) => {
      const front = await openFront(path, { config: { uploadMemoryBytes: LIMIT } });
      await front.api('POST', '/b/data');
      const uploads = (): UploadBudgetFigures => front.server.figures().uploads;
      const [a, b, c, d, e] = await joinAll(front, 5);
      if (!a || !b || !c || !d || !e) throw new Error('five bodies were asked for');
      for (const body of [a, b, c]) await body.send(Buffer.alloc(999_998, 'x'));
      await d.send(Buffer.alloc(99_999, 'x'));
      await expect.poll(() => heldBytes(front)).toBe(3_000_000 + 131_072 + 65_536);
      const waiting = await begin(front, 6, 300_000, 200_000);
      await expect.poll(() => uploads().waiting).toBe(1);
      void e.send(Buffer.alloc(999_999, 'x'));
      const refused = await e.response();
      expect([refused.status, refused.header('retry-after')]).toEqual([503, '1']);
      expect(refused.header('x-reduct-error')).toBe(
        'The memory for uploads is exhausted, please try again later',
      );
      expect(uploads()).toMatchObject({ refusalsTotal: 1, waiting: 1, limitBytes: LIMIT });
      e.destroy();
      for (const body of [a, b, c]) expect(await finish(body, 1)).toBe(200);
      expect(await finish(d, 900_000)).toBe(200);
      expect(await finish(waiting, 100_000)).toBe(200);
      expect(uploads()).toMatchObject({ heldBytes: 0, waiting: 0 });
      const read = await front.api('GET', '/b/data/e?ts=6');
      expect(read.body.equals(Buffer.alloc(300_000, 'x'))).toBe(true);
      expect((await front.api('GET', '/b/data/e?ts=5')).status).toBe(404);
      await front.close();
    });
  });

  test('a body that waits too long for memory is refused', async () => {
    await withTempDir(async (path) => {
      const config = { uploadMemoryBytes: LIMIT, operationTimeoutMs: 4_000 };
      const front = await openFront(path, { config });
      await front.api('POST', '/b/data');
      const hogs = await joinAll(front, 5);
      const trickle = setInterval(() => {
        for (const hog of hogs) void hog.send('x');
      }, 50);
      for (const hog of hogs.slice(0, 3)) await hog.send(Buffer.alloc(999_000, 'x'));
      await hogs[3]?.send(Buffer.alloc(99_999, 'x'));
      await expect.poll(() => heldBytes(front)).toBe(3_000_000 + 131_072 + 65_536);
      const waiting = await begin(front, 6, 300_000, 100_000);
      const response = await waiting.response();
      clearInterval(trickle);
      expect([response.status, response.header('retry-after')]).toEqual([503, '1']);
      await waiting.closed;
      for (const hog of hogs) hog.destroy();
      await expect.poll(() => heldBytes(front)).toBe(0);
      await front.close();
    });
  });
});
