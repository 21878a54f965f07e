/** Label updates and removals of records over real sockets (http-api-records §2.2, §2.3, §3.3, §3.4, §6.5, §6.6). */
import { beforeAll, describe, expect, test } from 'vitest';
import { FrontClient, recordErrors } from '../lib/front-client.ts';
import { useFront } from '../lib/front-harness.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';

const open = useFront();
let client: FrontClient;

beforeAll(async () => {
  client = new FrontClient(open());
  await client.api('POST', '/b/data');
});

describe('labels of one record', () => {
  test('are set, added and removed; the others, content and type stay', async () => {
    const entry = await client.newEntry([1], ',a=1,b=2,c=3');
    const headers = { 'x-reduct-label-b': 'two', 'x-reduct-label-c': '', 'x-reduct-label-d': '4' };
    const response = await client.api('PATCH', `/b/data/${entry}?ts=1`, { headers });
    expect([response.status, response.header('content-length')]).toEqual([200, '0']);
    expect(response.header('content-type')).toBeUndefined();
    expect(await client.labelsOf(entry, 1)).toEqual({ a: '1', b: 'two', d: '4' });
    const read = await client.api('HEAD', `/b/data/${entry}?ts=1`);
    expect([read.header('content-type'), read.header('content-length')]).toEqual([
      'text/plain',
      '1',
    ]);
  });

  test('change the size of the entry by their difference', async () => {
    const entry = await client.newEntry([1], ',a=1');
    const before = (await client.figuresOf(entry)).size;
    // `a=1` is 3 + 3 bytes and a header of 2; `a=12345` has 4 more.
    await client.api('PATCH', `/b/data/${entry}?ts=1`, {
      headers: { 'x-reduct-label-a': '12345' },
    });
    expect((await client.figuresOf(entry)).size).toBe(before + 4);
    await client.api('PATCH', `/b/data/${entry}?ts=1`, { headers: { 'x-reduct-label-a': '' } });
    expect((await client.figuresOf(entry)).size).toBe(before - 8);
  });

  test('that do not change are not logged for replication', async () => {
    const entry = await client.newEntry([1], ',a=1');
    const { commits } = client.front.inner.store;
    const head = commits.headSequence;
    const headers = { 'x-reduct-label-a': '1', 'x-reduct-label-gone': '' };
    expect((await client.api('PATCH', `/b/data/${entry}?ts=1`, { headers })).status).toBe(200);
    expect((await client.api('PATCH', `/b/data/${entry}?ts=1`)).status).toBe(200);
    expect(commits.headSequence).toBe(head);
    await client.api('PATCH', `/b/data/${entry}?ts=1`, { headers: { 'x-reduct-label-a': '2' } });
    expect(commits.headSequence).toBe(head + 1);
  });

  test.each([
    ['/b/data/none?ts=1', 404, "Entry 'none' not found in bucket 'data'"],
    ['/b/none/e?ts=1', 404, "Bucket 'none' is not found"],
    ['/b/none/e', 422, "'ts' parameter is required"],
    ['/b/none/e?ts=x', 422, "'ts' must be an unix timestamp in microseconds"],
    ['/b/none/e?ts=-1', 422, "'ts' must be an unix timestamp in microseconds"],
  ])('%s is refused', async (path, status, error) => {
    expect(await client.outcome('PATCH', path)).toEqual([status, error]);
  });

  test('of a record that is not there, or with a value beyond ASCII, are refused', async () => {
    const entry = await client.newEntry([1]);
    expect(await client.outcome('PATCH', `/b/data/${entry}?ts=2`)).toEqual([
      404,
      `Record 2 not found in entry data/${entry}`,
    ]);
    const headers = { 'x-reduct-label-a': 'gr\u00fcn' };
    expect(await client.outcome('PATCH', `/b/data/${entry}?ts=1`, { headers })).toEqual([
      422,
      'Label values for x-reduct-label-a must be valid UTF-8 strings',
    ]);
  });

  test('a body is ignored, and the connection goes on behind it', async () => {
    const entry = await client.newEntry([1], ',a=1');
    const connection = await connectRaw(client.front.port);
    const path = `/api/v1/b/data/${entry}?ts=1`;
    const body = Buffer.alloc(2_000_000, 'x');
    for (const value of ['2', '3']) {
      const headers = { 'x-reduct-label-a': value };
      await connection.send(requestHead({ method: 'PATCH', path, headers, body }));
      await connection.send(body);
      expect((await connection.response()).status).toBe(200);
    }
    await connection.send(requestHead({ method: 'DELETE', path, body }));
    await connection.send(body);
    expect((await connection.response()).status).toBe(200);
    connection.destroy();
    expect(await client.labelsOf(entry, 1)).toBeUndefined();
  });
});

