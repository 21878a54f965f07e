/** Tokens of replication targets: what lies on disk, and what leaves the server. */
import { appendFile, cp, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COLUMN_META, META } from '../../src/store/format.ts';
import { metaKey } from '../../src/store/keys.ts';
import { openRocks } from '../../src/store/rocks.ts';
import { Api } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const SECRET = 'target-token-that-must-not-leak-4711';
const API_TOKEN = 'admin-token';

let target: FakeTarget;

beforeEach(async () => {
  target = new FakeTarget();
  await target.start();
});

afterEach(async () => {
  await target.stop();
});

interface Started {
  readonly server: ServerProcess;
  readonly api: Api;
}

async function start(
  dataPath: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const port = await freePort();
  const options = { RS_LOG_LEVEL: 'TRACE', RS_SYSTEM_EVENTS_LOG_LEVEL: 'TRACE', ...env };
  const server = new ServerProcess({ dataPath, port, token: API_TOKEN, env: options });
  await server.start();
  return { server, api: new Api(server.url, API_TOKEN) };
}

async function stop({ server, api }: Started): Promise<void> {
  await api.close();
  expect(await server.stop()).toBe(0);
}

function settings(changes: object = {}): string {
  const place = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url };
  return JSON.stringify({ ...place, dst_token: SECRET, ...changes });
}

/** Files below the folder that hold the text. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path)).includes(text)) found.push(entry.name);
  }
  return found;
}

/** Puts the task's row into the form of before tokens were encrypted. */
async function writeOldTask(dataPath: string): Promise<void> {
  const db = await openRocks(dataPath, { cacheBytes: 1 << 20 });
  const key = metaKey(META.task, 1);
  const row = db.get(COLUMN_META, key);
  if (row === undefined) throw new Error('no task');
  const task = JSON.parse(row.toString('utf8', 1));
  const old = { ...task, sealedToken: undefined };
  old.settings.dstToken = SECRET;
  const batch = db.batch();
  batch.put(COLUMN_META, key, Buffer.concat([Buffer.from([1]), Buffer.from(JSON.stringify(old))]));
  batch.commit(true);
  await db.close();
}

async function detail(api: Api): Promise<{
  info: { is_active: boolean; pending_records: number };
  extended: { last_error: { message: string } | null };
}> {
  return JSON.parse((await api.ok('GET', '/replications/t?ext=1')).text);
}

async function write(api: Api, ts: number): Promise<void> {
  const record = { ts: BigInt(ts), payload: Buffer.from('x'), labels: {} };
  expect((await api.write('src', 'e', record)).status).toBe(200);
}

