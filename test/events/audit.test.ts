import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { Instance } from '../../src/app/instance.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { Api } from '../lib/api.ts';
import type { RunningInstance } from '../lib/instance.ts';
import { startInstance, TEST_TOKEN } from '../lib/instance.ts';
import { RawConnection, rawRequest } from '../lib/raw-http.ts';
import {
  clientOf,
  documents,
  EVENTS_NAME,
  shortRecord,
  systemBucket,
} from '../lib/system-events.ts';
import { withTempDir } from '../lib/temp-dir.ts';

/** Reads what another instance has recorded, and adds nothing of its own. */
const READER = { ...EVENTS_NAME, RS_SYSTEM_EVENTS_ENABLED: 'no' };

function port({ url }: RunningInstance): number {
  return Number(new URL(url).port);
}

async function connectFrom(instance: RunningInstance, address: string): Promise<RawConnection> {
  const socket = net.connect({ port: port(instance), host: '127.0.0.1', localAddress: address });
  await once(socket, 'connect');
  return new RawConnection(socket);
}

describe.concurrent('audit', () => {
  test('groups what a token does, tells refusals apart, and survives the stop', async () => {
    await withTempDir(async (path) => {
      const first = await startInstance(path, EVENTS_NAME);
      const { api } = first;
      await api.ok('POST', '/b/data');
      const sensor = await clientOf(first, 'sensor.7', { write: ['data'] });
      for (let ts = 1n; ts <= 20n; ts++) await sensor.write('data', 'e', shortRecord(ts));
      await sensor.write('data', 'e', shortRecord(7n));
      await sensor.call('GET', '/b/data/e?ts=7');
      await sensor.call('GET', '/nothing');
      await new Api(first.url, 'wrong').call('GET', '/info');
      await new Api(first.url).call('GET', '/list');
      await new Api(first.url).call('GET', '/nothing');
      await new Api(first.url).call('GET', '/ready');
      await sensor.call('GET', '/alive');
      await sensor.close();
      await first.stop();

      const second = await startInstance(path, READER);
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
      const first = await startInstance(path, EVENTS_NAME);
      const beforeUs = BigInt(Date.now()) * 1000n;
      await first.api.ok('GET', '/info');
      const afterUs = BigInt(Date.now() + 1) * 1000n;
      await first.stop();
      const second = await startInstance(path, READER);
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
      const first = await startInstance(path, EVENTS_NAME);
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
      const second = await startInstance(path, READER);
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
      const first = await startInstance(path, EVENTS_NAME);
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
      const second = await startInstance(path, READER);
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
      const first = await startInstance(path, EVENTS_NAME);
      expect((await first.api.call('POST', '/b/data', {}, '{')).status).toBe(422);
      await first.stop();
      const second = await startInstance(path, READER);
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