describe('labels of a batch', () => {
  test('missing records are told, the others are changed', async () => {
    const entry = await client.newEntry([1, 2, 3], ',a=1,b=2');
    const response = await client.api('PATCH', `/b/data/${entry}/batch`, {
      headers: {
        'x-reduct-time-9': '0,',
        'x-reduct-time-1': '0,,a=x,b=',
        'x-reduct-time-3': '7,image/png,c="1,2"',
        'x-reduct-time-2': '0,',
      },
    });
    expect([response.status, recordErrors(response)]).toEqual([
      200,
      [['x-reduct-error-9', `404,Record 9 not found in entry data/${entry}`]],
    ]);
    expect(await client.labelsOf(entry, 1)).toEqual({ a: 'x' });
    expect(await client.labelsOf(entry, 2)).toEqual({ a: '1', b: '2' });
    expect(await client.labelsOf(entry, 3)).toEqual({ a: '1', b: '2', c: '1,2' });
  });

  test.each([
    [{ 'x-reduct-time-1': '0' }, 422, 'Invalid batched header'],
    [{ 'x-reduct-time-1': 'x,' }, 422, 'Invalid content length'],
    [
      { 'x-reduct-time-x': '0,' },
      422,
      "Invalid header 'x-reduct-time-x': must be an unix timestamp in microseconds",
    ],
    [{ 'x-reduct-time-1': '0,' }, 404, "Entry 'none' not found in bucket 'data'"],
  ])('%j is refused as a whole', async (headers, status, error) => {
    expect(await client.outcome('PATCH', '/b/data/none/batch', { headers })).toEqual([
      status,
      error,
    ]);
  });

  test('of a bucket that is not there are refused as a whole', async () => {
    expect(await client.outcome('PATCH', '/b/none/e/batch')).toEqual([
      404,
      "Bucket 'none' is not found",
    ]);
  });
});

describe('removing records', () => {
  test('one by its timestamp; the entry stays, and the timestamp is free again', async () => {
    const entry = await client.newEntry([1]);
    expect(await client.outcome('DELETE', `/b/data/${entry}?ts=1`)).toEqual([200, undefined]);
    expect(await client.outcome('DELETE', `/b/data/${entry}?ts=1`)).toEqual([
      404,
      `Record 1 not found in entry data/${entry}`,
    ]);
    expect(await client.figuresOf(entry)).toMatchObject({
      size: 0,
      record_count: 0,
      block_count: 0,
      oldest_record: 0,
      latest_record: 0,
    });
    expect(await client.outcome('POST', `/b/data/${entry}?ts=1`, { body: 'x' })).toEqual([
      200,
      undefined,
    ]);
  });

  test.each([
    ['?foo=1', 422, "'ts' parameter is required"],
    ['?ts=', 422, "'ts' must be an unix timestamp in microseconds"],
    ['?ts=1', 404, "Entry 'none' not found in bucket 'data'"],
    ['', 404, "Entry 'none' not found in bucket 'data'"],
    ['?', 404, "Entry 'none' not found in bucket 'data'"],
  ])('DELETE none%s', async (query, status, error) => {
    expect(await client.outcome('DELETE', `/b/data/none${query}`)).toEqual([status, error]);
  });

  test('a batch: only the names of the headers matter', async () => {
    const entry = await client.newEntry([1, 2, 3, 4, 5]);
    const response = await client.api('DELETE', `/b/data/${entry}/batch`, {
      headers: {
        'x-reduct-time-9': '',
        'x-reduct-time-4': 'any',
        'x-reduct-time-2': '',
        'x-reduct-time-04': '',
      },
    });
    expect([response.status, recordErrors(response)]).toEqual([
      200,
      [['x-reduct-error-9', `404,Record 9 not found in entry data/${entry}`]],
    ]);
    expect(await client.timesOf(entry)).toEqual([1, 3, 5]);
    expect((await client.api('DELETE', `/b/data/${entry}/batch`)).status).toBe(200);
    expect(await client.outcome('DELETE', '/b/data/none/batch')).toEqual([
      404,
      "Entry 'none' not found in bucket 'data'",
    ]);
  });
});

