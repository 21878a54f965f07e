/**
 * What replication sources send, version by version, as bytes over bare sockets, and what must not happen to them
 * (replication §5.6, §12 item 14): a source drops each record that is reported, and everything after a reset.
 */
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningInstance, startInstance, TEST_TOKEN } from '../lib/instance.ts';
import {
  connectRaw,
  type RawConnection,
  rawRequest,
  type RawRequest,
  type RawResponse,
  requestHead,
} from '../lib/raw-http.ts';
import { newTempDir } from '../lib/temp-dir.ts';

/** Codes that sources of all versions know (replication §5.3). */
const KNOWN_CODES = new Set(
  (
    '400 401 403 404 405 406 408 409 410 411 412 413 414 415 416 417 418 421 422 423 424 425 426 428 429 431 451 ' +
    '500 501 502 503 504 505 506 507 508 510 511'
  )
    .split(' ')
    .map(Number),
);

const AUTHORIZED = { authorization: `Bearer ${TEST_TOKEN}` };

let instance: RunningInstance;
let port: number;
let remove: () => Promise<void>;

beforeAll(async () => {
  const folder = await newTempDir();
  remove = folder.remove;
  instance = await startInstance(folder.path);
  port = Number(new URL(instance.url).port);
  await instance.api.ok('POST', '/b/data');
});

afterAll(async () => {
  await instance.stop();
  await remove();
});

/** As a source sees it. */
function expectReadable({ headerLines }: RawResponse): void {
  for (const [name, value] of headerLines) {
    if (!name.startsWith('x-reduct-error')) continue;
    expect(value).toMatch(/^[\x20-\x7e]*$/);
    if (name === 'x-reduct-error') continue;
    expect(name).toMatch(/^x-reduct-error-\d+$/);
    const [code = '', ...text] = value.split(',');
    expect(KNOWN_CODES).toContain(Number(code));
    expect(text.join(',')).not.toBe('');
  }
}

function errorsOf({ headerLines }: RawResponse): Record<string, string> {
  const prefix = 'x-reduct-error-';
  const found = headerLines.filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]));
}

async function send(request: RawRequest): Promise<RawResponse> {
  const headers = { ...AUTHORIZED, ...request.headers };
  const answer = await rawRequest(port, { ...request, headers });
  expectReadable(answer);
  return answer;
}

function chunked(body: Buffer, pieceBytes: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) {
    const piece = body.subarray(at, at + pieceBytes);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}

async function stored(entry: string): Promise<[number, string, object][]> {
  const records = await instance.api.readAll('data', entry);
  return records.map(({ ts, payload, labels }) => [Number(ts), payload.toString(), labels]);
}

