/** Replication tasks of the environment, over starts with and without their variables (replication §7, §12 item 13). */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const API_TOKEN = 'admin-token';
const SECRET = 'target-token-4711';

let target: FakeTarget;
let other: FakeTarget;

beforeEach(async () => {
  target = new FakeTarget();
  other = new FakeTarget();
  await Promise.all([target.start(), other.start()]);
});

afterEach(async () => {
  await Promise.all([target.stop(), other.stop()]);
});

type Env = Readonly<Record<string, string>>;

/** As the seed's compose file has them. */
function variables(changes: Env = {}): Env {
  const fields: Env = {
    NAME: 'my_replication',
    SRC_BUCKET: 'src_bucket',
    DST_BUCKET: 'dst',
    DST_HOST: target.url,
    DST_TOKEN: SECRET,
    ENTRIES: 'exampl-*',
    INCLUDE_anomaly: '1',
    ...changes,
  };
  const named = Object.entries(fields).map(([field, value]) => [
    `RS_REPLICATION_1_${field}`,
    value,
  ]);
  return { RS_BUCKET_1_NAME: 'src_bucket', ...Object.fromEntries(named) };
}

function without(env: Env, ...fields: readonly string[]): Env {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !fields.includes(name.replace('RS_REPLICATION_1_', ''))),
  );
}

interface Running {
  readonly api: Api;
  readonly output: () => string;
}

/** Starts on the folder with these variables, stops at the end. */
async function start(
  dataPath: string,
  env: Env,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const options = { RS_LOG_LEVEL: 'INFO', ...env };
  const server = new ServerProcess({ dataPath, port, token: API_TOKEN, env: options });
  await server.start();
  const api = new Api(server.url, API_TOKEN);
  try {
    await use({ api, output: () => server.output });
  } finally {
    await api.close();
    await server.stop();
  }
  expect(server.output).not.toContain(SECRET);
}

async function detail(api: Api) {
  return JSON.parse((await api.ok('GET', '/replications/my_replication?ext=1')).text);
}

async function write(api: Api, entry: string, ts: number, anomaly = '1'): Promise<void> {
  const record = { ts: BigInt(ts), payload: Buffer.from('x'), labels: { anomaly } };
  expect((await api.write('src_bucket', entry, record)).status).toBe(200);
}

function stored(at: FakeTarget = target): readonly number[] {
  return at.recordsOf('dst/exampl-1').map(({ ts }) => Number(ts));
}

