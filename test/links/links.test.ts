import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { useFront } from '../lib/front-harness.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import type { RawResponse } from '../lib/raw-http.ts';
import { rawRequest } from '../lib/raw-http.ts';

const TOKEN = 'full-access';
const FAR_S = 4_000_000_000;

interface LinkBody {
  readonly [name: string]: unknown;
}

function linkBody(overrides: LinkBody = {}): string {
  return JSON.stringify({
    bucket: 'data',
    entry: 'e',
    record_entry: 'e',
    record_timestamp: 1000,
    query: { query_type: 'QUERY' },
    expire_at: FAR_S,
    ...overrides,
  });
}

function create(
  front: FrontHarness,
  overrides: LinkBody = {},
  file = 'f.txt',
): Promise<RawResponse> {
  return front.api('POST', `/links/${file}`, { body: linkBody(overrides) });
}

/** Path and query of a new link. */
async function newLink(front: FrontHarness, overrides: LinkBody = {}): Promise<string> {
  const created = await create(front, overrides);
  expect(created.status, created.body.toString()).toBe(200);
  const url = new URL(String(JSON.parse(created.body.toString()).link));
  return url.pathname + url.search;
}

function open(
  front: FrontHarness,
  link: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<RawResponse> {
  return rawRequest(front.port, { method, path: link, headers });
}

async function refusal(answer: Promise<RawResponse>): Promise<[number, string | undefined]> {
  const response = await answer;
  return [response.status, response.header('x-reduct-error')];
}

async function write(
  front: FrontHarness,
  entry: string,
  ts: number,
  body: string | Uint8Array,
  labels: Record<string, string> = {},
): Promise<void> {
  const headers = Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [`x-reduct-label-${name}`, value]),
  );
  const answer = await front.api('POST', `/b/data/${entry}?ts=${ts}`, { body, headers });
  expect(answer.status).toBe(200);
}

describe('creating a link', () => {
  const opened = useFront({ token: TOKEN });

  test('answers its address, the query right behind the file name', async () => {
    const front = opened();
    const answer = await create(front, {}, 'custom-name.txt');
    expect(answer.status).toBe(200);
    expect(answer.header('content-type')).toBe('application/json');
    const { link } = JSON.parse(answer.body.toString());
    expect(link).toMatch(
      new RegExp(
        `^http://127\\.0\\.0\\.1:${front.port}/api/v1/links/custom-name\\.txt\\?ct=[\\w-]+&s=[\\w-]+&i=init-token&n=[\\w-]+$`,
      ),
    );
  });

  test.each([
    ['a/b%20c.txt', 'a/b%20c.txt'],
    ['%C3%A4%2Fx%3F.txt', '%C3%A4/x%3F.txt'],
  ])('file name %s is written %s', async (sent, written) => {
    const { link } = JSON.parse((await create(opened(), {}, sent)).body.toString());
    expect(link).toContain(`/links/${written}?ct=`);
  });

  test.each([
    ['http://edge.example', 'http://edge.example/api/v1/links/'],
    ['https://edge.example:8443/base', 'https://edge.example:8443/base/api/v1/links/'],
    ['https://edge.example/base/', 'https://edge.example/base/api/v1/links/'],
  ])('base_url %s', async (base_url, start) => {
    const { link } = JSON.parse((await create(opened(), { base_url })).body.toString());
    expect(link.startsWith(start), link).toBe(true);
  });

  test.each([
    ['example', 'relative URL without a base'],
    ['http://', 'not a URL'],
    ['data:text/plain,x', 'missing host'],
  ])('base_url %j is refused', async (base_url, why) => {
    expect(await refusal(create(opened(), { base_url }))).toEqual([
      422,
      `Invalid base_url provided for query link: ${why}`,
    ]);
  });

  test.each<[LinkBody, string]>([
    [{ query: { query_type: 'REMOVE' } }, "Only 'Query' type is supported for query links"],
    [
      { record_entry: null },
      "Both 'record_entry' and 'record_timestamp' must be provided in payload",
    ],
    [
      { record_timestamp: undefined },
      "Both 'record_entry' and 'record_timestamp' must be provided in payload",
    ],
    [{ bucket: undefined }, 'Invalid JSON: missing field `bucket`'],
    [{ entry: undefined }, 'Invalid JSON: missing field `entry`'],
    [{ query: undefined }, 'Invalid JSON: missing field `query`'],
    [{ expire_at: undefined }, 'Invalid JSON: missing field `expire_at`'],
    [{ expire_at: '1' }, 'Invalid JSON: expire_at: invalid type, expected i64'],
    [{ query: 5 }, 'Invalid JSON: query: invalid type, expected a map'],
    [{ query: {} }, 'Invalid JSON: missing field `query_type`'],
  ])('%j is refused', async (overrides, text) => {
    expect(await refusal(create(opened(), overrides))).toEqual([422, text]);
  });

  test('neither bucket nor record need exist, and expiry may lie in the past', async () => {
    const overrides = { bucket: 'nowhere', expire_at: -5, index: 3, entry: '' };
    expect((await create(opened(), overrides)).status).toBe(200);
  });

  test('JSON is looked at before the token, permission before the rest', async () => {
    const front = opened();
    const post = (body: string, headers: Record<string, string> = {}): Promise<RawResponse> =>
      rawRequest(front.port, { method: 'POST', path: '/api/v1/links/f', headers, body });
    expect((await refusal(post('{')))[1]).toMatch(/^Invalid JSON: /);
    expect(await refusal(post(linkBody()))).toEqual([401, 'No bearer token in request header']);
    const body = '{"permissions":{"read":["other"],"write":["data"]}}';
    const { value } = JSON.parse(
      (await front.api('POST', '/tokens/limited', { body })).body.toString(),
    );
    const authorization = `Bearer ${value}`;
    expect(await refusal(post(linkBody({ record_entry: null }), { authorization }))).toEqual([
      403,
      "Token 'limited' doesn't have read access to bucket 'data'",
    ]);
  });

  test('a body above 2 MiB and a link above the longest URI are refused', async () => {
    const filler = 'x'.repeat(2 * 1024 * 1024);
    expect(await refusal(create(opened(), { filler }))).toEqual([422, 'Invalid body']);
    const when = {
      $in: ['&a', ...Array.from({ length: 8000 }, () => randomBytes(9).toString('hex'))],
    };
    const [status, text] = await refusal(
      create(opened(), { query: { query_type: 'QUERY', when } }),
    );
    expect(status).toBe(422);
    expect(text).toMatch(/^Query link is too long: \d+ characters$/);
  });

  test('other methods and the bare path are what unknown ones are', async () => {
    const front = opened();
    expect((await front.api('GET', '/links')).status).toBe(404);
    expect((await front.api('GET', '/links/')).status).toBe(404);
    const put = await front.api('PUT', '/links/f.txt');
    expect([put.status, put.header('allow')]).toEqual([405, 'GET,HEAD,POST']);
  });
});

