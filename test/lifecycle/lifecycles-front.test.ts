import { describe, expect, test } from 'vitest';
import { lifecycleRow, loadLifecycles } from '../../src/lifecycle/rows.ts';
import { LifecycleService } from '../../src/lifecycle/service.ts';
import type { ProvisionedLifecycle } from '../../src/lifecycle/service.ts';
import { FakeLifecycleClock } from '../lib/lifecycle-clock.ts';
import { useFront } from '../lib/front-harness.ts';
import type { FrontHarness } from '../lib/front-harness.ts';
import { openHarness } from '../lib/store-harness.ts';
import type { StoreHarness } from '../lib/store-harness.ts';
import { rawRequest } from '../lib/raw-http.ts';
import type { RawResponse } from '../lib/raw-http.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 7, 21, 15, 0, 0);

function body(overrides: Record<string, unknown> = {}): string {
  return JSON.stringify({ type: 'delete', bucket: 'data', older_than: '30d', ...overrides });
}

async function refusal(answer: Promise<RawResponse>): Promise<[number, string | undefined]> {
  const response = await answer;
  return [response.status, response.header('x-reduct-error')];
}

function json(response: RawResponse): unknown {
  return JSON.parse(response.body.toString());
}

describe('/lifecycles', () => {
  const clock = new FakeLifecycleClock(NOW_MS);
  const opened = useFront({ token: 'full', lifecycleClock: clock });
  const filled = async (): Promise<FrontHarness> => {
    const front = opened();
    await front.api('POST', '/b/data');
    return front;
  };

  test('a policy is created, told, changed and removed', async () => {
    const front = await filled();
    expect(json(await front.api('GET', '/lifecycles'))).toEqual({ lifecycles: [] });
    const created = await front.api('POST', '/lifecycles/old%20ones', { body: body() });
    expect([created.status, created.header('content-length')]).toEqual([200, '0']);
    const info = {
      name: 'old ones',
      is_provisioned: false,
      is_running: true,
      type: 'delete',
      mode: 'enabled',
      last_run: null,
    };
    const settings = {
      type: 'delete',
      bucket: 'data',
      entries: [],
      older_than: '30d',
      interval: '3600s',
      when: null,
      processing_interval: null,
      mode: 'enabled',
    };
    expect(json(await front.api('GET', '/lifecycles'))).toEqual({ lifecycles: [info] });
    expect(json(await front.api('GET', '/lifecycles/old%20ones'))).toEqual({ info, settings });

    const when = { '&a': { $eq: 1 } };
    const change = body({ interval: '2h', entries: ['a-*'], when, mode: 'disabled' });
    expect((await front.api('PUT', '/lifecycles/old%20ones', { body: change })).status).toBe(200);
    const changed = { ...settings, interval: '2h', entries: ['a-*'], when, mode: 'disabled' };
    expect(json(await front.api('GET', '/lifecycles/old%20ones'))).toEqual({
      info: { ...info, mode: 'disabled' },
      settings: changed,
    });

    const mode = { body: '{"mode":"dry_run"}' };
    expect((await front.api('PATCH', '/lifecycles/old%20ones/mode', mode)).status).toBe(200);
    expect(json(await front.api('GET', '/lifecycles/old%20ones'))).toMatchObject({
      info: { mode: 'dry_run' },
      settings: { ...changed, mode: 'dry_run' },
    });

    await clock.runNext();
    expect(json(await front.api('GET', '/lifecycles/old%20ones'))).toMatchObject({
      info: { last_run: '2026-08-21T17:00:00Z' },
    });

    expect((await front.api('DELETE', '/lifecycles/old%20ones')).status).toBe(200);
    expect(clock.delaysMs).toEqual([]);
    expect(await refusal(front.api('DELETE', '/lifecycles/old%20ones'))).toEqual([
      404,
      "Lifecycle 'old ones' does not exist",
    ]);
  });

  test('removes records of the bucket when its time has come', async () => {
    const front = await filled();
    const nowUs = BigInt(clock.ms) * 1000n;
    const hourUs = BigInt(HOUR_MS) * 1000n;
    for (const hours of [100n, 60n, 10n]) {
      await front.api('POST', `/b/data/e?ts=${nowUs - hours * hourUs}`, { body: 'x' });
    }
    const settings = { older_than: '48h', processing_interval: '1000h' };
    await front.api('POST', '/lifecycles/run', { body: body(settings) });
    await clock.runNext();
    const { entries } = JSON.parse((await front.api('GET', '/b/data')).body.toString());
    expect(entries).toMatchObject([{ name: 'e', record_count: 1 }]);
    await front.api('DELETE', '/lifecycles/run');
  });

  test('follows a rename of its bucket, and leaves the next bucket of the old name alone', async () => {
    const front = opened();
    for (const name of ['first', 'other']) await front.api('POST', `/b/${name}`);
    const policy = body({ bucket: 'first', older_than: '48h', processing_interval: '1000h' });
    await front.api('POST', '/lifecycles/follows', { body: policy });
    await front.api('POST', '/lifecycles/stays', { body: body({ bucket: 'other' }) });
    const rename = { headers: { 'content-type': 'application/json' } };
    const taken = { ...rename, body: '{"new_name":"other"}' };
    expect((await front.api('PUT', '/b/first/rename', taken)).status).toBe(409);
    const bucketOf = async (name: string): Promise<unknown> =>
      json(await front.api('GET', `/lifecycles/${name}`));
    expect(await bucketOf('follows')).toMatchObject({ settings: { bucket: 'first' } });

    const renamed = { ...rename, body: '{"new_name":"second"}' };
    expect((await front.api('PUT', '/b/first/rename', renamed)).status).toBe(200);
    await front.api('POST', '/b/first');
    expect(await bucketOf('follows')).toMatchObject({ settings: { bucket: 'second' } });
    expect(await bucketOf('stays')).toMatchObject({ settings: { bucket: 'other' } });
    expect(loadLifecycles(front.inner.store.db).get('follows')?.bucketName).toBe('second');
    expect(clock.delaysMs, 'the next run keeps its time').toEqual([HOUR_MS, HOUR_MS]);

    const oldTs = BigInt(clock.ms - 100 * HOUR_MS) * 1000n;
    for (const name of ['first', 'second']) {
      await front.api('POST', `/b/${name}/e?ts=${oldTs}`, { body: 'x' });
    }
    await clock.runNext();
    await clock.runNext();
    const counts = ['first', 'second'].map(async (name) => {
      const { entries } = JSON.parse((await front.api('GET', `/b/${name}`)).body.toString());
      return entries[0].record_count;
    });
    expect(await Promise.all(counts)).toEqual([1, 0]);
    for (const name of ['follows', 'stays']) await front.api('DELETE', `/lifecycles/${name}`);
  });

  test('a policy exists once, and only one that exists can be changed', async () => {
    const front = await filled();
    await front.api('POST', '/lifecycles/once', { body: body() });
    const again = { body: body({ bucket: 'nowhere' }) };
    expect(await refusal(front.api('POST', '/lifecycles/once', again))).toEqual([
      409,
      "Lifecycle 'once' already exists",
    ]);
    const missing = [404, "Lifecycle 'none' does not exist"];
    expect(await refusal(front.api('GET', '/lifecycles/none'))).toEqual(missing);
    expect(await refusal(front.api('PUT', '/lifecycles/none', { body: body() }))).toEqual(missing);
    const mode = { body: '{"mode":"enabled"}' };
    expect(await refusal(front.api('PATCH', '/lifecycles/none/mode', mode))).toEqual(missing);
    expect(await refusal(front.api('PUT', '/lifecycles/once', again))).toEqual([
      404,
      "Bucket 'nowhere' for lifecycle 'once' does not exist",
    ]);
    await front.api('DELETE', '/lifecycles/once');
  });

  test('JSON is looked at before the token, the rest behind it', async () => {
    const front = await filled();
    await front.api('POST', '/tokens/reader', { body: '{"read":["*"],"write":["*"]}' });
    const send = (
      method: string,
      path: string,
      text?: string,
      authorization?: string,
    ): Promise<[number, string | undefined]> =>
      refusal(
        rawRequest(front.port, {
          method,
          path: `/api/v1${path}`,
          ...(text === undefined ? {} : { body: text }),
          ...(authorization === undefined ? {} : { headers: { authorization } }),
        }),
      );
    const unauthorized = [401, 'No bearer token in request header'];
    for (const [method, path] of [
      ['POST', '/lifecycles/x'],
      ['PUT', '/lifecycles/x'],
      ['PATCH', '/lifecycles/x/mode'],
    ] as const) {
      expect((await send(method, path, '{'))[1]).toMatch(/^Invalid JSON: /);
      const text = method === 'PATCH' ? '{"mode":"enabled"}' : body({ older_than: 'x' });
      expect(await send(method, path, text)).toEqual(unauthorized);
    }
    for (const [method, path] of [
      ['GET', '/lifecycles'],
      ['GET', '/lifecycles/x'],
      ['DELETE', '/lifecycles/x'],
    ] as const) {
      expect(await send(method, path)).toEqual(unauthorized);
    }
    const { value } = JSON.parse(
      (await front.api('POST', '/tokens/reader/rotate')).body.toString(),
    );
    expect(await send('GET', '/lifecycles', undefined, `Bearer ${value}`)).toEqual([
      403,
      "Token 'reader' doesn't have full access",
    ]);
    const filler = 'x'.repeat(2 * 1024 * 1024);
    expect(await send('POST', '/lifecycles/x', body({ filler }))).toEqual([422, 'Invalid body']);
  });

  test('paths and methods', async () => {
    const front = await filled();
    expect((await front.api('GET', '/lifecycles/')).status).toBe(404);
    expect((await front.api('GET', '/lifecycles/a/b')).status).toBe(404);
    expect((await front.api('HEAD', '/lifecycles')).header('content-length')).toBe('17');
    const wrong = await front.api('PATCH', '/lifecycles/a');
    expect([wrong.status, wrong.header('allow')]).toEqual([405, 'GET,HEAD,POST,PUT,DELETE']);
    const mode = await front.api('GET', '/lifecycles/a/mode');
    expect([mode.status, mode.header('allow')]).toEqual([405, 'PATCH']);
  });
});

