import { describe, expect, test } from 'vitest';
import { openFront, useFront } from '../lib/front-harness.ts';
import { connectRaw, rawRequest, requestHead } from '../lib/raw-http.ts';
import type { RawResponse } from '../lib/raw-http.ts';
import { TEST_SETTINGS } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';

function expectStandard(response: RawResponse): void {
  expect(response.header('server')).toMatch(/^ReductStore 1\.\d+\.\d+$/);
  expect(response.header('x-reduct-api')).toMatch(/^1\.2[01]$/);
  expect(response.header('vary')).toBe(
    'origin, access-control-request-method, access-control-request-headers',
  );
  expect(response.header('date')).toBeDefined();
}

describe('a server with a token', () => {
  const front = useFront({ token: 'secret' });
  const anonymous = (method: string, path: string): Promise<RawResponse> =>
    rawRequest(front().port, { method, path });

  test('alive and ready answer anybody with an empty body', async () => {
    for (const path of ['/api/v1/alive', '/api/v1/ready']) {
      for (const method of ['GET', 'HEAD']) {
        const response = await anonymous(method, path);
        expect(response.status).toBe(200);
        expect(response.header('content-length')).toBe('0');
        expectStandard(response);
        expect(response.header('access-control-expose-headers')).toBe('*');
      }
    }
  });

  test('a connection goes on after HEAD, whose answer has one length', async () => {
    const connection = await connectRaw(front().port);
    const headers = { authorization: 'Bearer secret' };
    for (const path of ['/alive', '/info', '/b/absent', '/nothing']) {
      for (const method of ['HEAD', 'GET']) {
        await connection.send(requestHead({ method, path: `/api/v1${path}`, headers }));
        const response = await connection.response(method === 'HEAD');
        const lengths = response.headerLines.filter(([name]) => name === 'content-length');
        expect(lengths, `${method} ${path}`).toHaveLength(1);
      }
    }
    connection.destroy();
  });

  test.each([
    '/info',
    '/list',
    '/me',
    '/b/x',
    '/b/x/e',
    '/b/x/e/batch',
    '/b/x/e/q',
    '/replications',
  ])('GET %s needs a token', async (path) => {
    const none = await anonymous('GET', `/api/v1${path}`);
    expect(none.status).toBe(401);
    expect(none.header('x-reduct-error')).toBe('No bearer token in request header');
    expect(none.header('content-type')).toBe('application/json');
    expect(none.body.toString()).toBe('{"detail": "No bearer token in request header"}');
    expectStandard(none);
    const wrong = await rawRequest(front().port, {
      method: 'GET',
      path: `/api/v1${path}`,
      headers: { authorization: 'Bearer nope' },
    });
    expect(wrong.status).toBe(401);
    expect(wrong.header('x-reduct-error')).toBe('Invalid token');
  });

  test('info, list and me of an empty server', async () => {
    const info = await front().api('GET', '/info');
    expect(info.header('content-type')).toBe('application/json');
    expect(info.body.toString()).toMatch(
      /^\{"version":"1\.2\d\.\d+","instance_name":"test-instance","instance_role":"STANDALONE","bucket_count":0,"usage":0,"uptime":\d+,"oldest_record":18446744073709551615,"latest_record":0,"defaults":\{"bucket":\{"quota_type":"NONE","quota_size":0,"max_block_size":64000000,"max_block_records":1024\}\},"license":null\}$/,
    );
    const list = await front().api('GET', '/list');
    expect(list.body.toString()).toBe('{"buckets":[]}');
    const me: unknown = JSON.parse((await front().api('GET', '/me')).body.toString());
    expect(me).toMatchObject({ name: 'init-token', is_provisioned: true });
  });

  test('unknown paths are 404 to readers and 405 to others', async () => {
    const get = await front().api('GET', '/nothing');
    expect(get.status).toBe(404);
    expect(get.header('x-reduct-error')).toBe('Not found');
    expect(get.body.toString()).toBe('{"detail": "Not found"}');
    expectStandard(get);
    const head = await front().api('HEAD', '/nothing');
    expect(head.status).toBe(404);
    expect(head.header('content-length')).toBe(String(get.body.length));
    const post = await front().api('POST', '/nothing', { body: 'x' });
    expect(post.status).toBe(405);
    expect(post.header('allow')).toBe('GET,HEAD');
    expect(post.body).toHaveLength(0);
    expect(post.header('x-reduct-error')).toBeUndefined();
    expectStandard(post);
  });

  test('a wrong method on a known path is 405 with the right ones', async () => {
    const expectAllow = async (method: string, path: string, allow: string): Promise<void> => {
      const response = await front().api(method, path);
      expect([response.status, response.header('allow')]).toEqual([405, allow]);
      expect(response.header('x-reduct-error')).toBeUndefined();
      expectStandard(response);
    };
    await expectAllow('POST', '/info', 'GET,HEAD');
    await expectAllow('GET', '/b/x/rename', 'PUT');
    await expectAllow('GET', '/io/x/write', 'POST');
    await expectAllow('PATCH', '/b/x', 'GET,HEAD,POST,PUT,DELETE');
  });

  test.each(['/b/x/e', '/b/x/e/batch', '/b/x/e/q'])('PUT on %s is not found', async (path) => {
    const response = await front().api('PUT', path);
    expect(response.status).toBe(404);
    expect(response.header('x-reduct-error')).toBe('Not found');
  });

  test('a suffix is a part of the name for methods that it means nothing to', async () => {
    await front().api('POST', '/b/suffixes');
    const labels = { 'x-reduct-label-a': '1' };
    const rename = '/b/suffixes/a/rename?ts=1';
    expect((await front().api('POST', rename, { body: 'x' })).status).toBe(200);
    expect((await front().api('GET', rename)).header('x-reduct-entry')).toBe('a/rename');
    expect((await front().api('PATCH', rename, { headers: labels })).status).toBe(200);
    expect((await front().api('DELETE', rename)).status).toBe(200);
    const patched = await front().api('PATCH', '/b/suffixes/a/q?ts=1', { headers: labels });
    expect(patched.header('x-reduct-error')).toBe("Entry 'a/q' not found in bucket 'suffixes'");
    await front().api('DELETE', '/b/suffixes');
  });

  test('OPTIONS on any path needs no token', async () => {
    for (const path of ['/api/v1/info', '/nothing', '/']) {
      const response = await anonymous('OPTIONS', path);
      expect(response.status).toBe(200);
      expect(response.body).toHaveLength(0);
      expect(response.header('access-control-allow-methods')).toBe('*');
      expect(response.header('access-control-allow-headers')).toBe('*');
      expect(response.header('access-control-expose-headers')).toBeUndefined();
      expectStandard(response);
    }
  });

  test('the base leads to the console and bad UTF-8 is a plain 400', async () => {
    for (const path of ['/', '/ui']) {
      const redirect = await anonymous('GET', path);
      expect([redirect.status, redirect.header('location')]).toEqual([302, '/ui/']);
    }
    const bad = await anonymous('GET', '/api/v1/b/%ff');
    expect(bad.status).toBe(400);
    expect(bad.body.toString()).toBe('Invalid UTF-8 in bucket_name');
    expect(bad.header('x-reduct-error')).toBeUndefined();
  });

  test('metrics are open unless they are told to need the token', async () => {
    const response = await anonymous('GET', '/metrics');
    expect(response.header('content-type')).toBe('text/plain; version=0.0.4');
    expect(response.body.toString()).toBe('m 1\n');
  });

  test('buckets are created, shown, listed and removed', async () => {
    const { api } = front();
    const created = await api('POST', '/b/data', {
      body: '{"quota_type":"FIFO","quota_size":100}',
    });
    expect([created.status, created.header('content-length')]).toEqual([200, '0']);
    expect(created.header('content-type')).toBeUndefined();
    const again = await api('POST', '/b/data');
    expect([again.status, again.header('x-reduct-error')]).toEqual([
      409,
      "Bucket 'data' already exists",
    ]);
    const shown = await api('GET', '/b/data');
    expect(shown.body.toString()).toBe(
      '{"info":{"name":"data","entry_count":0,"size":0,"oldest_record":0,"latest_record":0,"is_provisioned":false,"status":"READY"},' +
        '"settings":{"quota_type":"FIFO","quota_size":100,"max_block_size":64000000,"max_block_records":1024},"entries":[]}',
    );
    const head = await api('HEAD', '/b/data');
    expect([head.status, head.header('content-length')]).toEqual([200, String(shown.body.length)]);
    await api('POST', '/b/a-first', { body: '' });
    const list: unknown = JSON.parse((await api('GET', '/list')).body.toString());
    expect(list).toMatchObject({ buckets: [{ name: 'a-first' }, { name: 'data' }] });
    expect((await api('DELETE', '/b/data')).status).toBe(200);
    expect((await api('DELETE', '/b/a-first')).status).toBe(200);
  });

  test('a bad document is 422 even without a token, a bad name only with one', async () => {
    const bad = await rawRequest(front().port, { method: 'POST', path: '/api/v1/b/x', body: '{' });
    expect(bad.status).toBe(422);
    expect(bad.header('x-reduct-error')).toMatch(/^Invalid JSON: /);
    const noToken = await anonymous('POST', '/api/v1/b/x');
    expect(noToken.status).toBe(401);
    const badName = await front().api('POST', '/b/$x');
    expect(badName.status).toBe(422);
    expect(badName.header('x-reduct-error')).toBe(
      'Bucket or entry name can contain only letters, digests and [-,_] symbols',
    );
    const tooLong = await front().api('POST', '/b/x', { body: ' '.repeat(2 * 1024 * 1024 + 1) });
    expect(tooLong.status).toBe(413);
    const missing = await front().api('GET', '/b/none');
    expect([missing.status, missing.header('x-reduct-error')]).toEqual([
      404,
      "Bucket 'none' is not found",
    ]);
  });

  test('replication requests reach the service with their bodies, after the token', async () => {
    const { api, port, replicationCalls } = front();
    expect((await api('GET', '/replications/?ext=1')).body.toString()).toContain('"x":true');
    expect((await api('GET', '/replications/r%201/')).body.toString()).toContain('"r 1"');
    expect((await api('POST', '/replications/r', { body: '{"a":1}' })).status).toBe(200);
    expect((await api('PUT', '/replications/r/', { body: '{"a":2}' })).status).toBe(200);
    expect((await api('PATCH', '/replications/r/mode', { body: '{}' })).status).toBe(200);
    expect((await api('DELETE', '/replications/r')).status).toBe(200);
    expect(replicationCalls).toEqual([
      'create r {"a":1}',
      'update r {"a":2}',
      'mode r {}',
      'remove r',
    ]);
    const none = await rawRequest(port, {
      method: 'POST',
      path: '/api/v1/replications/r',
      body: '{',
    });
    expect(none.status).toBe(401);
    const binary = await api('POST', '/replications/r', { body: Buffer.from([0xff]) });
    expect([binary.status, binary.header('x-reduct-error')]).toEqual([422, 'Invalid body']);
    const head = await api('GET', '/replications');
    expect(head.status).toBe(200);
  });

  test('requests are counted by group', () => {
    const { requests, requestsInFlight, uploads } = front().server.figures();
    const bucket = requests.find(({ group }) => group === 'bucket');
    expect(bucket?.requests['2xx']).toBeGreaterThan(3);
    expect(bucket?.requests['4xx']).toBeGreaterThan(1);
    expect(requestsInFlight).toBe(0);
    expect(uploads.heldBytes).toBe(0);
  });
});