describe('RS_PUBLIC_URL', () => {
  const opened = useFront({
    config: { publicUrl: 'https://edge.example/reduct/', apiBasePath: '/reduct/' },
  });

  test('is what links begin with, and opens below the base path', async () => {
    const front = opened();
    const request = { method: 'POST', path: '/reduct/api/v1/links/f', body: linkBody() };
    const { link } = JSON.parse((await rawRequest(front.port, request)).body.toString());
    expect(link.startsWith('https://edge.example/reduct/api/v1/links/f?ct=')).toBe(true);
    const { pathname, search } = new URL(link);
    expect(await refusal(open(front, pathname + search))).toEqual([
      404,
      "Bucket 'data' is not found",
    ]);
  });
});

describe('opening a link', () => {
  const opened = useFront({ token: TOKEN });
  const filled = async (): Promise<FrontHarness> => {
    const front = opened();
    const created = await front.api('POST', '/b/data');
    if (created.status !== 200) return front;
    await write(front, 'e', 1000, 'hello world', { a: '1', b: 'x' });
    await write(front, 'e', 2000, 'second', { a: '2', b: 'x' });
    await write(front, 'e', 3000, 'third', { a: '3', b: 'y' });
    await write(front, 'other/e', 1000, 'elsewhere');
    return front;
  };

  test('needs no token and gives the record as a single read does', async () => {
    const front = await filled();
    const link = await newLink(front);
    for (const method of ['GET', 'HEAD']) {
      const answer = await open(front, link, {}, method);
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headerLines)).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-length': '11',
        'content-disposition': 'attachment',
        'accept-ranges': 'bytes',
        'x-reduct-time': '1000',
        'x-reduct-entry': 'e',
        'x-reduct-label-a': '1',
        'x-reduct-label-b': 'x',
      });
      expect(answer.body.toString()).toBe(method === 'GET' ? 'hello world' : '');
    }
  });

  test('the file name does not matter', async () => {
    const front = await filled();
    const link = await newLink(front);
    const renamed = link.replace('/links/f.txt', '/links/some/where%20else');
    expect((await open(front, renamed)).body.toString()).toBe('hello world');
  });

  test('e and ts show another record of the same query', async () => {
    const front = await filled();
    const link = await newLink(front, {
      query: { query_type: 'QUERY', when: { '&b': { $eq: 'x' } } },
    });
    expect((await open(front, `${link}&e=e&ts=2000`)).body.toString()).toBe('second');
    expect(await refusal(open(front, `${link}&e=e&ts=3000`))).toEqual([
      404,
      'Record e/3000 not found in query result',
    ]);
    expect(await refusal(open(front, `${link}&e=other%2Fe&ts=1000`))).toEqual([
      404,
      'Record other/e/1000 not found in query result',
    ]);
    const both = "Both 'e' and 'ts' parameters must be provided together";
    expect(await refusal(open(front, `${link}&e=e`))).toEqual([422, both]);
    expect(await refusal(open(front, `${link}&ts=1`))).toEqual([422, both]);
    expect((await refusal(open(front, `${link}&e=e&ts=-1`)))[1]).toMatch(
      /^Invalid 'ts' parameter: /,
    );
  });

  test('parameters are missed in this order', async () => {
    const front = await filled();
    const parameters = ['ct=AA', 's=AA', 'n=AA', 'i=nobody'];
    for (const [i, name] of ['ct', 's', 'n', 'i'].entries()) {
      const query = parameters.slice(0, i).join('&');
      expect(await refusal(open(front, `/api/v1/links/f?${query}`))).toEqual([
        422,
        `Missing '${name}' parameter`,
      ]);
    }
    expect(await refusal(open(front, `/api/v1/links/f?${parameters.join('&')}`))).toEqual([
      404,
      "Token 'nobody' doesn't exist",
    ]);
  });

  test('another token, or a changed link, does not open', async () => {
    const front = await filled();
    await front.api('POST', '/tokens/reader', { body: '{"read":["*"]}' });
    const link = await newLink(front);
    const [status, text] = await refusal(open(front, link.replace('i=init-token', 'i=reader')));
    expect(status).toBe(422);
    expect(text).toMatch(/^Failed to decrypt query: /);
    expect((await refusal(open(front, link.replace('?ct=', '?ct=!'))))[1]).toMatch(
      /^Invalid base64 in 'ct' parameter: /,
    );
  });

  test('is over when its time has come', async () => {
    const front = await filled();
    const link = await newLink(front, { expire_at: Math.floor(Date.now() / 1000) - 1 });
    expect(await refusal(open(front, link))).toEqual([422, 'Query link has expired']);
  });

  test('is over when its token was rotated or removed', async () => {
    const front = await filled();
    const body = '{"read":["data"]}';
    const { value } = JSON.parse(
      (await front.api('POST', '/tokens/maker', { body })).body.toString(),
    );
    const headers = { authorization: `Bearer ${value}` };
    const created = await front.api('POST', '/links/f', { body: linkBody(), headers });
    const { pathname, search } = new URL(JSON.parse(created.body.toString()).link);
    const link = pathname + search;
    expect((await open(front, link)).status).toBe(200);
    await front.api('POST', '/tokens/maker/rotate');
    expect((await refusal(open(front, link)))[1]).toMatch(/^Failed to decrypt query: /);
    await front.api('DELETE', '/tokens/maker');
    expect(await refusal(open(front, link))).toEqual([404, "Token 'maker' doesn't exist"]);
    await front.api('POST', '/tokens/maker', { body });
    expect((await refusal(open(front, link)))[1]).toMatch(/^Failed to decrypt query: /);
  });

  test('errors of bucket and query are theirs', async () => {
    const front = await filled();
    const inQuery = (query: LinkBody): Promise<[number, string | undefined]> =>
      newLink(front, { query: { query_type: 'QUERY', ...query } }).then((link) =>
        refusal(open(front, link)),
      );
    const missing = await newLink(front, { bucket: 'nowhere' });
    expect(await refusal(open(front, missing))).toEqual([404, "Bucket 'nowhere' is not found"]);
    expect(await inQuery({ start: 5, stop: 1 })).toEqual([
      422,
      'Start time must be before stop time',
    ]);
    expect(await inQuery({ when: { $nonsense: 1 } })).toEqual([
      422,
      "Operator '$nonsense' not supported",
    ]);
    expect((await inQuery({ ext: { select: {} } }))[1]).toMatch(/^Unknown extension 'select' /);
    expect((await inQuery({ when: { '#ext': { select: {} } } }))[1]).toMatch(/^Unknown extension/);
    expect(await inQuery({ strict: true, when: { '&none': { $eq: 1 } } })).toEqual([
      404,
      "Reference 'none' not found",
    ]);
  });
});

