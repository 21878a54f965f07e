/** What the front tells of requests and reads, over real sockets. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { useFront } from '../lib/front-harness.ts';
import { rawRequest } from '../lib/raw-http.ts';
import { TEST_SETTINGS } from '../lib/store-harness.ts';

/** `<token> <method> <path> <address> <status> <message>`. */
const requests: string[] = [];
/** `<entries> <records> <bytes>`. */
const reads: string[] = [];

const observers = {
  audit: {
    observe: (
      request: { tokenName: string; method: string; path: string; clientIp: string },
      status: number,
      message: string,
      durationMs: number,
    ): void => {
      expect(durationMs).toBeGreaterThanOrEqual(0);
      const { tokenName, method, path, clientIp } = request;
      requests.push([tokenName, method, path, clientIp, status, message].join(' '));
    },
  },
  reads: {
    observe: (_bucket: number, names: readonly string[], records: number, bytes: number): void => {
      reads.push(`${names.join('+')} ${records} ${bytes}`);
    },
  },
};

describe('a front with observers', () => {
  const front = useFront({ token: 't', deps: () => observers, config: { metricsAuth: true } });

  beforeAll(async () => {
    const { store } = front().inner;
    await store.catalog.createBucket('data', TEST_SETTINGS);
    for (const name of ['a', 'a/b']) {
      const entry = store.catalog.entryForWrite('data', name);
      for (let ts = 1n; ts <= 3n; ts++) await store.write(entry, ts, Buffer.alloc(10));
    }
  });

  beforeEach(() => {
    requests.length = 0;
    reads.length = 0;
  });

  const auth = { authorization: 'Bearer t' };

  test.each<[string, string, string, string]>([
    ['GET', '/api/v1/info', '', 'init-token get /api/v1/info 127.0.0.1 200 '],
    ['HEAD', '/api/v1/b/data', '', 'init-token head /api/v1/b/data 127.0.0.1 200 '],
    ['GET', '/api/v1/b/data/a?ts=2', '', 'init-token get /api/v1/b/data/a 127.0.0.1 200 '],
    [
      'GET',
      '/api/v1/b/%64ata/a%2Fb?ts=2',
      '',
      'init-token get /api/v1/b/%64ata/a%2Fb 127.0.0.1 200 ',
    ],
    ['POST', '/api/v1/b/data/a?ts=9', 'x', 'init-token post /api/v1/b/data/a 127.0.0.1 200 '],
    [
      'POST',
      '/api/v1/b/data/a',
      'x',
      "init-token post /api/v1/b/data/a 127.0.0.1 422 'ts' parameter is required",
    ],
    ['GET', '/nothing', '', 'init-token get /nothing 127.0.0.1 404 Not found'],
    ['PATCH', '/api/v1/info', '', 'init-token patch /api/v1/info 127.0.0.1 405 '],
    [
      'GET',
      '/api/v1/b/%ff',
      '',
      'init-token get /api/v1/b/%ff 127.0.0.1 400 Invalid UTF-8 in bucket_name',
    ],
    ['GET', '/metrics', '', 'init-token get /metrics 127.0.0.1 200 '],
  ])('tells of %s %s', async (method, path, body, line) => {
    const request =
      body === '' ? { method, path, headers: auth } : { method, path, headers: auth, body };
    await rawRequest(front().port, request);
    expect(requests).toEqual([line]);
  });

  test.each(['/api/v1/alive', '/api/v1/ready'])('says nothing of %s', async (path) => {
    await rawRequest(front().port, { method: 'GET', path, headers: auth });
    await rawRequest(front().port, { method: 'DELETE', path, headers: auth });
    expect(requests).toEqual([]);
  });

  test('says nothing of who needs no token, and everything of who should have one', async () => {
    const { port } = front();
    await rawRequest(port, { method: 'OPTIONS', path: '/api/v1/info' });
    await rawRequest(port, { method: 'GET', path: '/nothing' });
    await rawRequest(port, { method: 'GET', path: '/' });
    expect(requests).toEqual([]);
    const wrong = { authorization: 'Bearer x' };
    await rawRequest(port, { method: 'GET', path: '/api/v1/list', headers: wrong });
    await rawRequest(port, { method: 'POST', path: '/api/v1/b/data/a?ts=1', body: 'x' });
    expect(requests).toEqual([
      'unauthorized get /api/v1/list 127.0.0.1 401 Invalid token',
      'unauthorized post /api/v1/b/data/a 127.0.0.1 401 No bearer token in request header',
    ]);
  });

  test('tells of a document that was wrong before the token was looked at', async () => {
    await front().api('POST', '/b/new', { body: '{' });
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatch(
      /^init-token post \/api\/v1\/b\/new 127\.0\.0\.1 422 Invalid JSON: /,
    );
  });

  test('tells of a token that removes itself by its name', async () => {
    const { api, port } = front();
    const body = '{"permissions":{"full_access":true}}';
    const created = await api('POST', '/tokens/short', { body });
    const { value } = JSON.parse(created.body.toString()) as { value: string };
    requests.length = 0;
    const headers = { authorization: `Bearer ${value}` };
    await rawRequest(port, { method: 'DELETE', path: '/api/v1/tokens/short', headers });
    expect(requests).toEqual(['short delete /api/v1/tokens/short 127.0.0.1 200 ']);
  });

  test('counts what single reads hand out', async () => {
    const { api } = front();
    await api('GET', '/b/data/a?ts=1');
    await api('HEAD', '/b/data/a/b');
    await api('GET', '/b/data/a?ts=77');
    expect(reads).toEqual(['a 1 10', 'a/b 1 0']);
  });

  test('counts what batches of both protocols hand out', async () => {
    const { api } = front();
    const created = await api('GET', '/b/data/a/q?stop=4');
    const { id } = JSON.parse(created.body.toString()) as { id: number };
    await api('GET', `/b/data/a/batch?q=${id}`);
    await api('GET', `/b/data/a/batch?q=${id}`);
    expect(reads).toEqual(['a 3 30']);
    const body = '{"query_type":"QUERY","entries":["a","a/b"],"stop":4}';
    const multi = await api('POST', '/io/data/q', { body });
    const headers = {
      'x-reduct-query-id': (JSON.parse(multi.body.toString()) as { id: number }).id,
      'user-agent': 'reduct-rs',
    };
    await api('GET', '/io/data/read', { headers });
    expect(reads.slice(1)).toEqual(['a+a/b 6 60']);
  });
});

describe('a front that limits requests', () => {
  const config = { rateLimitApi: { amount: 1, periodMs: 3_600_000 } };
  const front = useFront({ token: 't', deps: () => observers, config });

  test('tells whose requests it refuses', async () => {
    requests.length = 0;
    await front().api('GET', '/info');
    await front().api('GET', '/info');
    expect(requests).toHaveLength(2);
    expect(requests[1]).toMatch(
      /^init-token get \/api\/v1\/info 127\.0\.0\.1 429 rate limit for api/,
    );
  });
});