describe('cross-origin requests', () => {
  const listed = useFront({ config: { corsAllowOrigins: ['https://a.com', 'https://b.com'] } });
  const all = useFront({ config: { corsAllowOrigins: ['*'] } });

  test('a listed origin is echoed on answers, errors and preflights, another one is not', async () => {
    for (const [method, path] of [
      ['GET', '/info'],
      ['GET', '/nothing'],
      ['OPTIONS', '/info'],
    ] as const) {
      const known = await listed().api(method, path, { headers: { origin: 'https://b.com' } });
      expect(known.header('access-control-allow-origin')).toBe('https://b.com');
      const unknown = await listed().api(method, path, { headers: { origin: 'https://c.com' } });
      expect(unknown.header('access-control-allow-origin')).toBeUndefined();
      expect(unknown.status).toBe(known.status);
    }
  });

  test('an asterisk stands on every answer', async () => {
    for (const method of ['GET', 'OPTIONS']) {
      const response = await all().api(method, '/info');
      expect(response.header('access-control-allow-origin')).toBe('*');
    }
  });
});

describe('life of the listener', () => {
  test('until storage is ready everything but alive answers 503', async () => {
    await withTempDir(async (path) => {
      let isReady = false;
      const front = await openFront(path, { deps: () => ({ isReady: () => isReady }) });
      try {
        expect((await front.api('GET', '/alive')).status).toBe(200);
        for (const target of ['/ready', '/info', '/nothing']) {
          const response = await front.api('GET', target);
          expect(response.status).toBe(503);
          expect(response.header('x-reduct-error')).toBe(
            'The server is starting up, please try again later',
          );
          expect(response.header('retry-after')).toBe('1');
          expectStandard(response);
        }
        const write = await front.api('POST', '/b/x/e?ts=1', { body: 'x' });
        expect(write.status).toBe(503);
        isReady = true;
        expect((await front.api('GET', '/ready')).status).toBe(200);
      } finally {
        await front.close();
      }
    });
  });

  test('closing finishes what is in flight, refuses what comes meanwhile, and is bounded', async () => {
    await withTempDir(async (path) => {
      const front = await openFront(path);
      await front.inner.store.catalog.createBucket('b', TEST_SETTINGS);
      const [slow, idle, late] = await Promise.all([1, 2, 3].map(() => connectRaw(front.port)));
      if (slow === undefined || idle === undefined || late === undefined) throw new Error();
      const write = { method: 'POST', path: '/api/v1/b/b/e?ts=1', body: 'abcd' };
      await slow.send(`${requestHead(write)}ab`);
      await late.send(requestHead({ method: 'GET', path: '/api/v1/alive' }));
      expect((await late.response()).status).toBe(200);
      const closing = front.server.close(5_000);
      await late.send(requestHead({ method: 'GET', path: '/api/v1/alive' }));
      const refused = await late.response();
      expect(refused.status).toBe(503);
      await late.closed;
      await slow.send('cd');
      expect((await slow.response()).status).toBe(200);
      await closing;
      await idle.closed;
      await front.close();
    });
  });

  test('a request that never ends does not hold the stop beyond its limit', async () => {
    await withTempDir(async (path) => {
      const front = await openFront(path);
      await front.inner.store.catalog.createBucket('b', TEST_SETTINGS);
      const connection = await connectRaw(front.port);
      const write = { method: 'POST', path: '/api/v1/b/b/e?ts=1', body: 'abcd' };
      await connection.send(`${requestHead(write)}ab`);
      await expect.poll(() => front.server.figures().requestsInFlight).toBe(1);
      await front.server.close(50);
      await connection.closed;
      expect(front.server.figures().requestsInFlight).toBe(0);
      await front.inner.close();
    });
  });

  test('an address in use is told', async () => {
    await withTempDir(async (path) => {
      const front = await openFront(path);
      await expect(front.server.listen('203.0.113.1', 1)).rejects.toThrow(
        'Cannot listen on 203.0.113.1:1',
      );
      await front.close();
    });
  });
});