describe('policies over a restart', () => {
  const opened: StoreHarness[] = [];
  const warnings: string[] = [];

  async function start(
    path: string,
    provisioned: readonly ProvisionedLifecycle[] = [],
  ): Promise<LifecycleService> {
    await opened.pop()?.close();
    const store = await openHarness(path);
    opened.push(store);
    const service = new LifecycleService({
      db: store.db,
      commitRows: (rows) => store.commits.commitRows(rows),
      clock: new FakeLifecycleClock(NOW_MS),
      work: { remove: () => Promise.resolve(0), count: () => Promise.resolve(0) },
      bucket: (name) => [...store.catalog.buckets()].find((bucket) => bucket.name === name),
      onRun: () => {},
      warn: (message) => warnings.push(message),
    });
    await service.start(provisioned);
    return service;
  }

  async function withStore(use: (path: string) => Promise<void>): Promise<void> {
    warnings.length = 0;
    await withTempDir(async (path) => {
      try {
        await use(path);
      } finally {
        await opened.pop()?.close();
      }
    });
  }

  async function createBucket(): Promise<void> {
    await opened[0]?.catalog.createBucket('data', {
      quota_type: 'NONE',
      quota_size: 0,
      max_block_size: 64_000_000,
      max_block_records: 1024,
    });
  }

  const wanted = (
    overrides: Partial<ProvisionedLifecycle['settings']> = {},
  ): ProvisionedLifecycle => ({
    name: 'p',
    mode: undefined,
    settings: {
      type: 'delete',
      bucketName: 'data',
      entries: [],
      olderThan: '1d',
      interval: '3600s',
      whenText: undefined,
      processingInterval: undefined,
      ...overrides,
    },
  });

  test('are what they were, also without their bucket', async () => {
    await withStore(async (path) => {
      const first = await start(path);
      await createBucket();
      const settings = { ...wanted({ whenText: '{"&a":{"$eq":2.0}}' }).settings, mode: 'dry_run' };
      await first.create('p', { ...settings, mode: 'dry_run' });
      await first.create('gone', { ...settings, mode: 'enabled' });
      await first.remove('gone');
      await opened[0]?.catalog.removeBucket('data');
      const before = first.detail('p');
      const second = await start(path);
      expect(second.detail('p')).toBe(before);
      expect(second.list()).not.toContain('gone');
    });
  });

  test('of the environment replace stored ones, keep their mode, and cannot be changed', async () => {
    await withStore(async (path) => {
      const first = await start(path);
      await createBucket();
      await first.create('p', { ...wanted().settings, olderThan: '5d', mode: 'disabled' });
      const second = await start(path, [wanted({ olderThan: '2d' })]);
      expect(JSON.parse(second.detail('p'))).toMatchObject({
        info: { is_provisioned: true, is_running: true, mode: 'disabled' },
        settings: { older_than: '2d', mode: 'disabled' },
      });
      const settings = { ...wanted().settings, mode: 'enabled' } as const;
      await expect(second.update('p', settings)).rejects.toMatchObject({
        status: 409,
        message: "Can't update provisioned lifecycle 'p'",
      });
      await expect(second.remove('p')).rejects.toMatchObject({
        status: 409,
        message: "Can't remove provisioned lifecycle 'p'",
      });
      await second.setMode('p', 'dry_run');
      const third = await start(path, [wanted({ olderThan: '2d' })]);
      expect(JSON.parse(third.detail('p')).info.mode).toBe('dry_run');
      const fourth = await start(path, [{ ...wanted({ olderThan: '2d' }), mode: 'enabled' }]);
      expect(JSON.parse(fourth.detail('p')).info.mode).toBe('enabled');
      const fifth = await start(path);
      expect(JSON.parse(fifth.detail('p'))).toMatchObject({
        info: { is_provisioned: false },
        settings: { older_than: '2d' },
      });
      await fifth.remove('p');
    });
  });

  test('that cannot be provisioned are told and left out', async () => {
    await withStore(async (path) => {
      const service = await start(path, [wanted({ bucketName: 'nowhere' })]);
      expect(service.list()).toBe('{"lifecycles":[]}');
      expect(warnings).toEqual([
        "lifecycle 'p' is not provisioned: Bucket 'nowhere' for lifecycle 'p' does not exist",
      ]);
    });
  });

  test('a row that cannot be read stops the start and is named', async () => {
    await withStore(async (path) => {
      await start(path);
      const store = opened[0];
      const row = lifecycleRow('p', { ...wanted().settings, mode: 'enabled' });
      await store?.commits.commitRows([{ ...row, value: Buffer.from('{"type":"delete"}') }]);
      const load = (): unknown => (store === undefined ? undefined : loadLifecycles(store.db));
      expect(load).toThrow(
        "The row of lifecycle 'p' is not readable: Invalid JSON: missing field `bucket`",
      );
    });
  });
});
