import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openFront, useFront } from '../lib/front-harness.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import type { RawConnection, RawRequest } from '../lib/raw-http.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const TOO_MANY = 'in-flight writers limit exceeded: try again later';

function write(ts: number, body: Uint8Array, headers: Record<string, string> = {}): RawRequest {
  return { method: 'POST', path: `/api/v1/b/data/e?ts=${ts}`, headers, body };
}

async function begin(port: number, request: RawRequest, bytes: number): Promise<RawConnection> {
  const connection = await connectRaw(port);
  const body = Buffer.from(request.body ?? '').subarray(0, bytes);
  await connection.send(Buffer.concat([Buffer.from(requestHead(request)), body]));
  return connection;
}

describe('one writer in flight', () => {
  const open = useFront({ config: { maxWritersInFlight: 1 } });

  test('further writes wait in order, whatever their form, and arrive whole', async () => {
    const front = open();
    await front.api('POST', '/b/data');
    const inFlight = (): number => front.server.figures().requestsInFlight;
    const first = await begin(front.port, write(1, Buffer.from('first')), 3);
    await expect.poll(inFlight).toBe(1);

    const large = randomBytes(5_000_000);
    const text = Buffer.from('text '.repeat(200));
    const zipped = gzipSync(text);
    const small = Buffer.from('small');
    const waiting: RawConnection[] = [];
    const requests = [
      write(2, large),
      write(3, zipped, {
        'content-encoding': 'gzip',
        'x-reduct-content-length': String(text.length),
      }),
      write(4, Buffer.alloc(0)),
      {
        method: 'POST',
        path: '/api/v1/b/data/e/batch',
        headers: { 'x-reduct-time-5': '5,' },
        body: small,
      },
    ];
    for (const request of requests) {
      // The rest of a large body goes on its way while the server does not read it.
      waiting.push(await begin(front.port, request, 100_000));
      await expect.poll(inFlight).toBe(waiting.length + 1);
    }
    void waiting[0]?.send(large.subarray(100_000));
    expect((await front.api('GET', '/b/data/e')).status).toBe(404);

    await first.send('st');
    expect((await first.response()).status).toBe(200);
    for (const connection of waiting) expect((await connection.response()).status).toBe(200);
    for (const [ts, content] of [large, text, Buffer.alloc(0), small].entries()) {
      const read = await front.api('GET', `/b/data/e?ts=${ts + 2}`);
      expect(digest(read.body)).toBe(digest(content));
    }
    for (const connection of [first, ...waiting]) connection.destroy();
    expect(front.server.figures().uploads.heldBytes).toBe(0);
  });

  test('a writer that goes away while it waits, or while it writes, leaves its place', async () => {
    const front = open();
    await front.api('POST', '/b/data');
    const inFlight = (): number => front.server.figures().requestsInFlight;
    const first = await begin(front.port, write(10, Buffer.from('first')), 3);
    await expect.poll(inFlight).toBe(1);
    const second = await begin(front.port, write(11, Buffer.from('second')), 3);
    await expect.poll(inFlight).toBe(2);
    const third = await begin(front.port, write(12, Buffer.from('third')), 5);
    await expect.poll(inFlight).toBe(3);
    // Its connection is not looked at while it waits: that it is gone shows when it is let in.
    second.destroy();
    first.destroy();
    expect((await third.response()).status).toBe(200);
    third.destroy();
    await expect.poll(inFlight).toBe(0);
    expect(front.server.figures().uploads.heldBytes).toBe(0);
    const last = await front.api('POST', '/b/data/e?ts=13', { body: 'last' });
    expect(last.status).toBe(200);
  });

  test('requests that do not write records do not wait', async () => {
    const front = open();
    await front.api('POST', '/b/data');
    const first = await begin(front.port, write(20, Buffer.from('first')), 3);
    await expect.poll(() => front.server.figures().requestsInFlight).toBe(1);
    expect((await front.api('POST', '/b/other')).status).toBe(200);
    expect((await front.api('GET', '/list')).status).toBe(200);
    expect((await front.api('POST', '/b/data/e?ts=x', { body: 'x' })).status).toBe(422);
    first.destroy();
  });
});

test('a write that waited for the operation timeout is answered 429', async () => {
  await withTempDir(async (path) => {
    const config = { maxWritersInFlight: 1, operationTimeoutMs: 3_000 };
    const front = await openFront(path, { config });
    await front.api('POST', '/b/data');
    const first = await begin(front.port, write(1, Buffer.alloc(1_000_000)), 1);
    const feeding = setInterval(() => void first.send('x'), 40);
    try {
      await expect.poll(() => front.server.figures().requestsInFlight).toBe(1);
      for (const body of [Buffer.from('whole'), Buffer.alloc(3_000_000)]) {
        const late = await begin(front.port, write(2, body), body.length);
        const refused = await late.response();
        expect(refused.status).toBe(429);
        expect(refused.header('x-reduct-error')).toBe(TOO_MANY);
        expect(refused.header('retry-after')).toBe('1');
        await late.send(requestHead({ method: 'GET', path: '/api/v1/alive' }));
        expect((await late.response()).status).toBe(200);
        late.destroy();
      }
    } finally {
      clearInterval(feeding);
      first.destroy();
      await front.close();
    }
    expect(front.server.figures().uploads.heldBytes).toBe(0);
  });
});
