/** Every endpoint with every kind of caller, over real sockets against a whole instance (http-api §3.2, §5). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENDPOINTS } from '../../src/http/endpoints.ts';
import { ENDPOINT_ROWS, TEST_BUCKET } from '../lib/endpoint-rows.ts';
import type { EndpointRow, ExpectedAnswer, Need } from '../lib/endpoint-rows.ts';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance, TEST_TOKEN } from '../lib/instance.ts';
import { rawRequest } from '../lib/raw-http.ts';
import type { RawResponse } from '../lib/raw-http.ts';

const ENVIRONMENT = {
  RS_TOKEN_1_NAME: 'expired',
  RS_TOKEN_1_VALUE: 'expired-value',
  RS_TOKEN_1_FULL_ACCESS: 'true',
  RS_TOKEN_1_EXPIRES_AT: '2020-01-01T00:00:00Z',
  RS_TOKEN_2_NAME: 'reader',
  RS_TOKEN_2_VALUE: 'reader-value',
  RS_TOKEN_2_READ: TEST_BUCKET,
  RS_TOKEN_3_NAME: 'writer',
  RS_TOKEN_3_VALUE: 'writer-value',
  RS_TOKEN_3_WRITE: TEST_BUCKET,
};

interface Caller {
  readonly name: string;
  /** @param elsewhere value of a token bound to an address that is not ours. */
  readonly authorization: (elsewhere: string) => string | undefined;
  /** What it is refused with, whatever the endpoint wants. */
  readonly refusal?: string;
  readonly has: readonly Need[];
}

const CALLERS: readonly Caller[] = [
  {
    name: 'no token',
    authorization: () => undefined,
    refusal: 'No bearer token in request header',
    has: ['-'],
  },
  {
    name: 'an invalid token',
    authorization: () => 'Bearer wrong',
    refusal: 'Invalid token',
    has: ['-'],
  },
  {
    name: 'an expired token',
    authorization: () => 'Bearer expired-value',
    refusal: 'Token has expired',
    has: ['-'],
  },
  {
    name: 'a token of another address',
    authorization: (elsewhere) => `Bearer ${elsewhere}`,
    refusal: 'Token is not allowed for client IP 127.0.0.1',
    has: ['-'],
  },
  { name: 'reader', authorization: () => 'Bearer reader-value', has: ['-', 'A', 'R'] },
  { name: 'writer', authorization: () => 'Bearer writer-value', has: ['-', 'A', 'W'] },
  {
    name: 'full access',
    authorization: () => `Bearer ${TEST_TOKEN}`,
    has: ['-', 'A', 'R', 'W', 'F'],
  },
];

const LACKS: Readonly<Record<Need, string>> = {
  '-': '',
  A: '',
  F: 'full access',
  R: `read access to bucket '${TEST_BUCKET}'`,
  W: `write access to bucket '${TEST_BUCKET}'`,
};

function expectedAnswer(row: EndpointRow, caller: Caller): ExpectedAnswer {
  if (caller.has.includes(row.need)) return row.granted;
  if (caller.refusal !== undefined) return { status: 401, error: caller.refusal };
  return { status: 403, error: `Token '${caller.name}' doesn't have ${LACKS[row.need]}` };
}

let turn = 1_000_000;

function send(
  instance: RunningInstance,
  row: EndpointRow,
  authorization: string | undefined,
): Promise<RawResponse> {
  const { method, headers, body } = row;
  const path = row.path(turn++);
  return rawRequest(Number(new URL(instance.url).port), {
    method,
    path: row.isAbsolute === true ? path : `/api/v1${path}`,
    headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    ...(body === undefined ? {} : { body }),
  });
}

function expectAnswer(response: RawResponse, expected: ExpectedAnswer): void {
  const error = response.header('x-reduct-error');
  expect({ status: response.status, error }).toEqual({ error: undefined, ...expected });
  expect(response.header('x-reduct-api')).toBe('1.21');
  expect(response.header('www-authenticate')).toBeUndefined();
}

