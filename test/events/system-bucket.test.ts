import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Instance } from '../../src/app/instance.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { Api } from '../lib/api.ts';
import type { TestRecord } from '../lib/api.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance, TEST_TOKEN, withInstance } from '../lib/instance.ts';
import { RawConnection, rawRequest } from '../lib/raw-http.ts';
import { withTempDir } from '../lib/temp-dir.ts';

/** Quiet for 5 s, looked at every quarter of a second, and the contract's second of grace. */
const AUDIT_LIMIT_MS = 6_000;
const NAME = { RS_INSTANCE_NAME: 'edge.1' };

type Document = Record<string, unknown>;

async function documents(api: Api, entry: string): Promise<Document[]> {
  const records = await api.readAll('$system', entry);
  return records.map(({ payload }) => JSON.parse(payload.toString()) as Document);
}

interface Listed {
  readonly name: string;
  readonly entry_count: number;
  readonly is_provisioned: boolean;
}

async function systemBucket(api: Api): Promise<Listed | undefined> {
  const { buckets } = JSON.parse((await api.ok('GET', '/list')).text) as { buckets: Listed[] };
  return buckets.find(({ name }) => name === '$system');
}

/** Creates a token and gives a client that uses it. */
async function clientOf(
  { url, api }: RunningInstance,
  name: string,
  permissions: object,
  more: object = {},
): Promise<Api> {
  const body = JSON.stringify({ permissions, ...more });
  const path = `/tokens/${encodeURIComponent(name)}`;
  const { value } = JSON.parse((await api.ok('POST', path, {}, body)).text) as { value: string };
  return new Api(url, value);
}

async function tokenDocument(api: Api, name: string): Promise<Document> {
  const answer = await api.ok('GET', `/tokens/${encodeURIComponent(name)}`);
  return JSON.parse(answer.text) as Document;
}

function port({ url }: RunningInstance): number {
  return Number(new URL(url).port);
}

async function connectFrom(instance: RunningInstance, address: string): Promise<RawConnection> {
  const socket = net.connect({ port: port(instance), host: '127.0.0.1', localAddress: address });
  await once(socket, 'connect');
  return new RawConnection(socket);
}

function record(ts: bigint): TestRecord {
  return { ts, payload: Buffer.from('12345'), labels: {} };
}

