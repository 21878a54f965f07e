import { beforeAll, describe, expect, test } from 'vitest';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';
import { connectRaw, rawRequest, requestHead } from '../lib/raw-http.ts';
import type { RawResponse } from '../lib/raw-http.ts';

const open = useFront({ token: 'secret' });
let front: FrontHarness;

beforeAll(async () => {
  front = open();
  await front.api('POST', '/b/data');
});

const error = (response: RawResponse): [number, string | undefined] => [
  response.status,
  response.header('x-reduct-error'),
];

describe('writing one record', () => {
  test('what was written is what is read, with labels and content type', async () => {
    const written = await front.api('POST', '/b/data/e?ts=1000', {
      body: Buffer.from([0, 1, 2, 255]),
      headers: {
        'content-type': 'image/x-test',
        'X-Reduct-Label-Engine-Status': 'working',
        'x-reduct-label-empty': '',
        'x-reduct-label-comma': 'a, "b"=c',
      },
    });
    expect([written.status, written.header('content-length')]).toEqual([200, '0']);
    const read = await front.api('GET', '/b/data/e?ts=1000');
    expect(read.status).toBe(200);
    expect([...read.body]).toEqual([0, 1, 2, 255]);
    expect(read.header('content-type')).toBe('image/x-test');
    expect(read.header('x-reduct-time')).toBe('1000');
    expect(read.header('x-reduct-entry')).toBe('e');
    expect(read.header('content-disposition')).toBe('attachment');
    expect(read.header('x-reduct-label-engine-status')).toBe('working');
    expect(read.header('x-reduct-label-empty')).toBe('');
    expect(read.header('x-reduct-label-comma')).toBe('a, "b"=c');
    expect(read.header('x-reduct-last')).toBeUndefined();
    const head = await front.api('HEAD', '/b/data/e?ts=1000');
    const without = (response: RawResponse): unknown =>
      response.headerLines
        .filter(([name]) => name !== 'date')
        .map(([name, value]) => `${name}: ${value}`)
        .toSorted();
    expect(without(head)).toEqual(without(read));
  });

  // The other builds for Node.js 20 have the parser's defect, see src/http/uws-binary.ts.
  const hasDefect =
    process.versions.modules === '115' && `${process.platform}-${process.arch}` !== 'linux-x64';
  test.skipIf(hasDefect)('a label name may hold underscores and dots', async () => {
    const headers = { 'x-reduct-label-Engine_Status.1': 'working' };
    const written = await front.api('POST', '/b/data/names?ts=1', { body: 'x', headers });
    expect(written.status).toBe(200);
    const read = await front.api('GET', '/b/data/names?ts=1');
    expect(read.header('x-reduct-label-engine_status.1')).toBe('working');
  });

  test('a content may be empty, its type absent, its entry deep', async () => {
    await front.api('POST', '/b/deep');
    const path = '/b/deep/a/b%2Fc?ts=18446744073709551615';
    expect((await front.api('POST', path, { body: '' })).status).toBe(200);
    const read = await front.api('GET', '/b/deep/a/b/c');
    expect(read.header('content-type')).toBe('application/octet-stream');
    expect(read.header('x-reduct-time')).toBe('18446744073709551615');
    expect(read.header('content-length')).toBe('0');
    const shown: unknown = JSON.parse((await front.api('GET', '/b/deep')).body.toString());
    expect(shown).toMatchObject({
      entries: [{ name: 'a' }, { name: 'a/b' }, { name: 'a/b/c' }],
    });
  });

  test('sizes are those of the contract, at once', async () => {
    await front.api('POST', '/b/sizes');
    await front.api('POST', '/b/sizes/entry_1?ts=1000000', { body: 'somedata' });
    const document = (await front.api('GET', '/b/sizes')).body.toString();
    expect(document).toContain(
      '"entries":[{"name":"entry_1","size":40,"record_count":1,"block_count":1,"oldest_record":1000000,"latest_record":1000000,"status":"READY"}]',
    );
    expect(document).toContain('"entry_count":1,"size":40,');
    const info: unknown = JSON.parse((await front.api('GET', '/info')).body.toString());
    expect(info).toMatchObject({ bucket_count: 3 });
  });

  test('the same timestamp is refused, another one before it is inserted', async () => {
    const post = (ts: number): Promise<RawResponse> =>
      front.api('POST', `/b/data/order?ts=${ts}`, { body: 'x' });
    expect((await post(10)).status).toBe(200);
    expect(error(await post(10))).toEqual([409, 'A record with timestamp 10 already exists']);
    expect((await post(5)).status).toBe(200);
    expect((await front.api('GET', '/b/data/order')).header('x-reduct-time')).toBe('10');
  });

  test.each([
    ['', "'ts' parameter is required"],
    ['?x=1', "'ts' parameter is required"],
    ['?ts=', "'ts' must be an unix timestamp in microseconds"],
    ['?ts=-1', "'ts' must be an unix timestamp in microseconds"],
    ['?ts=1.5', "'ts' must be an unix timestamp in microseconds"],
    ['?ts=1e3', "'ts' must be an unix timestamp in microseconds"],
    ['?ts=18446744073709551616', "'ts' must be an unix timestamp in microseconds"],
  ])('ts %j is refused', async (query, text) => {
    const response = await front.api('POST', `/b/data/e${query}`, { body: 'x' });
    expect(error(response)).toEqual([422, text]);
  });

  // Builds for other machines cut such bytes off, see src/http/uws-binary.ts.
  test
    .skipIf(`${process.platform}-${process.arch}` !== 'linux-x64')
    .each(['Zo\u00eb', '\u00e9t', '\u00ff'])(
    'the label value %j is refused, not cut',
    async (value) => {
      const headers = { 'x-reduct-label-a': value };
      const response = await front.api('POST', '/b/data/e?ts=77', { body: 'x', headers });
      expect(error(response)).toEqual([
        422,
        'Label values for x-reduct-label-a must be valid UTF-8 strings',
      ]);
      const batch = { 'x-reduct-time-77': `1,,a=${value}` };
      const refused = await front.api('POST', '/b/data/e/batch', { body: 'x', headers: batch });
      expect(error(refused)).toEqual([
        422,
        'Malformed header received: failed to convert header to a str',
      ]);
      const type = { 'content-type': value };
      const untyped = await front.api('POST', '/b/data/e?ts=77', { body: 'x', headers: type });
      expect(untyped.status).toBe(422);
    },
  );

  test('a token is checked before the timestamp, the bucket after the labels', async () => {
    const anonymous = await rawRequest(front.port, {
      method: 'POST',
      path: '/api/v1/b/none/e?ts=x',
      body: 'x',
    });
    expect(error(anonymous)).toEqual([401, 'No bearer token in request header']);
    const label = { 'x-reduct-label-a': 'caf\u00e9 au lait' };
    const badLabel = await front.api('POST', '/b/none/e?ts=1', { body: 'x', headers: label });
    expect(error(badLabel)).toEqual([
      422,
      'Label values for x-reduct-label-a must be valid UTF-8 strings',
    ]);
    const bucket = await front.api('POST', '/b/none/bad.name?ts=1', { body: 'x' });
    expect(error(bucket)).toEqual([404, "Bucket 'none' is not found"]);
    const name = await front.api('POST', '/b/data/bad.name?ts=1', { body: 'x' });
    expect(name.status).toBe(422);
    const segment = await front.api('POST', '/b/data/a//b?ts=1', { body: 'x' });
    expect(error(segment)).toEqual([
      422,
      'Entry name must be non-empty and must not contain empty path segments',
    ]);
  });

  test('a chunked body needs the other length header and has to keep it', async () => {
    const chunked = (length: string | undefined, body: string): Promise<RawResponse> =>
      front.api('POST', `/b/data/chunked?ts=${length ?? 0}`, {
        headers: {
          'transfer-encoding': 'chunked',
          ...(length === undefined ? {} : { 'x-reduct-content-length': length }),
        },
        body,
      });
    expect(error(await chunked(undefined, '1\r\na\r\n0\r\n\r\n'))).toEqual([
      422,
      'content-length header is required',
    ]);
    expect(error(await chunked('x', '1\r\na\r\n0\r\n\r\n'))[0]).toBe(422);
    expect((await chunked('5', '2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n')).status).toBe(200);
    expect((await front.api('GET', '/b/data/chunked?ts=5')).body.toString()).toBe('abcde');
    expect(error(await chunked('6', '2\r\nab\r\n0\r\n\r\n'))).toEqual([
      400,
      'Content is smaller than in content-length',
    ]);
    expect(error(await chunked('1', '2\r\nab\r\n0\r\n\r\n'))).toEqual([
      400,
      'Content is bigger than in content-length',
    ]);
    expect(error(await front.api('GET', '/b/data/chunked?ts=1'))[0]).toBe(404);
    expect(error(await front.api('GET', '/b/data/chunked?ts=6'))[0]).toBe(404);
  });

  test('a record in pieces is one record, and others go on meanwhile', async () => {
    const connection = await connectRaw(front.port);
    const auth = { authorization: 'Bearer secret' };
    const slow = { method: 'POST', path: '/api/v1/b/data/p?ts=7', body: 'abc', headers: auth };
    await connection.send(requestHead(slow));
    for (const [i, piece] of ['a', 'b', 'c'].entries()) {
      expect((await front.api('POST', `/b/data/p?ts=${100 + i}`, { body: 'x' })).status).toBe(200);
      await connection.send(piece);
    }
    expect((await connection.response()).status).toBe(200);
    await connection.send(requestHead({ ...slow, method: 'GET', headers: auth, body: '' }));
    expect((await connection.response()).body.toString()).toBe('abc');
    connection.destroy();
  });

  test('a refused write is read to its end before the answer, and the connection stays', async () => {
    const connection = await connectRaw(front.port);
    const body = Buffer.alloc(300_000, 'x');
    const headers = { authorization: 'Bearer secret' };
    const refused = { method: 'POST', path: '/api/v1/b/none/e?ts=1', body, headers };
    await connection.send(requestHead(refused));
    await connection.send(body.subarray(0, 1000));
    const early = await Promise.race([
      connection.response(),
      front.api('GET', '/alive').then(() => 'nothing yet'),
    ]);
    expect(early).toBe('nothing yet');
    connection.destroy();
    const whole = await connectRaw(front.port);
    await whole.send(requestHead(refused));
    await whole.send(body);
    expect((await whole.response()).status).toBe(404);
    await whole.send(requestHead({ method: 'GET', path: '/api/v1/alive' }));
    expect((await whole.response()).status).toBe(200);
    whole.destroy();
  });
});