describe('what the query of a link shows', () => {
  const opened = useFront();
  const COUNT = 2500;
  const filled = async (): Promise<FrontHarness> => {
    const front = opened();
    if ((await front.api('POST', '/b/data')).status !== 200) return front;
    for (let start = 0; start < COUNT; start += 50) {
      const headers: Record<string, string> = {};
      for (let i = start; i < start + 50; i++) {
        headers[`x-reduct-time-${i}`] = `1,,n=${i % 2 === 0 ? 'even' : 'odd'},i=${i}`;
      }
      const body = Buffer.alloc(50, 'x');
      await front.api('POST', '/b/data/e/batch', { headers, body });
    }
    await write(front, 'a/1', 7, 'a1');
    await write(front, 'a/2', 7, 'a2');
    return front;
  };
  const statusOf = async (query: LinkBody, ts: number, entry = 'e'): Promise<number> => {
    const front = await filled();
    const record = { record_entry: entry, record_timestamp: ts };
    const link = await newLink(front, { query: { query_type: 'QUERY', ...query }, ...record });
    return (await open(front, link)).status;
  };

  test.each<[string, LinkBody, number, number]>([
    ['everything without a condition', {}, COUNT - 1, 200],
    ['nothing behind the last record', {}, COUNT, 404],
    ['the range alone: first', { start: 10, stop: 20 }, 10, 200],
    ['the range alone: before', { start: 10, stop: 20 }, 9, 404],
    ['the range alone: stop', { start: 10, stop: 20 }, 20, 404],
    ['what a condition keeps, far behind', { when: { '&n': { $eq: 'even' } } }, 2498, 200],
    ['not what it drops', { when: { '&n': { $eq: 'even' } } }, 2497, 404],
    ['records up to a limit', { when: { $limit: 5 } }, 4, 200],
    ['none behind the limit', { when: { $limit: 5 } }, 5, 404],
    ['every n-th record, counted from the start', { when: { $each_n: 4 } }, 2003, 200],
    ['and not the others', { when: { $each_n: 4 } }, 2004, 404],
    ['context before a match', { when: { '#ctx_before': 2, '&i': { $eq: 9 } } }, 7, 200],
    ['no more of it', { when: { '#ctx_before': 2, '&i': { $eq: 9 } } }, 6, 404],
    ['context behind a match', { when: { '#ctx_after': 2, '&i': { $eq: 9 } } }, 11, 200],
    ['deprecated filters', { include: { n: 'odd' }, each_n: 2 }, 5, 200],
    ['not what these drop', { include: { n: 'odd' }, each_n: 2 }, 3, 404],
    ['a continuous query like another', { continuous: true }, 5, 200],
  ])('%s', async (_what, query, ts, status) => {
    expect(await statusOf(query, ts)).toBe(status);
  });

  test('entries are selected as in a multi-entry query', async () => {
    expect(await statusOf({ entries: ['a/*'] }, 7, 'a/2')).toBe(200);
    expect(await statusOf({ entries: ['a/*', '!a/2'] }, 7, 'a/2')).toBe(404);
    expect(await statusOf({ entries: ['a/*'] }, 7, 'e')).toBe(404);
    expect(await statusOf({ entries: [] }, 7, 'e')).toBe(200);
    expect(await statusOf({ entries: [] }, 7, 'a/2')).toBe(404);
    expect(await statusOf({}, 7, 'missing')).toBe(404);
  });

  test('labels that are not selected are not shown', async () => {
    const front = await filled();
    const when = { '#select_labels': ['i'] };
    const query = { query_type: 'QUERY', when };
    const link = await newLink(front, { query, record_timestamp: 8 });
    for (let i = 0; i < 2; i++) {
      const answer = await open(front, link);
      expect(answer.header('x-reduct-label-i')).toBe('8');
      expect(answer.header('x-reduct-label-n')).toBeUndefined();
    }
  });

  test('a timestamp that is the beginning of another one is not that one', async () => {
    expect(await statusOf({ when: { '&i': { $eq: 100 } } }, 10)).toBe(404);
    expect(await statusOf({ when: { '&i': { $eq: 100 } } }, 100)).toBe(200);
  });

  test('large numbers in the query survive', async () => {
    const stop = 18_446_744_073_709_551_615n;
    const front = await filled();
    const body = linkBody({ record_timestamp: 5 }).replace(
      '"query_type":"QUERY"',
      `"query_type":"QUERY","stop":${stop},"when":{"$limit":1,"5":{"$eq":"5"}}`,
    );
    const created = await front.api('POST', '/links/f', { body });
    const { pathname, search } = new URL(JSON.parse(created.body.toString()).link);
    // The order of keys counts: the limit is used up by a record that the second member drops.
    expect((await open(front, `${pathname}${search}&e=e&ts=0`)).status).toBe(200);
    expect((await open(front, pathname + search)).status).toBe(404);
  });
});