describe.concurrent('the bucket $system', () => {
  test('is there within 6 s of the last request, for full access and its exact name only', async () => {
    await withInstance(async (instance) => {
      const { api } = instance;
      const star = await clientOf(instance, 'star', { read: ['*'], write: ['*'] });
      const exact = await clientOf(instance, 'exact', { read: ['$system'] });
      expect(await systemBucket(api)).toBeUndefined();
      await pause(AUDIT_LIMIT_MS);
      expect(await systemBucket(api)).toMatchObject({ is_provisioned: true });
      expect((await systemBucket(api))?.entry_count).toBeGreaterThanOrEqual(1);
      expect(await systemBucket(exact)).toBeDefined();
      expect(await systemBucket(star)).toBeUndefined();
      const text = "Token 'star' doesn't have read access to bucket '$system'";
      expect(await star.call('GET', '/b/$system')).toMatchObject({ status: 403, error: text });
      expect((await exact.call('GET', '/b/$system')).status).toBe(200);
      await star.close();
      await exact.close();
    });
  });

  test('cannot be created, changed, renamed or removed by clients', async () => {
    await withInstance(async ({ api }) => {
      const text = 'Bucket or entry name can contain only letters, digests and [-,_] symbols';
      const created = await api.call('POST', '/b/$system');
      expect(created).toMatchObject({ status: 422, error: text });
      await expect.poll(() => systemBucket(api), { timeout: 10_000 }).toBeDefined();
      const json = { 'content-type': 'application/json' };
      const answers = [
        await api.call('PUT', '/b/$system', {}, '{"quota_size":1}'),
        await api.call('PUT', '/b/$system/rename', json, '{"new_name":"mine"}'),
        await api.call('DELETE', '/b/$system'),
      ];
      expect(answers.map(({ status, error }) => [status, error])).toEqual([
        [409, "Can't change settings of provisioned bucket '$system'"],
        [409, "Can't rename provisioned bucket '$system'"],
        [409, "Can't remove provisioned bucket '$system'"],
      ]);
      const { settings } = JSON.parse((await api.ok('GET', '/b/$system')).text) as Document;
      expect(settings).toMatchObject({ quota_type: 'FIFO', quota_size: 10_000_000_000 });
    });
  });

  test('gets its quota anew at each start, and belongs to clients when events are switched off', async () => {
    await withTempDir(async (path) => {
      const env = { RS_SYSTEM_EVENTS_QUOTA_SIZE: '1MB' };
      const first = await startInstance(path, env);
      await first.api.ok('GET', '/info');
      await first.stop();
      const second = await startInstance(path, { RS_SYSTEM_EVENTS_QUOTA_SIZE: '2MB' });
      const { settings } = JSON.parse((await second.api.ok('GET', '/b/$system')).text) as Document;
      expect(settings).toMatchObject({ quota_size: 2_000_000 });
      await second.stop();
      const third = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'off' });
      expect(await systemBucket(third.api)).toMatchObject({ is_provisioned: false });
      expect((await third.api.call('DELETE', '/b/$system')).status).toBe(200);
      await third.stop();
      const fourth = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'off' });
      expect(await systemBucket(fourth.api)).toBeUndefined();
      await fourth.stop();
    });
  });
});

