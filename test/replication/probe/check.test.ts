import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/replication/probe/types.ts';
import { freePort } from '../../lib/server-process.ts';
import { type RunningInstance, startInstance, TEST_TOKEN } from '../../lib/instance.ts';
import { newTempDir } from '../../lib/temp-dir.ts';

interface Check {
  readonly status: string;
  readonly summary: string;
  readonly checks: readonly Finding[];
}

let source: RunningInstance;
let target: RunningInstance;
let server: Server | undefined;
const folders: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const started = [];
  for (let i = 0; i < 2; i++) {
    const { path, remove } = await newTempDir();
    folders.push(remove);
    started.push(await startInstance(path));
  }
  [source, target] = started as [RunningInstance, RunningInstance];
  await source.api.ok('POST', '/b/src');
  await target.api.ok('POST', '/b/there');
});

afterAll(async () => {
  await source.stop();
  await target.stop();
  for (const remove of folders) await remove();
});

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

function settings(changes: object = {}): object {
  const { url } = target;
  return {
    src_bucket: 'src',
    dst_bucket: 'there',
    dst_host: url,
    dst_token: TEST_TOKEN,
    ...changes,
  };
}

async function check(body: object | string, name = 'new'): Promise<Check> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return JSON.parse((await source.api.ok('POST', `/replications/${name}/check`, {}, text)).text);
}

function find({ checks }: Check, name: string): Finding {
  const found = checks.find((finding) => finding.name === name);
  if (found === undefined) throw new Error(`no finding ${name}`);
  return found;
}

async function serve(headers: Record<string, string>, status = 200, body = '{}'): Promise<string> {
  server = createServer((_req, res) => res.writeHead(status, headers).end(body));
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a check of a target', () => {
  test('finds nothing wrong with one that a task can send to', async () => {
    const result = await check(settings());
    expect(result).toMatchObject({ status: 'ok', summary: 'a task with these settings can send' });
    const names = result.checks.map(({ name }) => name);
    expect(names).toEqual([
      'dns',
      'connection',
      'certificate',
      'version',
      'token',
      'bucket',
      'loop',
      'compression',
      'clock',
      'round_trip',
    ]);
    expect(find(result, 'version').details).toMatchObject({ api: '1.21', status: 200 });
    expect(find(result, 'token').details).toMatchObject({ can_read: true, can_write: true });
    expect(find(result, 'bucket').details).toEqual({ exists: true, would_be_created: false });
    expect(find(result, 'loop').details).toMatchObject({
      is_same_instance: false,
      is_same_bucket: false,
    });
    expect(find(result, 'clock').status).toBe('ok');
    expect(find(result, 'round_trip').details['round_trip_ms']).toBeGreaterThan(0);
    expect(JSON.stringify(result)).not.toContain(TEST_TOKEN);
  });

  test('changes nothing: no task, no bucket', async () => {
    const result = await check(settings({ dst_bucket: 'missing' }));
    expect(result.status).toBe('warning');
    expect(find(result, 'bucket')).toMatchObject({
      status: 'warning',
      details: { exists: false, would_be_created: true },
    });
    expect((await target.api.call('GET', '/b/missing')).status).toBe(404);
    expect((await source.api.call('GET', '/replications/new')).status).toBe(404);
  });

  test('tells a wrong token from a missing one, and from one that may not do enough', async () => {
    expect(find(await check(settings({ dst_token: 'wrong' })), 'token')).toMatchObject({
      status: 'error',
      message: '401 Invalid token',
    });
    const none = find(await check(settings({ dst_token: '' })), 'token');
    expect(none).toMatchObject({ status: 'error', details: { is_given: false } });
    const permissions = { full_access: false, read: ['there'], write: [] };
    const created = await target.api.ok('POST', '/tokens/reader', {}, JSON.stringify(permissions));
    const { value } = JSON.parse(created.text);
    const reader = await check(settings({ dst_token: value }));
    expect(find(reader, 'token')).toMatchObject({
      status: 'error',
      message: "may not write bucket 'there'",
      details: { can_read: true, can_write: false, name: 'reader' },
    });
    const elsewhere = await check(settings({ dst_token: value, dst_bucket: 'missing' }));
    expect(find(elsewhere, 'token').status).toBe('error');
    expect(find(elsewhere, 'bucket').status).toBe('error');
    expect(JSON.stringify([reader, elsewhere])).not.toContain(value);
  });

  test('says what is wrong on the way, and skips the rest', async () => {
    const port = await freePort();
    const refused = await check(settings({ dst_host: `http://127.0.0.1:${port}` }));
    expect(find(refused, 'connection')).toMatchObject({
      status: 'error',
      message: `ECONNREFUSED 127.0.0.1:${port}`,
    });
    expect(find(refused, 'version').status).toBe('skipped');
    const unknown = await check(settings({ dst_host: 'http://no-such-host.invalid' }));
    expect(find(unknown, 'dns').status).toBe('error');
    const plain = await check(settings({ dst_host: target.url.replace('http:', 'https:') }));
    expect(find(plain, 'certificate').status).toBe('error');
    for (const { status } of [refused, unknown, plain]) expect(status).toBe('error');
  });

  test('knows the source bucket under another name of this machine', async () => {
    await source.api.ok('POST', '/b/other');
    const own = { dst_host: source.url, dst_bucket: 'src' };
    expect(find(await check(settings(own)), 'loop')).toMatchObject({
      status: 'error',
      message: 'Source and destination buckets must be different',
    });
    const prefixed = find(await check(settings({ ...own, dst_prefix: 'copy' })), 'loop');
    expect(prefixed.status).toBe('error');
    const other = find(await check(settings({ ...own, dst_bucket: 'other' })), 'loop');
    expect(other).toMatchObject({ status: 'ok', details: { is_same_instance: true } });
  });

  test('tells old versions, foreign servers and clocks that are wrong', async () => {
    const old = await serve({
      'x-reduct-api': '1.18',
      server: 'ReductStore 1.18.3',
      date: new Date(Date.now() - 3_600_000).toUTCString(),
    });
    const result = await check(settings({ dst_host: old, compression: 'gzip' }));
    expect(find(result, 'version')).toMatchObject({
      status: 'warning',
      details: { api: '1.18', server: 'ReductStore 1.18.3' },
    });
    const clock = find(result, 'clock');
    expect(clock.message).toMatch(/^3[56]\d\d\.\d s behind this machine's$/);
    expect(clock.details['error_bound_ms']).toBeGreaterThanOrEqual(500);
    expect(find(result, 'compression')).toMatchObject({
      status: 'warning',
      details: { wanted: 'gzip', used: 'none', target_decompresses: false },
    });
    expect(find(result, 'loop').status).toBe('warning');
  });

  test('survives answers that are no JSON', async () => {
    const url = await serve({ 'content-type': 'text/html' }, 200, '<html>login</html>');
    const result = await check(settings({ dst_host: url }));
    expect(find(result, 'version').status).toBe('warning');
    expect(find(result, 'token').message).toBe('its permissions are unknown: /me answered 200');
  });

  test('gives a server up that accepts and never answers', async () => {
    server = createServer(() => undefined);
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const result = await check(settings({ dst_host: `http://127.0.0.1:${port}` }));
    expect(find(result, 'version')).toMatchObject({ status: 'error' });
    expect(result.status).toBe('error');
  });
});