describe('reading one record', () => {
  test('ts wins over q, both must be numbers, and bucket and entry come first', async () => {
    await front.api('POST', '/b/data/r?ts=1', { body: 'one' });
    await front.api('POST', '/b/data/r?ts=2', { body: 'two' });
    expect((await front.api('GET', '/b/data/r?ts=1&q=99')).body.toString()).toBe('one');
    expect((await front.api('GET', '/b/data/r')).body.toString()).toBe('two');
    expect(error(await front.api('GET', '/b/data/r?ts=x'))).toEqual([
      422,
      "'ts' must be an unix timestamp in microseconds",
    ]);
    expect(error(await front.api('GET', '/b/data/r?q=x'))).toEqual([
      422,
      "'query' must be a number",
    ]);
    expect(error(await front.api('GET', '/b/none/r?ts=x'))).toEqual([
      404,
      "Bucket 'none' is not found",
    ]);
    expect(error(await front.api('GET', '/b/data/none?ts=x'))).toEqual([
      404,
      "Entry 'none' not found in bucket 'data'",
    ]);
    expect(error(await front.api('GET', '/b/data/r?ts=3'))).toEqual([
      404,
      'Record 3 not found in entry data/r',
    ]);
  });

  test('a query gives its records one by one, then 204, then 400', async () => {
    for (const ts of [1, 2]) await front.api('POST', `/b/data/q1?ts=${ts}`, { body: `r${ts}` });
    const created = await front.api('GET', '/b/data/q1/q?start=0&stop=10');
    expect(created.header('content-type')).toBe('application/json');
    const id = /^\{"id":(\d+)\}$/.exec(created.body.toString())?.[1];
    const next = (method: string): Promise<RawResponse> => front.api(method, `/b/data/q1?q=${id}`);
    expect((await next('GET')).body.toString()).toBe('r1');
    const head = await next('HEAD');
    expect([head.header('x-reduct-time'), head.header('content-length')]).toEqual(['2', '2']);
    const end = await next('GET');
    expect(error(end)).toEqual([204, 'No content']);
    expect(end.header('content-length')).toBeUndefined();
    expect(error(await next('GET'))).toEqual([
      400,
      `Query'data/q1/${id}' was closed: broken channel`,
    ]);
    expect(error(await front.api('GET', '/b/data/r?q=1234'))[0]).toBe(404);
  });

  test('a query for metadata only, read with GET, gives the content after all', async () => {
    await front.api('POST', '/b/data/meta?ts=1', { body: 'content' });
    const body = '{"query_type":"QUERY","only_metadata":true}';
    const created = await front.api('POST', '/b/data/meta/q', { body });
    const id = /\d+/.exec(created.body.toString())?.[0];
    const read = await front.api('GET', `/b/data/meta?q=${id}`);
    expect(read.body.toString()).toBe('content');
  });
});