describe.concurrent('audit', () => {
  test('groups what a token does, tells refusals apart, and survives the stop', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      const { api } = first;
      await api.ok('POST', '/b/data');
      const sensor = await clientOf(first, 'sensor.7', { write: ['data'] });
      for (let ts = 1n; ts <= 20n; ts++) await sensor.write('data', 'e', record(ts));
      await sensor.write('data', 'e', record(7n));
      await sensor.call('GET', '/b/data/e?ts=7');
      await sensor.call('GET', '/nothing');
      await new Api(first.url, 'wrong').call('GET', '/info');
      await new Api(first.url).call('GET', '/list');
      await new Api(first.url).call('GET', '/nothing');
      await new Api(first.url).call('GET', '/ready');
      await sensor.call('GET', '/alive');
      await sensor.close();
      await first.stop();

      const second = await startInstance(path, NAME);
      const ofSensor = await documents(second.api, 'audit/edge_1/sensor_7');
      const common = { instance: 'edge.1', token_name: 'sensor.7', client_ip: '127.0.0.1' };
      const missing = "Token 'sensor.7' doesn't have read access to bucket 'data'";
      expect(ofSensor).toHaveLength(4);
      expect(ofSensor).toMatchObject([
        {
          ...common,
          status: 200,
          message: '',
          method: 'POST',
          path: '/api/v1/b/data/e',
          call_count: 20,
        },
        {
          ...common,
          status: 409,
          message: 'A record with timestamp 7 already exists',
          call_count: 1,
        },
        { ...common, status: 403, message: missing, method: 'GET', path: '/api/v1/b/data/e' },
        { ...common, status: 404, message: 'Not found', path: '/api/v1/nothing' },
      ]);
      expect(Object.keys(ofSensor[0] ?? {})).toEqual([
        'timestamp',
        'instance',
        'status',
        'message',
        'token_name',
        'method',
        'path',
        'client_ip',
        'call_count',
        'duration',
      ]);
      const unauthorized = await documents(second.api, 'audit/edge_1/unauthorized');
      expect(unauthorized).toMatchObject([
        { status: 401, message: 'Invalid token', path: '/api/v1/info' },
        { status: 401, message: 'No bearer token in request header', path: '/api/v1/list' },
      ]);
      const own = await documents(second.api, 'audit/edge_1/init-token');
      expect(own.map(({ method, path: target }) => `${String(method)} ${String(target)}`)).toEqual([
        'POST /api/v1/b/data',
        'POST /api/v1/tokens/sensor.7',
      ]);
      await second.stop();
    });
  });

  test('gives a record the label status, the content type and the time of the first call', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      const beforeUs = BigInt(Date.now()) * 1000n;
      await first.api.ok('GET', '/info');
      const afterUs = BigInt(Date.now() + 1) * 1000n;
      await first.stop();
      const second = await startInstance(path, NAME);
      const [found] = await second.api.readAll('$system', 'audit/edge_1/init-token');
      expect(found?.labels).toEqual({ status: '200' });
      expect(found?.ts).toBeGreaterThanOrEqual(beforeUs);
      expect(found?.ts).toBeLessThanOrEqual(afterUs);
      const read = await second.api.call('GET', '/b/$system/audit/edge_1/init-token');
      expect(read.headers['content-type']).toBe('application/json');
      await second.stop();
    });
  });

  test('names the client behind a proxy close by, connection by connection', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      const authorization = `Bearer ${TEST_TOKEN}`;
      const ask = (forwarded: string): Promise<unknown> =>
        rawRequest(port(first), {
          method: 'GET',
          path: '/api/v1/info',
          headers: { authorization, 'x-forwarded-for': forwarded },
        });
      await ask('192.0.2.1');
      await ask('192.0.2.1');
      await ask('192.0.2.2');
      await first.stop();
      const second = await startInstance(path, NAME);
      const found = await documents(second.api, 'audit/edge_1/init-token');
      expect(found.map((item) => [item['client_ip'], item['call_count']])).toEqual([
        ['192.0.2.1', 2],
        ['192.0.2.2', 1],
      ]);
      await second.stop();
    });
  });

  test('tells connections from several addresses apart while all of them are open', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      const request =
        'GET /api/v1/list HTTP/1.1\r\nhost: x\r\n' + `authorization: Bearer ${TEST_TOKEN}\r\n\r\n`;
      const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.1'];
      const connections = [];
      for (const address of addresses) connections.push(await connectFrom(first, address));
      for (let turn = 0; turn < 2; turn++) {
        for (const connection of connections) {
          await connection.send(request);
          expect((await connection.response()).status).toBe(200);
        }
      }
      for (const connection of connections) connection.destroy();
      await first.stop();
      const second = await startInstance(path, NAME);
      const found = await documents(second.api, 'audit/edge_1/init-token');
      expect(found.map((item) => [item['client_ip'], item['call_count']])).toEqual([
        ['127.0.0.1', 4],
        ['127.0.0.2', 2],
      ]);
      await second.stop();
    });
  });

  test('records requests whose body is wrong before the token is looked at', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      expect((await first.api.call('POST', '/b/data', {}, '{')).status).toBe(422);
      await first.stop();
      const second = await startInstance(path, NAME);
      expect(await documents(second.api, 'audit/edge_1/init-token')).toMatchObject([
        { status: 422, method: 'POST', path: '/api/v1/b/data' },
      ]);
      await second.stop();
    });
  });

  test.each([{ RS_DISABLE_AUTH: 'true' }, { RS_API_TOKEN: 'x', RS_SYSTEM_EVENTS_ENABLED: 'no' }])(
    'is not kept with %j',
    async (env) => {
      await withTempDir(async (path) => {
        const settings = { RS_HOST: '127.0.0.1', RS_PORT: '0', RS_DATA_PATH: path, ...env };
        const { config } = loadConfig({ ...settings, MILLRACE_RING_SIZE: '1MiB' });
        const first = new Instance(config, silentLogger);
        const api = new Api(`http://127.0.0.1:${await first.start()}`, 'x');
        await api.ok('GET', '/info');
        await api.close();
        await first.stop();
        const second = new Instance(config, silentLogger);
        const again = new Api(`http://127.0.0.1:${await second.start()}`, 'x');
        expect(await systemBucket(again)).toBeUndefined();
        await again.close();
        await second.stop();
      });
    },
  );
});