describe('a source of', () => {
  test('1.8 asks by HEAD and sends one record a request', async () => {
    const path = '/api/v1/b/data';
    expect((await send({ method: 'HEAD', path })).status).toBe(200);
    const headers = { 'content-type': 'text/plain', 'x-reduct-label-key': 'a,b "c"' };
    const written = await send({ method: 'POST', path: `${path}/v8?ts=5`, headers, body: 'five' });
    expect([written.status, written.header('x-reduct-api')]).toEqual([200, '1.21']);
    const again = await send({ method: 'POST', path: `${path}/v8?ts=5`, headers, body: 'five' });
    expect([again.status, again.header('x-reduct-error')]).toEqual([
      409,
      'A record with timestamp 5 already exists',
    ]);
  });

  test('1.10 asks by HEAD and sends batches whose labels are in no order', async () => {
    expect((await send({ method: 'HEAD', path: '/api/v1/b/data' })).status).toBe(200);
    const headers = {
      'content-type': 'application/octet-stream',
      'x-reduct-time-20': '3,text/plain,z=1,a="x,y",m=3',
      'x-reduct-time-10': '2,,b=2,a=1',
    };
    const path = '/api/v1/b/data/v10/batch';
    const answer = await send({ method: 'POST', path, headers, body: 'tententwe'.slice(3, 8) });
    expect([answer.status, errorsOf(answer)]).toEqual([200, {}]);
    const records = await stored('v10');
    expect(records.map(([ts, text]) => [ts, text])).toEqual([
      [10, 'te'],
      [20, 'ntw'],
    ]);
    // The same once more, with a new record: the known ones are told, their bytes are taken, the new one is stored.
    const more = { ...headers, 'x-reduct-time-15': '1,,', 'content-length': 6 };
    const mixed = await send({ method: 'POST', path, headers: more, body: 'teXntw' });
    expect([mixed.status, errorsOf(mixed)]).toEqual([
      200,
      {
        10: '409,A record with timestamp 10 already exists',
        20: '409,A record with timestamp 20 already exists',
      },
    ]);
    expect((await stored('v10')).map(([ts, text]) => [ts, text])[1]).toEqual([15, 'X']);
  });

  test('1.20 asks by GET, sends batches and updates', async () => {
    const bucket = await send({ method: 'GET', path: '/api/v1/b/data' });
    expect([bucket.status, bucket.header('x-reduct-api')]).toEqual([200, '1.21']);
    const path = '/api/v1/b/data/robot/cam/batch';
    const write = { 'x-reduct-time-1': '3,text/plain,a=1' };
    expect((await send({ method: 'POST', path, headers: write, body: 'one' })).status).toBe(200);
    const update = { 'content-length': 0, 'x-reduct-time-1': '0,,a=2,b=', 'x-reduct-time-9': '0,' };
    const updated = await send({ method: 'PATCH', path, headers: update });
    expect([updated.status, errorsOf(updated)]).toEqual([
      200,
      { 9: '404,Record 9 not found in entry data/robot/cam' },
    ]);
    expect(await stored('robot/cam')).toEqual([[1, 'one', { a: '2' }]]);
    const missing = '/api/v1/b/data/none/batch';
    expect((await send({ method: 'PATCH', path: missing, headers: update })).status).toBe(404);
  });

  const codings: [string, (body: Buffer) => Buffer][] = [['gzip', (body) => zlib.gzipSync(body)]];
  const zstd: unknown = Reflect.get(zlib, 'zstdCompressSync');
  if (typeof zstd === 'function') codings.push(['zstd', zstd as (body: Buffer) => Buffer]);

  test.each(codings)(
    '1.21 creates the bucket and sends chunked %s, in any pieces',
    async (coding, compress) => {
      const bucket = `made-${coding}`;
      const path = `/api/v1/b/${bucket}`;
      expect((await send({ method: 'GET', path })).status).toBe(404);
      const created = await send({ method: 'POST', path, headers: { 'content-length': 0 } });
      expect(created.status).toBe(200);
      expect((await send({ method: 'POST', path, headers: { 'content-length': 0 } })).status).toBe(
        409,
      );
      const body = Buffer.alloc(5000, 'content;');
      for (const [ts, pieceBytes] of [
        [1, 1],
        [2, 7],
        [3, 100_000],
      ] as const) {
        const headers = {
          'content-encoding': coding,
          'transfer-encoding': 'chunked',
          [`x-reduct-time-${ts}0`]: '2000,text/plain',
          [`x-reduct-time-${ts}1`]: '3000,text/plain',
        };
        const bytes = chunked(compress(body), pieceBytes);
        const answer = await send({
          method: 'POST',
          path: `${path}/e/batch`,
          headers,
          body: bytes,
        });
        expect([answer.status, errorsOf(answer)]).toEqual([200, {}]);
      }
      const found = await instance.api.readAll(bucket, 'e');
      expect(found.map(({ payload }) => payload.length)).toEqual([
        2000, 3000, 2000, 3000, 2000, 3000,
      ]);
      expect(
        found.every(({ payload }, at) =>
          payload.equals(body.subarray(at % 2 ? 2000 : 0, at % 2 ? 5000 : 2000)),
        ),
      ).toBe(true);
    },
  );

  test('1.21 sends chunked zstd, also where Node.js cannot make it', async () => {
    // 'vibration ' 50 times, by the zstd command line.
    const frame = '28b52ffd00688d000050766962726174696f6e200100e7550b12';
    const headers = {
      'content-encoding': 'zstd',
      'transfer-encoding': 'chunked',
      'x-reduct-time-1': '200,text/plain',
      'x-reduct-time-2': '300,text/plain',
    };
    const body = chunked(Buffer.from(frame, 'hex'), 5);
    const answer = await send({ method: 'POST', path: '/api/v1/b/data/zstd/batch', headers, body });
    expect([answer.status, errorsOf(answer)]).toEqual([200, {}]);
    const content = 'vibration '.repeat(50);
    expect((await stored('zstd')).map(([, text]) => text)).toEqual([
      content.slice(0, 200),
      content.slice(200),
    ]);
  });

  test('any version may send 85 headers of several KB each', async () => {
    const headers: Record<string, string> = {};
    for (let ts = 0; ts < 85; ts++) {
      headers[`x-reduct-time-${ts}`] = `1,text/plain,big=${'x'.repeat(5_500)},n=${ts}`;
    }
    const path = '/api/v1/b/data/big/batch';
    const answer = await send({ method: 'POST', path, headers, body: 'y'.repeat(85) });
    expect([answer.status, errorsOf(answer)]).toEqual([200, {}]);
    expect(await stored('big')).toHaveLength(85);
  });
});