describe('ranges', () => {
  const opened = useFront();
  const large = randomBytes(3 * 1024 * 1024 + 17);

  async function links(): Promise<{
    front: FrontHarness;
    small: string;
    big: string;
    none: string;
  }> {
    const front = opened();
    if ((await front.api('POST', '/b/data')).status === 200) {
      await write(front, 'e', 1, '0123456789');
      await write(front, 'e', 2, large);
      await write(front, 'e', 3, '');
    }
    const [small = '', big = '', none = ''] = await Promise.all(
      [1, 2, 3].map((record_timestamp) => newLink(front, { record_timestamp })),
    );
    return { front, small, big, none };
  }

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=5-', '56789', 'bytes 5-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
  ])('%s of a small record', async (range, content, contentRange) => {
    const { front, small } = await links();
    for (const method of ['GET', 'HEAD']) {
      const answer = await open(front, small, { range }, method);
      expect(answer.status).toBe(206);
      expect(answer.statusLine).toContain('206 Partial Content');
      expect(answer.header('content-range')).toBe(contentRange);
      expect(answer.header('content-length')).toBe(String(content.length));
      expect(answer.header('accept-ranges')).toBe('bytes');
      expect(answer.body.toString()).toBe(method === 'GET' ? content : '');
    }
  });

  test.each([
    [0, 0],
    [1_048_575, 1_048_576],
    [1_048_576, 2_097_151],
    [5, 3_145_744],
    [3_145_728, 3_145_744],
    [2_000_000, 2_000_010],
  ])('bytes %i to %i of a record in chunks', async (first, last) => {
    const { front, big } = await links();
    const answer = await open(front, big, { range: `bytes=${first}-${last}` });
    expect(answer.status).toBe(206);
    expect(answer.header('content-range')).toBe(`bytes ${first}-${last}/${large.length}`);
    expect(answer.body.equals(large.subarray(first, last + 1))).toBe(true);
    expect(front.server.figures().requestsInFlight).toBe(0);
  });

  test('what cannot be had is 416 without content', async () => {
    const { front, small, none } = await links();
    const answer = await open(front, small, { range: 'bytes=10-' });
    expect([answer.status, answer.header('content-range')]).toEqual([416, 'bytes */10']);
    expect(answer.body).toHaveLength(0);
    expect((await open(front, none, { range: 'bytes=0-' })).header('content-range')).toBe(
      'bytes */0',
    );
    expect((await open(front, none)).status).toBe(200);
  });

  test.each([
    { range: 'bytes=0-1,4-5' },
    { range: 'bytes=x' },
    { range: 'bytes=3-1' },
    { range: 'bytes=0-1', 'if-range': '"etag"' },
  ])('%j is ignored', async (headers) => {
    const { front, small } = await links();
    const answer = await open(front, small, headers);
    expect([answer.status, answer.body.toString()]).toEqual([200, '0123456789']);
  });
});