describe('the token of a target', () => {
  test('reaches the target, and nothing else: no answer, log line, metric, event or file', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      const first = await start(dataPath);
      await first.api.ok('POST', '/b/src', {}, '{}');
      await first.api.ok('POST', '/replications/t', {}, settings());
      await write(first.api, 1);
      await until(() => target.recordsOf('dst/e').length === 1);
      expect(target.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
      // Failures of every kind, and changes, are where a token may slip out.
      target.faultOf = () => ({ kind: 'status', status: 401, text: 'no' });
      await write(first.api, 2);
      await until(async () => (await detail(first.api)).extended.last_error !== null);
      const texts = [
        (await first.api.call('PUT', '/replications/t', {}, settings({ dst_host: 'nonsense' })))
          .text,
        (await first.api.call('POST', '/replications/t', {}, settings())).text,
        (await first.api.call('POST', '/replications/u', {}, settings({ when: { $no: [1] } })))
          .text,
        (await first.api.call('PUT', '/replications/t', {}, settings({ each_n: SECRET }))).text,
        (await first.api.ok('GET', '/replications?ext=1')).text,
        (await first.api.ok('GET', '/replications/t?ext=1')).text,
        (await first.api.ok('GET', '/info')).text,
      ];
      texts.push(
        await (
          await fetch(`${first.server.url}/metrics`, {
            headers: { authorization: `Bearer ${API_TOKEN}` },
          })
        ).text(),
      );
      await stop(first);
      // Another start writes what the log of the store still held into its tables.
      const second = await start(dataPath);
      texts.push(JSON.stringify(await detail(second.api)));
      await stop(second);
      for (const text of [...texts, first.server.output, second.server.output]) {
        expect(text).not.toContain(SECRET);
      }
      expect(first.server.output.length).toBeGreaterThan(1000);
      expect(await filesWith(path, SECRET)).toEqual([]);
      // The search finds what is there.
      expect(await filesWith(dataPath, 'dst')).not.toEqual([]);
    });
  });

  test('needs a key from outside the folder: without it the task stands still, with it it goes on', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      const keyPath = join(path, 'data.key');
      const first = await start(dataPath);
      await first.api.ok('POST', '/b/src', {}, '{}');
      await expect(stat(keyPath)).rejects.toThrow('ENOENT');
      await first.api.ok('POST', '/replications/t', {}, settings());
      expect((await stat(keyPath)).mode & 0o777).toBe(0o600);
      await write(first.api, 1);
      await until(() => target.recordsOf('dst/e').length === 1);
      await stop(first);
      // A back-up of the folder alone, restored elsewhere.
      const copy = join(path, 'copy');
      await cp(dataPath, copy, { recursive: true });
      const restored = await start(copy);
      await write(restored.api, 2);
      const seen = await detail(restored.api);
      expect(seen.info).toMatchObject({ is_active: false, pending_records: 1 });
      expect(seen.extended.last_error?.message).toContain(`the key file ${copy}.key is missing`);
      expect(restored.server.output).toContain('a task cannot run');
      await stop(restored);
      expect(target.recordsOf('dst/e')).toHaveLength(1);
      await rename(keyPath, `${copy}.key`);
      const again = await start(copy);
      await until(() => target.recordsOf('dst/e').length === 2);
      await stop(again);
    });
  });

  test('is encrypted with the new key after a change of keys, and the old one is not needed then', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      const [old, next] = ['33'.repeat(32), Buffer.alloc(32, 0x44).toString('base64')];
      const first = await start(dataPath, { MILLRACE_SECRET_KEY: old });
      await first.api.ok('POST', '/b/src', {}, '{}');
      await first.api.ok('POST', '/replications/t', {}, settings());
      await stop(first);
      const keys = { MILLRACE_SECRET_KEY: next, MILLRACE_SECRET_KEY_OLD: old };
      const second = await start(dataPath, keys);
      await until(() => second.server.output.includes('encrypted with the present key'));
      await stop(second);
      const third = await start(dataPath, { MILLRACE_SECRET_KEY: next });
      await write(third.api, 1);
      await until(() => target.recordsOf('dst/e').length === 1);
      expect(target.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
      await stop(third);
      expect(third.server.output).not.toContain(next);
    });
  });

  test('in clear text in an older store is encrypted at the start, and wiped from its files by the next ones', async () => {
    await withTempDir(async (path) => {
      const dataPath = join(path, 'data');
      const first = await start(dataPath);
      await first.api.ok('POST', '/b/src', {}, '{}');
      await first.api.ok('POST', '/replications/t', {}, settings({ dst_token: '' }));
      await stop(first);
      await writeOldTask(dataPath);
      expect(await filesWith(dataPath, SECRET)).not.toEqual([]);
      const second = await start(dataPath);
      await until(() => second.server.output.includes('encrypted with the present key'));
      await write(second.api, 1);
      await until(() => target.recordsOf('dst/e').length === 1);
      expect(target.requests.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
      await stop(second);
      for (let starts = 0; starts < 4; starts++) await stop(await start(dataPath));
      expect(await filesWith(dataPath, SECRET)).toEqual([]);
    });
  });

  test('is not taken when the key file is damaged, and nothing is stored', async () => {
    await withTempDir(async (path) => {
      await appendFile(join(path, 'data.key'), 'damaged');
      const running = await start(join(path, 'data'));
      await running.api.ok('POST', '/b/src', {}, '{}');
      const refused = await running.api.call('POST', '/replications/t', {}, settings());
      expect(refused.status).toBe(503);
      expect(refused.error).toContain('does not hold 32 bytes in base64 or hex');
      expect((await running.api.call('GET', '/replications/t')).status).toBe(404);
      // Tasks without a token need no key.
      await running.api.ok('POST', '/replications/t', {}, settings({ dst_token: '' }));
      await stop(running);
    });
  });
});