describe('errors are such that no source falls over them', () => {
  test('of names beyond ASCII, and of buckets that are gone', async () => {
    const headers = { 'x-reduct-time-1': '1,', 'x-reduct-time-2': '0,' };
    const path = `/api/v1/b/data/${encodeURIComponent('größe\n,x')}/batch`;
    const named = await send({ method: 'POST', path, headers, body: 'y' });
    expect(named.status).toBe(200);
    expect(Object.values(errorsOf(named))).toHaveLength(2);
    const gone = await send({ method: 'POST', path: '/api/v1/b/gone/e/batch', headers, body: 'y' });
    expect([gone.status, errorsOf(gone)]).toEqual([
      200,
      { 1: "404,Bucket 'gone' is not found", 2: "404,Bucket 'gone' is not found" },
    ]);
    const updated = await send({
      method: 'PATCH',
      path: '/api/v1/b/gone/e/batch',
      headers: { ...headers, 'content-length': 0 },
    });
    expect(updated.status).toBe(404);
  });
});

describe('an early refusal', () => {
  const BODY = Buffer.alloc(3_000_000, 'z');

  /** Sends the head, then the whole body in pieces, and only then looks at the answer. */
  async function refused(
    headers: Record<string, string | number>,
    path: string,
  ): Promise<RawResponse> {
    const connection = await connectRaw(port);
    try {
      await connection.send(
        requestHead({
          method: 'POST',
          path,
          headers: { ...headers, 'content-length': BODY.length },
        }),
      );
      for (let at = 0; at < BODY.length; at += 100_000) {
        await connection.send(BODY.subarray(at, at + 100_000));
      }
      const answer = await connection.response();
      expectReadable(answer);
      await expectUsable(connection);
      return answer;
    } finally {
      connection.destroy();
    }
  }

  /** The body was read to its end: the next request on the connection is understood. */
  async function expectUsable(connection: RawConnection): Promise<void> {
    await connection.send(requestHead({ method: 'GET', path: '/api/v1/alive' }));
    expect((await connection.response()).status).toBe(200);
  }

  const record = { 'x-reduct-time-1': `${BODY.length},` };

  test('of a token is answered behind the body, not with a reset', async () => {
    const path = '/api/v1/b/data/e/batch';
    expect((await refused(record, path)).status).toBe(401);
    expect((await refused({ ...record, authorization: 'Bearer wrong' }, path)).status).toBe(401);
  });

  test('of headers that do not fit is, too', async () => {
    const path = '/api/v1/b/data/e/batch';
    const wrong = { ...AUTHORIZED, 'x-reduct-time-1': '5,' };
    expect((await refused(wrong, path)).status).toBe(422);
    expect((await refused({ ...AUTHORIZED, 'x-reduct-time-x': '5,' }, path)).status).toBe(422);
    expect((await refused(AUTHORIZED, '/api/v1/b/data/e')).status).toBe(422);
  });

  test('by a limit of requests is 429 with retry-after, and the body is read', async () => {
    const folder = await newTempDir();
    const limited = await startInstance(folder.path, { RS_RATE_LIMIT_INGRESS: '1KB/s' });
    const before = port;
    try {
      port = Number(new URL(limited.url).port);
      await limited.api.ok('POST', '/b/data');
      const answer = await refused({ ...AUTHORIZED, ...record }, '/api/v1/b/data/e/batch');
      expect(answer.status).toBe(429);
      expect(Number(answer.header('retry-after'))).toBeGreaterThan(0);
    } finally {
      port = before;
      await limited.stop();
      await folder.remove();
    }
  });

  test('by the stop of the server is the end of the connection, without a word on single records', async () => {
    const folder = await newTempDir();
    const stopped = await startInstance(folder.path);
    const stoppedPort = Number(new URL(stopped.url).port);
    const connection = await connectRaw(stoppedPort);
    try {
      const head = requestHead({
        method: 'POST',
        path: '/api/v1/b/data/e/batch',
        headers: { ...AUTHORIZED, ...record, 'content-length': 10 },
      });
      await connection.send(`${head}12345`);
      await stopped.stop();
      const rest = (await connection.rest()).toString();
      expect(rest).not.toContain('x-reduct-error-1');
    } finally {
      connection.destroy();
      await folder.remove();
    }
  });
});