describe('a token that lost what it could', () => {
  let isPastDate = false;
  let canRead = true;
  const opened = useFront({
    linkTokens: {
      linkToken: (tokenName) => ({
        tokenName,
        linkSecret: Buffer.alloc(32),
        isPastDate: () => isPastDate,
        canRead: () => canRead,
      }),
    },
  });

  test('opens no link any more: expired first, then forbidden', async () => {
    const front = opened();
    const link = await newLink(front);
    expect(await refusal(open(front, link))).toEqual([404, "Bucket 'data' is not found"]);
    canRead = false;
    expect(await refusal(open(front, link))).toEqual([
      403,
      "Token 'AUTHENTICATION-DISABLED' doesn't have read access to bucket 'data'",
    ]);
    isPastDate = true;
    expect(await refusal(open(front, link))).toEqual([401, 'Token has expired']);
  });
});

describe('the limit of bytes read', () => {
  const opened = useFront({
    config: { rateLimitEgress: { amount: 20, periodMs: 3_600_000 } },
  });

  test('counts the bytes a link sends', async () => {
    const front = opened();
    await front.api('POST', '/b/data');
    await write(front, 'e', 1000, '0123456789abcde');
    const link = await newLink(front);
    expect((await open(front, link, {}, 'HEAD')).status).toBe(200);
    expect((await open(front, link, { range: 'bytes=0-4' })).status).toBe(206);
    expect((await open(front, link)).status).toBe(200);
    expect((await open(front, link, { range: 'bytes=0-0' })).status).toBe(429);
  });
});
