/** Starting and stopping a real process: what an operator meets. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const TOKEN = 'life-cycle';

async function newServer(
  dataPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  return new ServerProcess({ dataPath, port: await freePort(), env });
}

/** Starts, expects the end, and gives exit code and output. */
async function failedStart(
  dataPath: string,
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | null; output: string }> {
  const server = await newServer(dataPath, env);
  server.spawn();
  const code = await server.exited();
  return { code, output: server.output };
}

describe('start', () => {
  test('a second process on the same folder ends with a clear error and harms nothing', async () => {
    await withTempDir(async (path) => {
      const first = await newServer(path);
      await first.start();
      const second = await failedStart(path, {});
      expect(second.code).toBe(1);
      expect(second.output).toContain('is in use by another process');
      expect(second.output).toContain('RS_DATA_PATH');
      expect(await first.isReady()).toBe(true);
      expect(await first.stop()).toBe(0);
    });
  });

  test('a port in use ends the start with a clear error', async () => {
    await withTempDir(async (path) => {
      const first = await newServer(join(path, 'a'));
      await first.start();
      const port = new URL(first.url).port;
      const second = await failedStart(join(path, 'b'), { RS_PORT: port });
      expect(second.code).toBe(1);
      expect(second.output).toContain(port);
      await first.stop();
    });
  });

  test('unknown MILLRACE_ variables and bad values stop the start and are named', async () => {
    await withTempDir(async (path) => {
      const { code, output } = await failedStart(path, {
        MILLRACE_DURABLITY: 'os',
        RS_IO_OPERATION_TIMEOUT: 'soon',
      });
      expect(code).toBe(2);
      expect(output).toContain('MILLRACE_DURABLITY');
      expect(output).toContain('MILLRACE_DURABILITY');
      expect(output).toContain('RS_IO_OPERATION_TIMEOUT');
    });
  });

  test('an address that is not loopback needs a token or RS_DISABLE_AUTH=true', async () => {
    await withTempDir(async (path) => {
      const { code, output } = await failedStart(path, { RS_HOST: '0.0.0.0' });
      expect(code).toBe(2);
      expect(output).toContain('RS_API_TOKEN');
      expect(output).toContain('RS_DISABLE_AUTH');
    });
  });

  test('without a token it listens on loopback only and says so', async () => {
    await withTempDir(async (path) => {
      const server = await newServer(path);
      await server.start();
      expect(server.output).toMatch(/RS_API_TOKEN is not set.*127\.0\.0\.1/);
      await server.stop();
    });
  });

  test('a folder of another format version is not opened, and not touched', async () => {
    await withTempDir(async (path) => {
      await mkdir(join(path, 'data'));
      await writeFile(join(path, 'data', 'CURRENT'), 'not a manifest\n');
      const { code, output } = await failedStart(join(path, 'data'), {});
      expect(code).toBe(1);
      expect(output).toContain('cannot be opened');
    });
  });
});

describe('stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s under load answers what it took and keeps every acknowledged record',
    async (signal) => {
      await withTempDir(async (path) => {
        const server = new ServerProcess({ dataPath: path, port: await freePort(), token: TOKEN });
        await server.start();
        const api = new Api(server.url, TOKEN);
        await api.ok('POST', '/b/b');
        const acknowledged: bigint[] = [];
        let isStopping = false;
        const writers = [0n, 1n, 2n, 3n].map(async (writer) => {
          for (let ts = writer; !isStopping; ts += 4n) {
            const record = { ts, payload: Buffer.from(String(ts)), labels: {} };
            const status = await api.write('b', 'e', record).then(
              (answer) => answer.status,
              () => 0,
            );
            if (status === 200) acknowledged.push(ts);
            else isStopping = true;
          }
        });
        await expect.poll(() => acknowledged.length).toBeGreaterThan(200);
        process.kill(server.pid, signal);
        expect(await server.exited(), server.output).toBe(0);
        await Promise.all(writers);
        await server.start();
        const stored = await api.readAll('b', 'e');
        const present = new Set(stored.map(({ ts }) => ts));
        expect(acknowledged.filter((ts) => !present.has(ts))).toEqual([]);
        await server.stop();
        await api.close();
      });
    },
  );

  test('a client that never finishes its upload does not hold the stop beyond its bound', async () => {
    await withTempDir(async (path) => {
      const server = new ServerProcess({
        dataPath: path,
        port: await freePort(),
        token: TOKEN,
        // Without its bound the stop would take longer than the test may.
        env: { MILLRACE_STOP_TIMEOUT: '300', RS_IO_OPERATION_TIMEOUT: '600' },
      });
      await server.start();
      const { connect } = await import('node:net');
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.on('error', () => socket.destroy());
      socket.write(
        `POST /api/v1/b/b/e?ts=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 100\r\n\r\nabc`,
      );
      const api = new Api(server.url, TOKEN);
      await api.ok('GET', '/info');
      expect(await server.stop(), server.output).toBe(0);
      socket.destroy();
      await api.close();
    });
  });
});
