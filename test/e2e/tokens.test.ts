/** Tokens and buckets across starts: what is stored, what the environment says, and what a crash leaves. */
import { describe, expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { startInstance } from '../lib/instance.ts';
import type { RunningInstance } from '../lib/instance.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

async function using<T>(
  path: string,
  env: Readonly<Record<string, string>>,
  use: (instance: RunningInstance) => Promise<T>,
): Promise<T> {
  const instance = await startInstance(path, env);
  try {
    return await use(instance);
  } finally {
    await instance.stop();
  }
}

/** Status and text of `GET /me` with this token. */
async function me(url: string, token: string): Promise<string> {
  const api = new Api(url, token);
  try {
    const { status, error, text } = await api.call('GET', '/me');
    if (status !== 200) return `${status} ${error}`;
    const { name }: { name: string } = JSON.parse(text);
    return name;
  } finally {
    await api.close();
  }
}

describe('init-token', () => {
  test('of RS_INIT_API_TOKEN is made once, and what clients do to it stays', async () => {
    await withTempDir(async (path) => {
      const rotated = await using(path, { RS_INIT_API_TOKEN: 'first' }, async ({ url, api }) => {
        expect(await me(url, 'first')).toBe('init-token');
        const { value }: { value: string } = JSON.parse(
          (await api.ok('POST', '/tokens/init-token/rotate')).text,
        );
        return value;
      });
      await using(path, { RS_INIT_API_TOKEN: 'second' }, async ({ url }) => {
        expect(await me(url, rotated)).toBe('init-token');
        expect(await me(url, 'first')).toBe('401 Invalid token');
        expect(await me(url, 'second')).toBe('401 Invalid token');
      });
      await using(path, { RS_API_TOKEN: 'third' }, async ({ url }) => {
        expect(await me(url, 'third')).toBe('init-token');
        expect(await me(url, rotated)).toBe('401 Invalid token');
      });
      await using(path, { RS_INIT_API_TOKEN: 'fourth' }, async ({ url }) => {
        expect(await me(url, 'fourth')).toBe('init-token');
      });
    });
  });

  test('without authentication nothing is asked for, and stored tokens are there afterwards', async () => {
    await withTempDir(async (path) => {
      const issued = await using(path, { RS_API_TOKEN: 'one' }, async ({ api }) => {
        await api.ok('POST', '/b/bucket');
        const answer = await api.ok('POST', '/tokens/t', {}, '{"read":["bucket","other"]}');
        const { value }: { value: string } = JSON.parse(answer.text);
        return value;
      });
      await using(path, { RS_DISABLE_AUTH: 'true' }, async ({ url, api }) => {
        expect(await me(url, 'nonsense')).toBe('AUTHENTICATION-DISABLED');
        expect((await api.ok('GET', '/tokens')).text).toBe('{"tokens":[]}');
        await api.ok('DELETE', '/b/bucket');
      });
      await using(path, { RS_API_TOKEN: 'one' }, async ({ url, api }) => {
        expect(await me(url, issued)).toBe('t');
        const document: unknown = JSON.parse((await api.ok('GET', '/tokens/t')).text);
        expect(document).toMatchObject({ permissions: { read: ['other'], write: [] } });
      });
    });
  });
});

describe('provisioning', () => {
  const env = {
    RS_API_TOKEN: 'admin',
    RS_BUCKET_A_NAME: 'raw',
    RS_BUCKET_A_QUOTA_TYPE: 'FIFO',
    RS_BUCKET_A_QUOTA_SIZE: '1GB',
    RS_TOKEN_A_NAME: 'writer',
    RS_TOKEN_A_VALUE: 'writer-value',
    RS_TOKEN_A_WRITE: 'raw',
  };
  const bucket = async ({ api }: RunningInstance): Promise<unknown> => {
    const answer = await api.ok('GET', '/b/raw');
    const { info, settings }: { info: { is_provisioned: boolean }; settings: unknown } = JSON.parse(
      answer.text,
    );
    return [info.is_provisioned, settings];
  };

  test('a bucket is created, cannot be changed by clients, and later settings change what they name', async () => {
    await withTempDir(async (path) => {
      const settings = {
        quota_type: 'FIFO',
        quota_size: 1_000_000_000,
        max_block_size: 64_000_000,
        max_block_records: 1024,
      };
      await using(path, env, async (instance) => {
        const { api } = instance;
        expect(await bucket(instance)).toEqual([true, settings]);
        const removed = await api.call('DELETE', '/b/raw');
        expect([removed.status, removed.error]).toEqual([
          409,
          "Can't remove provisioned bucket 'raw'",
        ]);
        const writer = new Api(instance.url, 'writer-value');
        await writer.ok('POST', '/b/raw/entry?ts=1', {}, 'x');
        await writer.close();
      });
      const changed = { RS_BUCKET_A_NAME: 'raw', RS_BUCKET_A_MAX_BLOCK_RECORDS: '7' };
      await using(path, { RS_API_TOKEN: 'admin', ...changed }, async (instance) => {
        expect(await bucket(instance)).toEqual([true, { ...settings, max_block_records: 7 }]);
        const head = await instance.api.call('HEAD', '/b/raw/entry?ts=1');
        expect(head.status).toBe(200);
      });
      await using(path, { RS_API_TOKEN: 'admin' }, async (instance) => {
        expect(await bucket(instance)).toEqual([false, { ...settings, max_block_records: 7 }]);
        await instance.api.ok('DELETE', '/b/raw');
      });
    });
  });
});

describe('a crash', () => {
  test('right behind the answer loses no token, no rotation and no removal', async () => {
    await withTempDir(async (path) => {
      const server = new ServerProcess({ dataPath: path, port: await freePort(), token: 'admin' });
      await server.start();
      const api = new Api(server.url, 'admin');
      const issue = async (apiPath: string): Promise<string> => {
        const answer = await api.ok('POST', apiPath, {}, '{}');
        const { value }: { value: string } = JSON.parse(answer.text);
        return value;
      };
      try {
        const kept = await issue('/tokens/kept');
        const removed = await issue('/tokens/removed');
        const old = await issue('/tokens/rotated');
        await api.ok('DELETE', '/tokens/removed');
        const rotated = await issue('/tokens/rotated/rotate');
        await server.kill();
        await server.start();
        expect(await me(server.url, kept)).toBe('kept');
        expect(await me(server.url, rotated)).toBe('rotated');
        expect(await me(server.url, old)).toBe('401 Invalid token');
        expect(await me(server.url, removed)).toBe('401 Invalid token');
      } finally {
        await api.close();
        await server.kill();
      }
    });
  });
});