describe('a provisioned task', () => {
  test('is there, sends what its filters say, and cannot be changed but for its mode', async () => {
    await withTempDir(async (path) => {
      const env = variables({
        WHEN: '{"&b": {"$eq": 1}}',
        DST_PREFIX: 'p',
        EACH_N: '2',
        EACH_S: '0.5',
        EXCLUDE_x: 'y',
        COMPRESSION: 'Zstd',
        MODE: 'Paused',
      });
      await start(join(path, 'data'), env, async ({ api, output }) => {
        const { info, settings } = await detail(api);
        expect(info).toMatchObject({ mode: 'paused', is_provisioned: true, pending_records: 0 });
        expect(settings).toEqual({
          src_bucket: 'src_bucket',
          dst_bucket: 'dst',
          dst_host: `${target.url}/`,
          dst_token: null,
          entries: ['exampl-*'],
          dst_prefix: 'p',
          when: { '&b': { $eq: 1 } },
          mode: 'paused',
          compression: 'zstd',
          include: { anomaly: '1' },
          exclude: { x: 'y' },
          each_n: 2,
          each_s: 0.5,
        });
        const body = JSON.stringify({
          src_bucket: 'src_bucket',
          dst_bucket: 'x',
          dst_host: target.url,
        });
        const put = await api.call('PUT', '/replications/my_replication', {}, body);
        expect([put.status, put.error]).toEqual([
          409,
          "Can't update provisioned replication 'my_replication'",
        ]);
        const removed = await api.call('DELETE', '/replications/my_replication');
        expect([removed.status, removed.error]).toEqual([
          409,
          "Can't remove provisioned replication 'my_replication'",
        ]);
        await api.ok('PATCH', '/replications/my_replication/mode', {}, '{"mode":"disabled"}');
        expect((await detail(api)).info.mode).toBe('disabled');
        expect(output()).toContain('a task is provisioned');
      });
    });
  });

  test('keeps mode, token and place over starts; a filter whose variable is gone is gone', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      await start(dataPath, variables(), async ({ api }) => {
        await write(api, 'exampl-1', 1);
        await write(api, 'exampl-1', 2, '0');
        await write(api, 'other', 1);
        await until(() => stored().length === 1);
        expect(target.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
        await api.ok('PATCH', '/replications/my_replication/mode', {}, '{"mode":"paused"}');
        await write(api, 'exampl-1', 3);
        await write(api, 'exampl-1', 4, '0');
      });
      const fewer = without(variables(), 'DST_TOKEN', 'INCLUDE_anomaly');
      await start(dataPath, fewer, async ({ api }) => {
        const { info, settings } = await detail(api);
        expect(info).toMatchObject({ mode: 'paused', is_provisioned: true });
        // Exact when it was counted, which takes a moment after a start.
        await until(async () => (await detail(api)).info.pending_records === 1);
        expect(settings).not.toHaveProperty('include');
        await write(api, 'exampl-1', 5, '0');
        await api.ok('PATCH', '/replications/my_replication/mode', {}, '{"mode":"enabled"}');
        await until(() => stored().length === 3);
        expect(stored()).toEqual([1, 3, 5]);
        expect(target.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
      });
      await start(dataPath, { ...fewer, RS_REPLICATION_1_DST_TOKEN: '' }, async ({ api }) => {
        await write(api, 'exampl-1', 6);
        await until(() => stored().length === 4);
        expect(target.requests.at(-1)?.headers.authorization).toBeUndefined();
      });
    });
  });

  test('goes on with the counters of its filters when its variables are the same', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      const env = variables({ EACH_N: '2', BUDGET: '{"bytes_per_day": 100000000}' });
      for (const ts of [1, 2, 3]) {
        await start(dataPath, env, async ({ api }) => {
          await write(api, 'exampl-1', ts);
          const passed = ts === 3 ? 2 : 1;
          await until(async () => (await detail(api)).info.pending_records === 0);
          await until(() => stored().length === passed);
        });
      }
      expect(stored()).toEqual([1, 3]);
    });
  });

  test('is an ordinary one when its variables are gone: the way to get rid of it', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      await start(dataPath, variables(), async ({ api }) => {
        expect((await detail(api)).info.is_provisioned).toBe(true);
      });
      await start(dataPath, {}, async ({ api }) => {
        expect((await detail(api)).info.is_provisioned).toBe(false);
        await api.ok('DELETE', '/replications/my_replication');
      });
      await start(dataPath, {}, async ({ api }) => {
        expect((await api.call('GET', '/replications/my_replication')).status).toBe(404);
      });
    });
  });

  test('does not take the stored token to another host: it stands still until the token is given', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      await start(dataPath, variables(), async ({ api }) => {
        await write(api, 'exampl-1', 1);
        await until(() => stored().length === 1);
      });
      const moved = without(variables({ DST_HOST: other.url }), 'DST_TOKEN');
      // More than one start, and a change of mode in between, which stores the task.
      for (const mode of ['paused', 'enabled']) {
        await start(dataPath, moved, async ({ api, output }) => {
          const reason = expect.stringContaining('it was given for another target');
          expect(await detail(api)).toMatchObject({
            info: { is_active: false, is_provisioned: true },
            settings: { dst_host: `${other.url}/` },
            extended: { has_token: true, last_error: { message: reason } },
          });
          expect(output()).toContain('a task cannot run');
          await api.ok('PATCH', '/replications/my_replication/mode', {}, JSON.stringify({ mode }));
          await write(api, 'exampl-1', mode === 'paused' ? 2 : 3);
        });
      }
      // Nor without the variables.
      await start(dataPath, {}, async ({ api }) => {
        expect((await detail(api)).info.is_active).toBe(false);
      });
      expect(other.requests).toEqual([]);
      // The former URL has its token back.
      await start(dataPath, without(variables(), 'DST_TOKEN'), async () => {
        await until(() => stored().length === 3);
        expect(target.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
      });
      await start(
        dataPath,
        { ...moved, RS_REPLICATION_1_DST_TOKEN: 'other-token' },
        async ({ api }) => {
          await write(api, 'exampl-1', 4);
          await until(() => stored(other).length === 1);
          expect(other.requests.at(-1)?.headers.authorization).toBe('Bearer other-token');
        },
      );
    });
  });

  test('that is refused is logged and left out, and a stored one stays as it was', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      await start(dataPath, variables({ SRC_BUCKET: 'nowhere' }), async ({ api, output }) => {
        expect(output()).toContain(
          "Failed to provision replication 'my_replication': Source bucket 'nowhere' for replication 'my_replication' does not exist",
        );
        expect((await api.call('GET', '/replications/my_replication')).status).toBe(404);
      });
      await start(dataPath, variables(), async ({ api }) => {
        await write(api, 'exampl-1', 1);
        await until(() => stored().length === 1);
      });
      await start(dataPath, variables({ WHEN: '{"$foo": [1]}' }), async ({ api, output }) => {
        expect(output()).toContain(
          "Failed to provision replication 'my_replication': Invalid replication condition: Operator '$foo' not supported",
        );
        expect((await detail(api)).info).toMatchObject({ is_active: true, is_provisioned: false });
        await write(api, 'exampl-1', 2);
        await until(() => stored().length === 2);
      });
      await start(dataPath, variables({ MODE: 'on' }), async ({ output }) => {
        expect(output()).toContain("Replication 'my_replication' has invalid mode 'on'. Drop it.");
      });
    });
  });

  test('with a variable that nobody knows stands still: it may be a filter', async () => {
    await withTempDir(async (path) => {
      await start(join(path, 'data'), variables({ INCLUD_status: 'ok' }), async ({ api }) => {
        await write(api, 'exampl-1', 1);
        const { info, extended } = await detail(api);
        expect(info).toMatchObject({ is_active: false, pending_records: 1 });
        expect(extended.last_error.message).toContain("'RS_REPLICATION_1_INCLUD_status'");
      });
      expect(target.requests).toEqual([]);
    });
  });
});