describe.concurrent('the last access of a token', () => {
  test('is the time of its newest audit record, also after a restart', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      const user = await clientOf(first, 'user', { full_access: true });
      expect((await tokenDocument(first.api, 'user'))['last_access']).toBeNull();
      await user.ok('GET', '/info');
      await user.close();
      await expect
        .poll(async () => (await tokenDocument(first.api, 'user'))['last_access'], {
          timeout: 10_000,
          interval: 200,
        })
        .not.toBeNull();
      const { last_access: lastAccess } = await tokenDocument(first.api, 'user');
      await first.stop();
      const second = await startInstance(path, NAME);
      expect((await tokenDocument(second.api, 'user'))['last_access']).toBe(lastAccess);
      const [newest] = await documents(second.api, 'audit/edge_1/user');
      const accessMs = Date.parse(String(lastAccess));
      expect(accessMs).toBe(Math.floor(Number(newest?.['timestamp']) / 1000));
      await second.stop();
    });
  });

  test('keeps a token alive that is used more often than its time to live', async () => {
    await withInstance(async (instance) => {
      const user = await clientOf(instance, 'user', { full_access: true }, { ttl: 1 });
      const deadlineMs = performance.now() + 4_000;
      while (performance.now() < deadlineMs) {
        expect((await user.call('GET', '/info')).status).toBe(200);
        await pause(300);
      }
      await pause(2_500);
      const idle = await user.call('GET', '/info');
      expect(idle).toMatchObject({ status: 401, error: 'Token has expired' });
      await user.close();
    });
  });
});

describe('events of replication', () => {
  const target = new FakeTarget();
  const task = (bucket: string): string =>
    JSON.stringify({ src_bucket: bucket, dst_bucket: 'dst', dst_host: target.url });

  beforeEach(() => target.start());
  afterEach(() => target.stop());

  test('tell what a task delivered', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, NAME);
      const { api } = first;
      await api.ok('POST', '/b/data');
      await api.ok('POST', '/replications/to-cloud', {}, task('data'));
      for (let ts = 1n; ts <= 3n; ts++) await api.write('data', 'e', record(ts));
      await expect.poll(() => target.recordsOf('dst/e').length, { timeout: 10_000 }).toBe(3);
      await first.stop();
      const second = await startInstance(path, NAME);
      const found = await documents(second.api, 'replications/edge_1/to-cloud');
      expect(found).toMatchObject([
        {
          instance: 'edge.1',
          status: 200,
          message: '',
          pending_records: 0,
          written_records: 3,
          failed_records: 0,
          replicated_data_size: 15,
        },
      ]);
      expect(found[0]?.['duration']).toBeGreaterThan(0);
      await second.stop();
    });
  });

  test('of other tasks are delivered by a task on $system, which causes none itself', async () => {
    await withInstance(async ({ api }) => {
      await api.ok('GET', '/info');
      await expect.poll(() => systemBucket(api), { timeout: 10_000 }).toBeDefined();
      await api.ok('POST', '/replications/events', {}, task('$system'));
      const place = 'dst/audit/edge_1/init-token';
      await expect
        .poll(() => target.recordsOf(place).length, { timeout: 10_000 })
        .toBeGreaterThan(0);
      const [sent] = target.recordsOf(place);
      expect(JSON.parse(sent?.payload.toString() ?? '')).toMatchObject({
        token_name: 'init-token',
      });
      // Its own result would be told after 5 s without another one, and then send itself.
      await pause(6_500);
      expect((await api.call('GET', '/b/$system/replications/edge_1/events')).status).toBe(404);
    }, NAME);
  });
});
