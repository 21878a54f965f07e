/** Label updates, removals and renames over real sockets (http-api-records §2.2–2.6, §3.3, §3.4, §5.5, §6.5, §6.6). */
import { beforeAll, describe, expect, test } from 'vitest';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';
import { connectRaw, requestHead } from '../lib/raw-http.ts';
import type { RawRequest, RawResponse } from '../lib/raw-http.ts';

const open = useFront();
let front: FrontHarness;
let count = 0;

beforeAll(async () => {
  front = open();
  await front.api('POST', '/b/data');
});

type Request = Omit<RawRequest, 'method' | 'path'>;

const api = (method: string, path: string, request?: Request): Promise<RawResponse> =>
  front.api(method, path, request);

/** Status and error text. */
async function outcome(
  method: string,
  path: string,
  request?: Request,
): Promise<[status: number, error: string | undefined]> {
  const response = await api(method, path, request);
  return [response.status, response.header('x-reduct-error')];
}

/** An entry of its own with records at these timestamps, each with its timestamp as content. */
async function newEntry(timestamps: readonly number[], labels = ''): Promise<string> {
  const entry = `e${count++}`;
  const headers: Record<string, string> = {};
  const sorted = timestamps.toSorted((a, b) => a - b);
  for (const ts of sorted)
    headers[`x-reduct-time-${ts}`] = `${String(ts).length},text/plain${labels}`;
  await api('POST', `/b/data/${entry}/batch`, { headers, body: sorted.join('') });
  return entry;
}

/** Labels of a record, in order; undefined when there is none. */
async function labelsOf(entry: string, ts: number): Promise<Record<string, string> | undefined> {
  const response = await api('GET', `/b/data/${entry}?ts=${ts}`);
  if (response.status !== 200) return undefined;
  expect(response.body.toString()).toBe(String(ts));
  const prefix = 'x-reduct-label-';
  const lines = response.headerLines.filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(lines.map(([name, value]) => [name.slice(prefix.length), value]));
}

async function timesOf(entry: string): Promise<number[]> {
  const times: number[] = [];
  const created = await api('GET', `/b/data/${entry}/q`);
  const id = /\d+/.exec(created.body.toString())?.[0];
  for (;;) {
    const batch = await api('GET', `/b/data/${entry}/batch?q=${id}`);
    if (batch.status !== 200) return times;
    for (const [name] of batch.headerLines) {
      if (name.startsWith('x-reduct-time-')) times.push(Number(name.slice(14)));
    }
  }
}

const recordErrors = (response: RawResponse): readonly (readonly [string, string])[] =>
  response.headerLines.filter(([name]) => name.startsWith('x-reduct-error'));

async function entryFigures(entry: string): Promise<{ size: number; record_count: number }> {
  const document = JSON.parse((await api('GET', '/b/data')).body.toString()) as {
    entries: { name: string; size: number; record_count: number }[];
  };
  const found = document.entries.find(({ name }) => name === entry);
  if (found === undefined) throw new Error(`no entry ${entry}`);
  return found;
}