/** One instance with the bucket for all tests of the block. */
function useInstance(
  env: Readonly<Record<string, string>>,
): () => { instance: RunningInstance; elsewhere: string } {
  let path = '';
  let instance: RunningInstance | undefined;
  let elsewhere = '';
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    instance = await startInstance(path, env);
    const { api } = instance;
    await api.ok('POST', `/b/${TEST_BUCKET}`);
    await api.ok('POST', `/b/${TEST_BUCKET}/entry?ts=1`, {}, 'x');
    const document = '{"permissions":{"full_access":true},"ip_allowlist":["10.1.2.3"]}';
    const created = await api.call('POST', '/tokens/elsewhere', {}, document);
    if (created.status === 200) ({ value: elsewhere } = JSON.parse(created.text));
  });
  afterAll(async () => {
    await instance?.stop();
    await rm(path, { recursive: true, force: true });
  });
  return () => {
    if (instance === undefined) throw new Error('the instance is not running');
    return { instance, elsewhere };
  };
}

test('every method of every target that is served has a row', () => {
  const served = Object.entries(ENDPOINTS).flatMap(([target, { handlers }]) =>
    [...handlers.keys()].map((method) => `${method.toUpperCase()} ${target}`),
  );
  const rows = ENDPOINT_ROWS.map(({ method, target }) => `${method} ${target}`);
  expect([...new Set(rows)].toSorted()).toEqual(served.toSorted());
});

describe('with tokens', () => {
  const running = useInstance(ENVIRONMENT);

  for (const row of ENDPOINT_ROWS) {
    test(`${row.method} ${row.path(0)} needs ${row.need}`, async () => {
      const { instance, elsewhere } = running();
      for (const caller of CALLERS) {
        const response = await send(instance, row, caller.authorization(elsewhere));
        try {
          expectAnswer(response, expectedAnswer(row, caller));
        } catch (cause) {
          throw new Error(`with ${caller.name}`, { cause });
        }
      }
    });
  }

  test.each(['/b/missing', '/b/missing/entry?ts=1', '/b/missing/entry/q'])(
    'a bucket that does not exist is refused before it is looked for: GET %s',
    async (path) => {
      const { instance } = running();
      const row: EndpointRow = {
        target: 'bucket',
        method: 'GET',
        path: () => path,
        need: 'R',
        granted: { status: 404, error: "Bucket 'missing' is not found" },
      };
      expectAnswer(await send(instance, row, `Bearer ${TEST_TOKEN}`), row.granted);
      expectAnswer(await send(instance, row, 'Bearer reader-value'), {
        status: 403,
        error: "Token 'reader' doesn't have read access to bucket 'missing'",
      });
    },
  );

  test.each([
    ['POST', '/b/bucket', 'Invalid JSON: '],
    ['POST', '/b/bucket/entry/q', 'Invalid JSON: '],
    ['POST', '/io/bucket/q', 'Invalid JSON: '],
    ['POST', '/tokens/reader', 'Invalid body'],
  ])('%s %s reads its document before it asks for a token', async (method, path, text) => {
    const port = Number(new URL(running().instance.url).port);
    const request = { method, path: `/api/v1${path}`, body: '{' };
    const response = await rawRequest(port, request);
    expect(response.status).toBe(422);
    expect(response.header('x-reduct-error')?.startsWith(text)).toBe(true);
  });

  test.each(['OPTIONS', 'GET'])(
    '%s on a path that does not exist needs no token',
    async (method) => {
      const port = Number(new URL(running().instance.url).port);
      const response = await rawRequest(port, { method, path: '/api/v1/nothing' });
      expect(response.status).toBe(method === 'GET' ? 404 : 200);
    },
  );
});

describe('without authentication', () => {
  const running = useInstance({ RS_DISABLE_AUTH: 'true' });

  for (const row of ENDPOINT_ROWS) {
    test(`${row.method} ${row.path(0)} is open`, async () => {
      const { instance } = running();
      for (const authorization of [undefined, 'Bearer wrong', 'nonsense']) {
        expectAnswer(await send(instance, row, authorization), row.open ?? row.granted);
      }
    });
  }
});