describe('a check by the name of a task', () => {
  beforeAll(async () => {
    const body = settings({ mode: 'disabled' });
    await source.api.ok('POST', '/replications/stored', {}, JSON.stringify(body));
  });

  test('uses its settings and its token without a body', async () => {
    const result = await check('', 'stored');
    expect(result.status).toBe('ok');
    expect(find(result, 'token').details['is_given']).toBe(true);
  });

  test('uses its token with settings for the same URL', async () => {
    const { dst_token: _, ...body } = settings({ dst_host: `${target.url}/` }) as {
      dst_token: string;
    };
    expect((await check(body, 'stored')).status).toBe('ok');
  });

  test('does not send its token to another URL', async () => {
    const seen: (string | undefined)[] = [];
    server = createServer((req, res) => {
      seen.push(req.headers.authorization);
      res.writeHead(401, { 'x-reduct-error': 'No bearer token in request header' }).end();
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const body = settings({ dst_host: `http://127.0.0.1:${port}`, dst_token: null });
    const result = await check(body, 'stored');
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set([undefined]));
    expect(find(result, 'token').hint).toContain('belongs to another URL');
  });
});

describe('a check is refused', () => {
  const call = (name: string, body: string) =>
    source.api.call('POST', `/replications/${name}/check`, {}, body);

  test('without settings when there is no such task', async () => {
    const answer = await call('nothing', '');
    expect([answer.status, answer.error]).toEqual([
      404,
      "Replication 'nothing' does not exist: send settings as for creating it, or name one that does",
    ]);
  });

  test('for settings that cannot be read, with the texts of create', async () => {
    expect((await call('x', '{')).status).toBe(422);
    expect((await call('x', '{"src_bucket":"src"}')).error).toMatch(/^Invalid JSON: missing field/);
    const answer = await call('x', JSON.stringify(settings({ dst_host: 'ftp://x' })));
    expect([answer.status, answer.error]).toEqual([422, "Invalid destination host 'ftp://x'"]);
  });

  test('without full access', async () => {
    const permissions = { full_access: false, read: ['*'], write: ['*'] };
    const created = await source.api.ok('POST', '/tokens/some', {}, JSON.stringify(permissions));
    const { value } = JSON.parse(created.text);
    const headers = { authorization: `Bearer ${value}` };
    for (const path of ['check', 'preview']) {
      const answer = await source.api.call('POST', `/replications/x/${path}`, headers, '{}');
      expect([path, answer.status]).toEqual([path, 403]);
    }
  });

  test('with other methods', async () => {
    expect((await source.api.call('GET', '/replications/x/check')).status).toBe(405);
  });
});
