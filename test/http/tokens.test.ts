/** `/tokens` and `/me` over real sockets against a whole instance (http-api §2.4, §3). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance, TEST_TOKEN } from '../lib/instance.ts';
import { connectRaw, rawRequest, requestHead } from '../lib/raw-http.ts';
import type { RawResponse } from '../lib/raw-http.ts';

const FULL = `Bearer ${TEST_TOKEN}`;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z$/;

let path = '';
let instance: RunningInstance;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  instance = await startInstance(path, {
    RS_TOKEN_1_NAME: 'provisioned',
    RS_TOKEN_1_VALUE: 'provisioned-value',
    RS_TOKEN_1_READ: 'a',
    // Otherwise tokens that are used get a `last_access` when some seconds have passed.
    RS_SYSTEM_EVENTS_ENABLED: 'false',
  });
});

afterAll(async () => {
  await instance.stop();
  await rm(path, { recursive: true, force: true });
});

afterEach(async () => {
  for (const name of await tokenNames()) {
    if (name !== 'init-token' && name !== 'provisioned') await remove(name);
  }
});

interface Call {
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

function call(method: string, apiPath: string, options: Call = {}): Promise<RawResponse> {
  const { authorization = FULL, headers, body } = options;
  return rawRequest(portOf(instance), {
    method,
    path: `/api/v1${apiPath}`,
    headers: { authorization, ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

function portOf({ url }: RunningInstance): number {
  return Number(new URL(url).port);
}

function json(response: RawResponse): unknown {
  return JSON.parse(response.body.toString());
}

function errorOf(response: RawResponse): [status: number, error: string | undefined] {
  return [response.status, response.header('x-reduct-error')];
}

async function issue(response: RawResponse): Promise<{ value: string; created_at: string }> {
  expect(errorOf(response)).toEqual([200, undefined]);
  expect(response.header('content-type')).toBe('application/json');
  const issued: { value: string; created_at: string } = JSON.parse(response.body.toString());
  return issued;
}

async function create(name: string, body = '{}'): Promise<{ value: string; created_at: string }> {
  return issue(await call('POST', `/tokens/${encodeURIComponent(name)}`, { body }));
}

async function remove(name: string): Promise<void> {
  const response = await call('DELETE', `/tokens/${encodeURIComponent(name)}`);
  expect(errorOf(response)).toEqual([200, undefined]);
  expect(response.header('content-length')).toBe('0');
}

async function tokenNames(): Promise<string[]> {
  const { tokens } = json(await call('GET', '/tokens')) as { tokens: { name: string }[] };
  return tokens.map(({ name }) => name);
}

const DEFAULTS = {
  value: '',
  created_at: expect.stringMatching(RFC3339),
  permissions: { full_access: false, read: [], write: [] },
  is_provisioned: false,
  expires_at: null,
  ttl: null,
  last_access: null,
  ip_allowlist: [],
  is_expired: false,
};

describe('creating', () => {
  test('gives a value that works, and the same time in every answer', async () => {
    const { value, created_at } = await create('t', '{"read":["a"]}');
    expect(value).toMatch(/^t-[0-9a-f]{32}$/);
    expect(created_at).toMatch(RFC3339);
    const document = { ...DEFAULTS, name: 't', created_at };
    const permissions = { full_access: false, read: ['a'], write: [] };
    expect(json(await call('GET', '/tokens/t'))).toEqual({ ...document, permissions });
    expect(json(await call('GET', '/me', { authorization: `Bearer ${value}` }))).toEqual({
      ...document,
      permissions,
    });
  });

  test('takes the second shape with everything in it, integers exactly', async () => {
    await create(
      't',
      '{"permissions":{"full_access":true,"read":["*"],"write":["cam-*"],"other":1},' +
        '"expires_at":"2100-01-01T00:00:00.123456789+01:00","ttl":18446744073709551615,' +
        '"ip_allowlist":["10.0.0.0/8","nonsense"]}',
    );
    const response = await call('GET', '/tokens/t');
    expect(response.body.toString()).toContain('"ttl":18446744073709551615,');
    expect(json(response)).toMatchObject({
      permissions: { full_access: true, read: ['*'], write: ['cam-*'] },
      expires_at: '2099-12-31T23:00:00.123456789Z',
      ip_allowlist: ['10.0.0.0/8', 'nonsense'],
    });
  });

  test.each(['{}', '{"permissions":{}}', '{"permissions":{},"expires_at":null,"ttl":null}'])(
    '%s is a token without permissions',
    async (body) => {
      await create('t', body);
      expect(json(await call('GET', '/tokens/t'))).toEqual({ ...DEFAULTS, name: 't' });
    },
  );

  test.each([
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '{"unknown":1}',
    '{"permissions":{},"unknown":1}',
    '{"permissions":{},"read":[]}',
    '{"permissions":null}',
    '{"permissions":[]}',
    '{"full_access":null}',
    '{"full_access":1}',
    '{"read":null}',
    '{"read":"a"}',
    '{"read":[1]}',
    '{"write":null}',
    '{"ip_allowlist":null}',
    '{"ip_allowlist":"10.0.0.1"}',
    '{"ttl":5}',
    '{"expires_at":"2100-01-01T00:00:00Z"}',
    '{"permissions":{},"ttl":-1}',
    '{"permissions":{},"ttl":1.5}',
    '{"permissions":{},"ttl":"5"}',
    '{"permissions":{},"ttl":18446744073709551616}',
    '{"permissions":{},"expires_at":"tomorrow"}',
    '{"permissions":{},"expires_at":5}',
    '{"permissions":{"full_access":null}}',
    '{"permissions":{"read":null}}',
  ])('%s is an invalid body', async (body) => {
    expect(errorOf(await call('POST', '/tokens/t', { body }))).toEqual([422, 'Invalid body']);
    expect(await tokenNames()).toEqual(['init-token', 'provisioned']);
  });

  test('bodies that are no text, or too long, are invalid too', async () => {
    const notText = await call('POST', '/tokens/t', { body: Uint8Array.of(0x22, 0xff, 0x22) });
    expect(errorOf(notText)).toEqual([422, 'Invalid body']);
    const long = await call('POST', '/tokens/t', { body: `{}${' '.repeat(2 * 1024 * 1024)}` });
    expect(errorOf(long)).toEqual([422, 'Invalid body']);
  });

  test.each([
    ['{"read":["a.b"]}', "Permission can contain only bucket names or wildcard '*', got 'a.b'"],
    ['{"write":[""]}', "Permission can contain only bucket names or wildcard '*', got ''"],
    ['{"permissions":{},"ttl":0}', 'Token TTL must be greater than zero'],
    [
      '{"permissions":{},"expires_at":"2020-01-01T00:00:00Z"}',
      'Token expiration date must not be in the past',
    ],
  ])('%s is refused with its text', async (body, text) => {
    expect(errorOf(await call('POST', '/tokens/t', { body }))).toEqual([422, text]);
  });

  test('a name that is taken is refused, also when it was taken by the environment', async () => {
    expect(errorOf(await call('POST', '/tokens/provisioned', { body: '{}' }))).toEqual([
      409,
      "Token 'provisioned' already exists",
    ]);
  });

  test('names may be any text, and their tokens work', async () => {
    for (const name of ['with space', 'a/b', 'ümlaut', '%41', '-']) {
      const { value } = await create(name);
      expect(value).toMatch(/-[0-9a-f]{32}$/);
      expect(json(await call('GET', `/tokens/${encodeURIComponent(name)}`))).toMatchObject({
        name,
      });
      const authorization = Buffer.from(`Bearer ${value}`).toString('latin1');
      expect(json(await call('GET', '/me', { authorization }))).toMatchObject({ name });
    }
  });
});

describe('listing', () => {
  test('gives all documents by name, never a value', async () => {
    const { value } = await create('a');
    const response = await call('GET', '/tokens');
    expect(json(response)).toEqual({
      tokens: [
        { ...DEFAULTS, name: 'a' },
        {
          ...DEFAULTS,
          name: 'init-token',
          permissions: { full_access: true, read: [], write: [] },
          is_provisioned: true,
        },
        {
          ...DEFAULTS,
          name: 'provisioned',
          permissions: { full_access: false, read: ['a'], write: [] },
          is_provisioned: true,
        },
      ],
    });
    const text = response.body.toString();
    for (const secret of [value, TEST_TOKEN, 'provisioned-value']) {
      expect(text).not.toContain(secret);
    }
  });
});

describe('rotating', () => {
  test('replaces the value at once, whatever the body says, and the connection goes on', async () => {
    const first = await create('t', '{"read":["a"]}');
    const connection = await connectRaw(portOf(instance));
    const request = {
      method: 'POST',
      path: '/api/v1/tokens/t/rotate',
      headers: { authorization: FULL },
      body: '{"nonsense',
    };
    await connection.send(requestHead(request) + request.body);
    const second = await issue(await connection.response());
    expect(second.value).not.toBe(first.value);
    const me = { method: 'GET', path: '/api/v1/me' };
    await connection.send(
      requestHead({ ...me, headers: { authorization: `Bearer ${first.value}` } }),
    );
    expect(errorOf(await connection.response())).toEqual([401, 'Invalid token']);
    await connection.send(
      requestHead({ ...me, headers: { authorization: `Bearer ${second.value}` } }),
    );
    expect(json(await connection.response())).toEqual({
      ...DEFAULTS,
      name: 't',
      created_at: second.created_at,
      permissions: { full_access: false, read: ['a'], write: [] },
    });
    connection.destroy();
  });

  test('a provisioned token stays as it is', async () => {
    const rotated = await call('POST', '/tokens/provisioned/rotate');
    expect(errorOf(rotated)).toEqual([409, "Can't rotate provisioned token 'provisioned'"]);
    const removed = await call('DELETE', '/tokens/provisioned');
    expect(errorOf(removed)).toEqual([409, "Can't remove provisioned token 'provisioned'"]);
  });
});

describe('addresses', () => {
  const from = (headers: Readonly<Record<string, string>>, value: string): Promise<RawResponse> =>
    call('GET', '/me', { authorization: `Bearer ${value}`, headers });

  test('a token bound to addresses works from these only, as a proxy tells them', async () => {
    const { value } = await create('t', '{"ip_allowlist":["203.0.113.0/24","2001:db8::1"]}');
    const allowed = [
      { 'x-forwarded-for': '203.0.113.9, 198.51.100.1' },
      { forwarded: 'for="[2001:DB8::1]:4711";proto=https', 'x-forwarded-for': '198.51.100.1' },
    ];
    for (const headers of allowed) expect((await from(headers, value)).status).toBe(200);
    expect(errorOf(await from({ 'x-forwarded-for': '198.51.100.1' }, value))).toEqual([
      401,
      'Token is not allowed for client IP 198.51.100.1',
    ]);
    expect(errorOf(await from({}, value))).toEqual([
      401,
      'Token is not allowed for client IP 127.0.0.1',
    ]);
  });

  test('the address is known where the document is read before the token is looked at', async () => {
    const body = '{"permissions":{"full_access":true},"ip_allowlist":["203.0.113.9"]}';
    const { value } = await create('t', body);
    const options = { authorization: `Bearer ${value}`, body: '{}' };
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    const created = await call('POST', '/tokens/u', { ...options, headers });
    expect(created.status).toBe(200);
    const refused = await call('POST', '/tokens/v', options);
    expect(errorOf(refused)).toEqual([401, 'Token is not allowed for client IP 127.0.0.1']);
  });
});

describe('buckets', () => {
  test('lists show what may be read, and a removed bucket leaves the permissions', async () => {
    for (const name of ['cam-1', 'cam-2', 'other']) await call('POST', `/b/${name}`);
    const { value } = await create('t', '{"read":["cam-*","other"],"write":["other"]}');
    const none = await create('none');
    const listed = async (token: string): Promise<string[]> => {
      const response = await call('GET', '/list', { authorization: `Bearer ${token}` });
      const { buckets } = json(response) as { buckets: { name: string }[] };
      return buckets.map(({ name }) => name);
    };
    expect(await listed(value)).toEqual(['cam-1', 'cam-2', 'other']);
    expect(await listed(none.value)).toEqual([]);
    expect((await call('DELETE', '/b/other')).status).toBe(200);
    expect((await call('DELETE', '/b/cam-1')).status).toBe(200);
    expect(json(await call('GET', '/tokens/t'))).toMatchObject({
      permissions: { full_access: false, read: ['cam-*'], write: [] },
    });
  });
});