describe('labels of one record', () => {
  test('are set, added and removed; the others, content and type stay', async () => {
    const entry = await newEntry([1], ',a=1,b=2,c=3');
    const headers = { 'x-reduct-label-b': 'two', 'x-reduct-label-c': '', 'x-reduct-label-d': '4' };
    const response = await api('PATCH', `/b/data/${entry}?ts=1`, { headers });
    expect([response.status, response.header('content-length')]).toEqual([200, '0']);
    expect(response.header('content-type')).toBeUndefined();
    expect(await labelsOf(entry, 1)).toEqual({ a: '1', b: 'two', d: '4' });
    const read = await api('HEAD', `/b/data/${entry}?ts=1`);
    expect([read.header('content-type'), read.header('content-length')]).toEqual([
      'text/plain',
      '1',
    ]);
  });

  test('change the size of the entry by their difference', async () => {
    const entry = await newEntry([1], ',a=1');
    const before = (await entryFigures(entry)).size;
    // `a=1` is 3 + 3 bytes and a header of 2; `a=12345` has 4 more.
    await api('PATCH', `/b/data/${entry}?ts=1`, { headers: { 'x-reduct-label-a': '12345' } });
    expect((await entryFigures(entry)).size).toBe(before + 4);
    await api('PATCH', `/b/data/${entry}?ts=1`, { headers: { 'x-reduct-label-a': '' } });
    expect((await entryFigures(entry)).size).toBe(before - 8);
  });

  test('that do not change are not logged for replication', async () => {
    const entry = await newEntry([1], ',a=1');
    const { commits } = front.inner.store;
    const head = commits.headSequence;
    const headers = { 'x-reduct-label-a': '1', 'x-reduct-label-gone': '' };
    expect((await api('PATCH', `/b/data/${entry}?ts=1`, { headers })).status).toBe(200);
    expect((await api('PATCH', `/b/data/${entry}?ts=1`)).status).toBe(200);
    expect(commits.headSequence).toBe(head);
    await api('PATCH', `/b/data/${entry}?ts=1`, { headers: { 'x-reduct-label-a': '2' } });
    expect(commits.headSequence).toBe(head + 1);
  });

  test.each([
    ['/b/data/none?ts=1', 404, "Entry 'none' not found in bucket 'data'"],
    ['/b/none/e?ts=1', 404, "Bucket 'none' is not found"],
    ['/b/none/e', 422, "'ts' parameter is required"],
    ['/b/none/e?ts=x', 422, "'ts' must be an unix timestamp in microseconds"],
    ['/b/none/e?ts=-1', 422, "'ts' must be an unix timestamp in microseconds"],
  ])('%s is refused', async (path, status, error) => {
    expect(await outcome('PATCH', path)).toEqual([status, error]);
  });

  test('of a record that is not there, or with a value beyond ASCII, are refused', async () => {
    const entry = await newEntry([1]);
    expect(await outcome('PATCH', `/b/data/${entry}?ts=2`)).toEqual([
      404,
      `Record 2 not found in entry data/${entry}`,
    ]);
    const headers = { 'x-reduct-label-a': 'gr\u00fcn' };
    expect(await outcome('PATCH', `/b/data/${entry}?ts=1`, { headers })).toEqual([
      422,
      'Label values for x-reduct-label-a must be valid UTF-8 strings',
    ]);
  });

  test('a body is ignored, and the connection goes on behind it', async () => {
    const entry = await newEntry([1], ',a=1');
    const connection = await connectRaw(front.port);
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
    expect(await labelsOf(entry, 1)).toBeUndefined();
  });
});