describe('batches over several entries', () => {
  const names = (...entries: string[]): Record<string, string> => ({
    'x-reduct-entries': entries.join(','),
    'x-reduct-start-ts': '100',
  });

  test('updates add up within an entry', async () => {
    const a = await client.newEntry([100, 101, 102], ',x=1,y=2');
    const b = await client.newEntry([101], ',x=1');
    const response = await client.api('PATCH', '/io/data/update', {
      headers: {
        ...names(a, b, 'none%2Fsub'),
        'x-reduct-labels': 'x,y,z',
        'x-reduct-0-0': '0,,0=5,1=',
        'x-reduct-0-1': '0,,2=9',
        'x-reduct-0-2': '0',
        'x-reduct-1-1': '0,,0=',
        'x-reduct-1-7': '0',
        'x-reduct-2-0': '0,,0=1',
      },
    });
    expect(response.status).toBe(200);
    expect(response.header('x-reduct-entries')).toBe(`${a},${b},none%2Fsub`);
    expect(response.header('x-reduct-start-ts')).toBe('100');
    expect(recordErrors(response)).toEqual([
      ['x-reduct-error-1-7', `404,Record 107 not found in entry data/${b}`],
      ['x-reduct-error-2-0', "404,Entry 'none/sub' not found in bucket 'data'"],
    ]);
    expect(await client.labelsOf(a, 100)).toEqual({ x: '5' });
    expect(await client.labelsOf(a, 101)).toEqual({ x: '5', z: '9' });
    expect(await client.labelsOf(a, 102)).toEqual({ x: '5', z: '9' });
    expect(await client.labelsOf(b, 101)).toEqual({});
  });

  test('removals tell what was missing, and only there', async () => {
    const a = await client.newEntry([100, 101]);
    const b = await client.newEntry([100]);
    const response = await client.api('DELETE', '/io/data/remove', {
      headers: {
        ...names(a, b, 'none'),
        'x-reduct-1-1': '',
        'x-reduct-0-1': '0,',
        'x-reduct-0-0': '',
        'x-reduct-2-1': '',
      },
    });
    expect([response.status, response.header('x-reduct-entries')]).toEqual([200, `${a},${b},none`]);
    expect(recordErrors(response)).toEqual([
      ['x-reduct-error-1-1', `404,Record 101 not found in entry data/${b}`],
      ['x-reduct-error-2-1', "404,Entry 'none' not found in bucket 'data'"],
    ]);
    expect(await client.timesOf(a)).toEqual([]);
    expect(await client.timesOf(b)).toEqual([100]);
  });

  test.each([
    ['PATCH', '/io/data/update', {}, 422, 'x-reduct-start-ts header is required'],
    [
      'PATCH',
      '/io/data/update',
      { 'x-reduct-entries': '' },
      422,
      'x-reduct-entries header is required',
    ],
    ['PATCH', '/io/none/update', names('e'), 404, "Bucket 'none' is not found"],
    ['DELETE', '/io/none/remove', names('e'), 404, "Bucket 'none' is not found"],
    ['DELETE', '/io/data/remove', {}, 422, 'x-reduct-start-ts header is required'],
    [
      'DELETE',
      '/io/none/remove',
      { ...names('e', 'e%2F$meta'), 'x-reduct-7-1': '' },
      422,
      "Can't delete records from system entry 'e/$meta'; use label update with remove=true",
    ],
  ])('%s %s with %j is refused', async (method, path, headers, status, error) => {
    expect(await client.outcome(method, path, { headers })).toEqual([status, error]);
  });
});