describe('labels of a batch', () => {
  test('missing records are told, the others are changed', async () => {
    const entry = await newEntry([1, 2, 3], ',a=1,b=2');
    const response = await api('PATCH', `/b/data/${entry}/batch`, {
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
    expect(await labelsOf(entry, 1)).toEqual({ a: 'x' });
    expect(await labelsOf(entry, 2)).toEqual({ a: '1', b: '2' });
    expect(await labelsOf(entry, 3)).toEqual({ a: '1', b: '2', c: '1,2' });
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
    expect(await outcome('PATCH', '/b/data/none/batch', { headers })).toEqual([status, error]);
  });

  test('of a bucket that is not there are refused as a whole', async () => {
    expect(await outcome('PATCH', '/b/none/e/batch')).toEqual([404, "Bucket 'none' is not found"]);
  });
});

describe('removing records', () => {
  test('one by its timestamp; the entry stays, and the timestamp is free again', async () => {
    const entry = await newEntry([1]);
    expect(await outcome('DELETE', `/b/data/${entry}?ts=1`)).toEqual([200, undefined]);
    expect(await outcome('DELETE', `/b/data/${entry}?ts=1`)).toEqual([
      404,
      `Record 1 not found in entry data/${entry}`,
    ]);
    expect(await entryFigures(entry)).toMatchObject({
      size: 0,
      record_count: 0,
      block_count: 0,
      oldest_record: 0,
      latest_record: 0,
    });
    expect(await outcome('POST', `/b/data/${entry}?ts=1`, { body: 'x' })).toEqual([200, undefined]);
  });

  test.each([
    ['?foo=1', 422, "'ts' parameter is required"],
    ['?ts=', 422, "'ts' must be an unix timestamp in microseconds"],
    ['?ts=1', 404, "Entry 'none' not found in bucket 'data'"],
    ['', 404, "Entry 'none' not found in bucket 'data'"],
    ['?', 404, "Entry 'none' not found in bucket 'data'"],
  ])('DELETE none%s', async (query, status, error) => {
    expect(await outcome('DELETE', `/b/data/none${query}`)).toEqual([status, error]);
  });

  test('a batch: only the names of the headers matter', async () => {
    const entry = await newEntry([1, 2, 3, 4, 5]);
    const response = await api('DELETE', `/b/data/${entry}/batch`, {
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
    expect(await timesOf(entry)).toEqual([1, 3, 5]);
    expect((await api('DELETE', `/b/data/${entry}/batch`)).status).toBe(200);
    expect(await outcome('DELETE', '/b/data/none/batch')).toEqual([
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
    const a = await newEntry([100, 101, 102], ',x=1,y=2');
    const b = await newEntry([101], ',x=1');
    const response = await api('PATCH', '/io/data/update', {
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
    expect(await labelsOf(a, 100)).toEqual({ x: '5' });
    expect(await labelsOf(a, 101)).toEqual({ x: '5', z: '9' });
    expect(await labelsOf(a, 102)).toEqual({ x: '5', z: '9' });
    expect(await labelsOf(b, 101)).toEqual({});
  });

  test('removals tell what was missing, and only there', async () => {
    const a = await newEntry([100, 101]);
    const b = await newEntry([100]);
    const response = await api('DELETE', '/io/data/remove', {
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
    expect(await timesOf(a)).toEqual([]);
    expect(await timesOf(b)).toEqual([100]);
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
    expect(await outcome(method, path, { headers })).toEqual([status, error]);
  });
});

describe('removal by query', () => {
  const remove = async (path: string, document: object): Promise<string> => {
    const body = JSON.stringify({ query_type: 'REMOVE', ...document });
    const response = await api('POST', path, { body });
    expect(response.status).toBe(200);
    expect(response.header('content-type')).toBe('application/json');
    return response.body.toString();
  };

  test('takes a range, a condition, or the context of matches', async () => {
    const entry = await newEntry([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const ts of [3, 8]) {
      await api('PATCH', `/b/data/${entry}?ts=${ts}`, {
        headers: { 'x-reduct-label-hit': 'true' },
      });
    }
    const path = `/b/data/${entry}/q`;
    expect(await remove(path, { start: 5, stop: 7 })).toBe('{"removed_records":2}');
    const when = { '#ctx_before': 1, '&hit': { $eq: true } };
    expect(await remove(path, { when })).toBe('{"removed_records":4}');
    expect(await timesOf(entry)).toEqual([1, 4, 9]);
    expect(await remove(path, { start: 2, when: { $limit: 1 } })).toBe('{"removed_records":1}');
    expect(await remove(path, { strict: false })).toBe('{"removed_records":2}');
    expect((await entryFigures(entry)).record_count).toBe(0);
    expect(await remove(path, { start: 100 })).toBe('{"removed_records":0}');
  });

  test('the parameters of old clients', async () => {
    const entry = await newEntry([1, 2, 3, 4, 5, 6]);
    const response = await api('DELETE', `/b/data/${entry}/q?start=2&stop=6&each_n=2`);
    expect([response.status, response.body.toString()]).toEqual([200, '{"removed_records":2}']);
    expect(await timesOf(entry)).toEqual([1, 3, 5, 6]);
  });

  test('nothing said is refused', async () => {
    const entry = await newEntry([1]);
    const text = 'Define at least one query parameter to delete records';
    for (const body of ['{"query_type":"REMOVE"}', '{"query_type":"REMOVE","when":null,"x":1}']) {
      expect(await outcome('POST', `/b/data/${entry}/q`, { body })).toEqual([422, text]);
      expect(await outcome('POST', '/io/data/q', { body })).toEqual([422, text]);
    }
    expect(await outcome('DELETE', `/b/data/${entry}/q`)).toEqual([422, text]);
    expect(await outcome('DELETE', `/b/data/${entry}/q?other=1`)).toEqual([422, text]);
    expect(await timesOf(entry)).toEqual([1]);
  });

  test('an entry that is not there is created; its name counts', async () => {
    expect(await remove('/b/data/new/sub/q', { start: 5 })).toBe('{"removed_records":0}');
    expect((await entryFigures('new/sub')).record_count).toBe(0);
    expect((await entryFigures('new')).record_count).toBe(0);
    const body = '{"query_type":"REMOVE","start":1}';
    expect((await outcome('POST', '/b/data/a.b/q', { body }))[0]).toBe(422);
    expect(await outcome('POST', '/b/none/e/q', { body })).toEqual([
      404,
      "Bucket 'none' is not found",
    ]);
  });

  test('in strict mode the error of the condition is the answer', async () => {
    const entry = await newEntry([1, 2]);
    const body = JSON.stringify({
      query_type: 'REMOVE',
      when: { '&no': { $eq: 1 } },
      strict: true,
    });
    const [status] = await outcome('POST', `/b/data/${entry}/q`, { body });
    expect(status).toBe(404);
    expect(await timesOf(entry)).toEqual([1, 2]);
  });

  test('over several entries, never over attachments', async () => {
    const entry = await newEntry([1, 2]);
    const other = await newEntry([1]);
    const headers = { 'x-reduct-label-key': 'k' };
    await api('POST', `/b/data/${entry}/$meta?ts=1`, { headers, body: '{}' });
    const document = { entries: [entry, `${entry}/$meta`], start: 0 };
    expect(await remove('/io/data/q', document)).toBe('{"removed_records":2}');
    expect(await timesOf(entry)).toEqual([]);
    expect(await timesOf(other)).toEqual([1]);
    expect(await timesOf(`${entry}/$meta`)).toEqual([1]);
  });
});

describe('removing an entry', () => {
  /** Ends when the entry is gone. */
  const untilGone = async (entry: string): Promise<void> => {
    for (;;) {
      const [status] = await outcome('HEAD', `/b/data/${entry}`);
      if (status === 404) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  test('takes descendants and attachments along', async () => {
    const entry = await newEntry([1]);
    await api('POST', `/b/data/${entry}/sub/sub?ts=1`, { body: 'x' });
    const headers = { 'x-reduct-label-key': 'k' };
    await api('POST', `/b/data/${entry}/$meta?ts=1`, { headers, body: '{}' });
    expect(await outcome('DELETE', `/b/data/${entry}`)).toEqual([200, undefined]);
    for (const name of [entry, `${entry}/sub`, `${entry}/sub/sub`, `${entry}/$meta`]) {
      await untilGone(name);
    }
    expect(await outcome('DELETE', `/b/data/${entry}`)).toEqual([
      404,
      `Entry '${entry}' not found in bucket 'data'`,
    ]);
    const document = (await api('GET', '/b/data')).body.toString();
    expect(document).not.toContain(`"${entry}`);
  });

  test('meanwhile it answers 409', async () => {
    const entry = await newEntry([1]);
    const found = front.inner.store.catalog.entry('data', entry);
    found.status = 'DELETING';
    const text = `Entry '${entry}' in bucket 'data' is being deleted`;
    const refused: [method: string, path: string][] = [
      ['PATCH', `?ts=1`],
      ['DELETE', `?ts=1`],
      ['DELETE', ''],
      ['PATCH', '/batch'],
      ['DELETE', '/batch'],
      ['DELETE', '/q?start=0'],
      ['GET', ''],
      ['GET', '/q'],
    ];
    for (const [method, suffix] of refused) {
      expect([suffix, await outcome(method, `/b/data/${entry}${suffix}`)]).toEqual([
        suffix,
        [409, text],
      ]);
    }
    const rename = { body: '{"new_name":"other"}' };
    expect(await outcome('PUT', `/b/data/${entry}/rename`, rename)).toEqual([409, text]);
    expect(await outcome('PUT', '/b/data', { body: '{}' })).toEqual([409, text]);
    found.status = 'READY';
  });
});

describe('renaming an entry', () => {
  test('keeps records, descendants, and queries that are open', async () => {
    const entry = await newEntry([1, 2]);
    await api('POST', `/b/data/${entry}/sub?ts=1`, { body: 'x' });
    const created = await api('GET', `/b/data/${entry}/q`);
    const id = /\d+/.exec(created.body.toString())?.[0];
    const body = `{"new_name":"to/${entry}"}`;
    expect(await outcome('PUT', `/b/data/${entry}/rename`, { body })).toEqual([200, undefined]);
    expect(await timesOf(`to/${entry}`)).toEqual([1, 2]);
    expect((await outcome('GET', `/b/data/to/${entry}/sub?ts=1`))[0]).toBe(200);
    expect((await outcome('GET', `/b/data/to/${entry}/batch?q=${id}`))[0]).toBe(200);
    expect(await outcome('GET', `/b/data/${entry}`)).toEqual([
      404,
      `Entry '${entry}' not found in bucket 'data'`,
    ]);
  });

  test.each([
    ['{', 422, /^Invalid JSON: /],
    ['', 422, /^Invalid JSON: /],
    ['[]', 422, /^Invalid JSON: /],
    ['{}', 422, /^Invalid JSON: missing field `new_name`/],
    ['{"new_name":1}', 422, /^Invalid JSON: /],
    ['{"new_name":"x"}', 404, /^Entry 'none' not found in bucket 'data'$/],
    ['{"new_name":"none"}', 409, /^Entry 'none' already exists in bucket 'data'$/],
    ['{"new_name":""}', 422, /^Entry name must be non-empty/],
    ['{"new_name":"a//b"}', 422, /^Entry name must be non-empty/],
    ['{"new_name":"a.b"}', 422, /^Entry name can contain only letters/],
  ])('with %s is refused', async (body, status, error) => {
    const [got, text] = await outcome('PUT', '/b/data/none/rename', { body });
    expect([got, text]).toEqual([status, expect.stringMatching(error)]);
  });

  test('the target must not exist', async () => {
    const [from, to] = [await newEntry([1]), await newEntry([1])];
    const body = `{"new_name":"${to}"}`;
    expect(await outcome('PUT', `/b/data/${from}/rename`, { body })).toEqual([
      409,
      `Entry '${to}' already exists in bucket 'data'`,
    ]);
  });

  test('PUT on an entry without that ending is no path', async () => {
    expect(await outcome('PUT', '/b/data/e', { body: '{}' })).toEqual([404, 'Not found']);
  });
});

describe('settings of a bucket', () => {
  const settings = async (): Promise<unknown> =>
    (JSON.parse((await api('GET', '/b/conf')).body.toString()) as { settings: unknown }).settings;

  test('are merged: absent and null members stay', async () => {
    await api('POST', '/b/conf');
    const change = (body: string): Promise<unknown> => outcome('PUT', '/b/conf', { body });
    expect(await change('{"quota_type":"FIFO","quota_size":1000}')).toEqual([200, undefined]);
    expect(await change('{"max_block_records":7,"quota_type":null}')).toEqual([200, undefined]);
    expect(await change('')).toEqual([200, undefined]);
    expect(await settings()).toEqual({
      quota_type: 'FIFO',
      quota_size: 1000,
      max_block_size: 64_000_000,
      max_block_records: 7,
    });
  });

  test.each([
    ['/b/none', '{', 422, /^Invalid JSON: /],
    ['/b/none', '{"quota_type":"X"}', 422, /^Invalid JSON: /],
    ['/b/none', '{}', 404, /^Bucket 'none' is not found$/],
  ])('PUT %s %s is refused', async (path, body, status, error) => {
    const [got, text] = await outcome('PUT', path, { body });
    expect([got, text]).toEqual([status, expect.stringMatching(error)]);
  });

  test('of a provisioned bucket stay, and so does its name', async () => {
    await api('POST', '/b/fixed');
    front.inner.store.catalog.bucket('fixed').isProvisioned = true;
    expect(await outcome('PUT', '/b/fixed', { body: '{}' })).toEqual([
      409,
      "Can't change settings of provisioned bucket 'fixed'",
    ]);
    const request = {
      headers: { 'content-type': 'application/json' },
      body: '{"new_name":"other"}',
    };
    expect(await outcome('PUT', '/b/fixed/rename', request)).toEqual([
      409,
      "Can't rename provisioned bucket 'fixed'",
    ]);
  });
});

describe('renaming a bucket', () => {
  const rename = (name: string, body: string, type = 'application/json') =>
    outcome('PUT', `/b/${name}/rename`, { headers: { 'content-type': type }, body });

  test('moves everything', async () => {
    await api('POST', '/b/old');
    await api('POST', '/b/old/e?ts=1', { body: 'x' });
    const type = 'application/vnd.test+json; charset=utf-8';
    expect(await rename('old', '{"new_name":"new"}', type)).toEqual([200, undefined]);
    expect(await outcome('GET', '/b/old/e?ts=1')).toEqual([404, "Bucket 'old' is not found"]);
    expect((await api('GET', '/b/new/e?ts=1')).body.toString()).toBe('x');
  });

  test.each(['text/plain', 'application/x-json', 'text/json', 'application/jsonp'])(
    'with a body of %s is 415, whatever else is wrong',
    async (type) => {
      expect(await rename('none', '{', type)).toEqual([
        415,
        'Expected request with `Content-Type: application/json`',
      ]);
    },
  );

  test('without a content type is 415', async () => {
    const [status] = await outcome('PUT', '/b/none/rename', { body: '{"new_name":"x"}' });
    expect(status).toBe(415);
  });

  test.each([
    ['{', 400, /^Failed to parse the request body as JSON: /],
    ['', 400, /^Failed to parse the request body as JSON: /],
    ['{}', 422, /^Failed to deserialize the JSON body into the target type: missing field/],
    ['[]', 422, /^Failed to deserialize the JSON body into the target type: /],
    ['{"new_name":1}', 422, /^Failed to deserialize the JSON body into the target type: /],
    ['{"new_name":"a.b"}', 422, /^Bucket or entry name can contain only letters, digests/],
    ['{"new_name":""}', 422, /^Bucket or entry name can contain only letters, digests/],
    ['{"new_name":"data"}', 409, /^Bucket 'data' already exists$/],
    ['{"new_name":"x"}', 404, /^Bucket 'none' is not found$/],
  ])('with %s is refused', async (body, status, error) => {
    expect(await rename('none', body)).toEqual([status, expect.stringMatching(error)]);
  });

  test('is all that this path knows', async () => {
    const response = await api('GET', '/b/data/rename');
    expect([response.status, response.header('allow')]).toEqual([405, 'PUT']);
  });
});
