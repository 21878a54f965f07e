/**
 * The acceptance checklist of replication: items that are about records on their way stand here, the others are shown by
 *
 * | Item | Here | Elsewhere (in test/replication, unless a folder is named) |
 * | ---- | ---- | --------- |
 * | 1: settings and failures over HTTP | – | e2e/replication-contract.test.ts, service.test.ts, settings*.test.ts; tokens: e2e/target-tokens.test.ts |
 * | 2: official SDKs | – | clients/javascript*.test.ts, clients/python.test.ts, clients/rust.test.ts |
 * | 3: filters of both eras | – | e2e/replication-contract.test.ts, entry-pattern.test.ts, label-filter.test.ts, sampling.test.ts, slice.test.ts |
 * | 4: a batch on the wire | sizes, header text, all carriers | slice.test.ts (order, prefix, duplicates), scan/meta-cache.test.ts (quoting) |
 * | 5: every status of a target | – | fault-matrix.test.ts, duplicates.test.ts (409), slice-failures.test.ts (missing bucket, hang), outcome.test.ts, transport-error.test.ts (TLS) |
 * | 6: attachments and label updates | two instances | slice.test.ts, fault-matrix.test.ts |
 * | 7: modes | – | engine.test.ts, engine-model.test.ts, e2e/provisioned-tasks.test.ts (PATCH) |
 * | 8: kill −9 | – | e2e/kill-rounds.test.ts, stress/crash-points.test.ts, e2e/backfill.test.ts |
 * | 9: a bounded log | – | pending-limit.test.ts |
 * | 10: removed by quota before sending | two instances | slice.test.ts |
 * | 11: two-way replication | – | loops.test.ts |
 * | 12: compression | – | transfer/compression.test.ts, compressed-pair.test.ts, interop/replication.test.ts |
 * | 13: provisioning | – | config/replication-variables.test.ts, e2e/provisioned-tasks.test.ts |
 * | 14: as target | – | http/replication-sources.test.ts |
 * | 15: diagnostics | – | diagnostics.test.ts |
 * | 16: the command line | – | cli/, interop/cli*.test.ts |
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TestRecord } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { usePair } from '../lib/instance-pair.ts';
import { LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

describe('item 4: a batch on the wire', () => {
  let log: LogFixture;
  let target: FakeTarget;

  beforeEach(async () => {
    log = await LogFixture.open();
    target = new FakeTarget();
    await target.start();
  });

  afterEach(async () => {
    await target.stop();
    await log.close();
  });

  async function send(names: readonly string[], dstPrefix = ''): Promise<void> {
    log.publish();
    const byId = new Map(names.map((name, at) => [at + 1, name]));
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url, { dstPrefix }), byId);
    await driver.drain();
    await driver.runtime.close();
  }

  test('names each record in a header of its own, in order of time, with quoted labels', async () => {
    log.append(BUCKET, 1, [
      {
        ts: 7n,
        payload: Buffer.from('ab'),
        labels: ['k', 'a, b', 'z', '1'],
        contentType: 'text/csv',
      },
      { ts: 9n, payload: Buffer.from('c') },
    ]);
    log.append(BUCKET, 1, [{ ts: 3n, payload: Buffer.alloc(0), labels: ['empty', ''] }]);
    await send(['e']);
    const [request, ...more] = target.requests;
    expect(more).toEqual([]);
    expect([request?.method, request?.path]).toEqual(['POST', '/api/v1/b/dst/e/batch']);
    const headers = Object.entries(request?.headers ?? {}).filter(([name]) =>
      name.startsWith('x-reduct-time-'),
    );
    expect(headers).toEqual([
      ['x-reduct-time-3', '0,application/octet-stream,empty='],
      ['x-reduct-time-7', '2,text/csv,k="a, b",z=1'],
      ['x-reduct-time-9', '1,application/octet-stream'],
    ]);
    expect(request?.body.toString()).toBe('abc');
    expect(request?.headers['content-length']).toBe('3');
  });

  test('reaches nested entries and attachments below the prefix of the destination', async () => {
    log.append(BUCKET, 1, [{ ts: 1n, payload: Buffer.from('x') }]);
    log.append(BUCKET, 2, [{ ts: 1n, payload: Buffer.from('{}'), labels: ['key', 'k'] }]);
    await send(['line 1/press', 'line 1/press/$meta'], 'plant/a');
    expect(target.recordsOf('dst/plant/a/line 1/press')).toHaveLength(1);
    expect(target.recordsOf('dst/plant/a/line 1/press/$meta')[0]?.labels.get('key')).toBe('k');
  });

  test('ends after 85 records, with the record that reaches 8 MB, and before its headers are too long', async () => {
    const small = Array.from({ length: 200 }, (_, at) => ({
      ts: BigInt(at),
      payload: Buffer.from('x'),
    }));
    log.append(BUCKET, 1, small);
    for (let ts = 1000; ts < 1020; ts++) {
      log.append(BUCKET, 2, [{ ts: BigInt(ts), payload: Buffer.alloc(900_000) }]);
    }
    const wordy = Array.from({ length: 80 }, (_, at) => ({
      ts: BigInt(at),
      payload: Buffer.from('y'),
      labels: ['text', `${at}`.padEnd(7_000, 'z')],
    }));
    log.append(BUCKET, 3, wordy);
    await send(['small', 'big', 'wordy']);
    const sizesOf = (entry: string) =>
      target.requests.filter(({ path }) => path.includes(`/${entry}/`));
    for (const { timestamps } of sizesOf('small')) {
      expect(timestamps.length).toBeLessThanOrEqual(85);
    }
    for (const { body } of sizesOf('big')) expect(body.length).toBeLessThan(8_000_000 + 900_000);
    for (const { headers } of sizesOf('wordy')) {
      const text = Object.entries(headers).reduce(
        (sum, [name, value]) => sum + name.length + String(value).length,
        0,
      );
      expect(text).toBeLessThan(300_000);
    }
    expect(target.recordsOf('dst/small')).toHaveLength(200);
    expect(target.recordsOf('dst/big')).toHaveLength(20);
    expect(target.recordsOf('dst/wordy')).toHaveLength(80);
  });

  test('carries a record above 8 MB alone', async () => {
    log.append(BUCKET, 1, [{ ts: 1n, payload: Buffer.from('before') }]);
    const payload = Buffer.alloc(9_000_000, 'large');
    log.appendLarge(BUCKET, 1, { ts: 2n, payload }, 1024 * 1024);
    log.append(BUCKET, 1, [{ ts: 3n, payload: Buffer.from('behind') }]);
    await send(['e']);
    expect(target.requests.map(({ timestamps }) => timestamps)).toEqual([[1n], [2n], [3n]]);
    expect(target.recordsOf('dst/e')[1]?.payload.equals(payload)).toBe(true);
  });
});

function record(ts: number, text: string, labels: Record<string, string> = {}): TestRecord {
  return { ts: BigInt(ts), payload: Buffer.from(text), labels };
}

describe('item 6: attachments and label updates', () => {
  const pair = usePair();

  async function setMode(mode: string): Promise<void> {
    await pair.source.api.ok('PATCH', '/replications/t/mode', {}, JSON.stringify({ mode }));
  }

  async function untilSent(): Promise<void> {
    await until(async () => {
      const { text } = await pair.source.api.ok('GET', '/replications/t?ext=1');
      const { info, extended } = JSON.parse(text);
      return info.pending_records === 0 && extended.lag_seconds === 0;
    });
  }

  /** @param dropped records that were removed here before they were sent. */
  async function expectNoErrors(dropped = 0): Promise<void> {
    const detail = async () =>
      JSON.parse((await pair.source.api.ok('GET', '/replications/t?ext=1')).text);
    // Counts are told at the end of a slice.
    await until(async () => (await detail()).extended.dropped_records === dropped);
    const { diagnostics, extended } = await detail();
    expect(Object.keys(diagnostics.hourly.errors)).toEqual(dropped === 0 ? [] : ['404']);
    expect([extended.dropped_records, extended.dead_letters]).toEqual([dropped, 0]);
  }

  test.each([
    ['one step after the other', false],
    ['with all steps pending together', true],
  ])('an attachment is written, replaced and removed, %s', async (_name, isTogether) => {
    const { source, target } = pair;
    const step = async (action: () => Promise<unknown>): Promise<void> => {
      await action();
      if (!isTogether) await untilSent();
    };
    await step(() => source.api.write('src', 'e', record(1, 'data')));
    if (isTogether) await setMode('paused');
    await step(() => source.api.write('src', 'e/$meta', record(1, '{"v":1}', { key: 'k' })));
    await step(() => source.api.write('src', 'e/$meta', record(2, '{"v":2}', { key: 'k' })));
    await step(() =>
      source.api.ok('PATCH', '/b/src/e/$meta?ts=2', { 'x-reduct-label-remove': 'true' }),
    );
    if (isTogether) await setMode('enabled');
    await untilSent();
    const removed = async () => target.api.call('GET', '/b/dst/e/$meta?ts=2');
    await until(async () => (await removed()).headers['x-reduct-label-remove'] === 'true');
    const answer = await removed();
    expect([answer.status, answer.text, answer.headers['x-reduct-label-key']]).toEqual([
      200,
      '{"v":2}',
      'k',
    ]);
    for (const [api, bucket] of [
      [source.api, 'src'],
      [target.api, 'dst'],
    ] as const) {
      expect([404, 409]).toContain((await api.call('GET', `/b/${bucket}/e/$meta?ts=1`)).status);
    }
    // The replaced one was gone before its turn, if all were pending.
    await expectNoErrors(isTogether ? 1 : 0);
  });

  test('labels follow: of a known record, of an unknown one, of an unknown entry, removed ones', async () => {
    const { source, target } = pair;
    await source.api.write('src', 'e', record(1, 'one', { keep: 'k', drop: 'd' }));
    await setMode('disabled');
    await source.api.write('src', 'e', record(2, 'two'));
    await source.api.write('src', 'other', record(3, 'three'));
    await setMode('enabled');
    await untilSent();
    expect((await target.api.call('GET', '/b/dst/e?ts=2')).status).toBe(404);
    const patch = (path: string, labels: Record<string, string>) =>
      source.api.ok('PATCH', `/b/src/${path}`, labels);
    await patch('e?ts=1', { 'x-reduct-label-keep': 'new', 'x-reduct-label-drop': '' });
    await patch('e?ts=2', { 'x-reduct-label-state': 'late' });
    await patch('other?ts=3', { 'x-reduct-label-state': 'late' });
    await until(async () => (await target.api.call('GET', '/b/dst/other?ts=3')).status === 200);
    await untilSent();
    const stored = [
      ...(await target.api.readAll('dst', 'e')),
      ...(await target.api.readAll('dst', 'other')),
    ];
    expect(stored.map(({ payload, labels }) => [payload.toString(), labels])).toEqual([
      ['one', { keep: 'new' }],
      ['two', { state: 'late' }],
      ['three', { state: 'late' }],
    ]);
    await expectNoErrors();
  });

  test('a record that is written and updated before it is sent arrives once, as it is', async () => {
    await setMode('paused');
    await pair.source.api.write('src', 'e', record(1, 'one', { state: 'raw' }));
    await pair.source.api.ok('PATCH', '/b/src/e?ts=1', { 'x-reduct-label-state': 'checked' });
    await setMode('enabled');
    await untilSent();
    const stored = await pair.target.api.readAll('dst', 'e');
    expect(stored.map(({ labels }) => labels)).toEqual([{ state: 'checked' }]);
    await expectNoErrors();
  });
});

describe('item 10: records removed by a quota before they are sent', () => {
  const pair = usePair();

  test('count as 404 and as dropped, and the rest is delivered', async () => {
    const { source, target } = pair;
    await source.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"paused"}');
    const quota = { quota_type: 'FIFO', quota_size: 300_000, max_block_records: 10 };
    await source.api.ok('PUT', '/b/src', {}, JSON.stringify(quota));
    const total = 100;
    for (let ts = 1; ts <= total; ts++) {
      await source.api.write('src', 'e', record(ts, `${ts}`.padEnd(10_000, '.')));
    }
    const kept = await source.api.readAll('src', 'e');
    expect(kept.length).toBeLessThan(total);
    await source.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
    await until(async () => (await target.api.readAll('dst', 'e')).length === kept.length);
    const lost = total - kept.length;
    const detail = async () =>
      JSON.parse((await source.api.ok('GET', '/replications/t?ext=1')).text);
    await until(async () => (await detail()).extended.dropped_records === lost);
    const { diagnostics, extended, info } = await detail();
    expect(diagnostics.hourly.errors['404'].count).toBe(lost);
    expect(info.pending_records).toBe(0);
    expect(extended.dead_letters).toBe(0);
    expect(extended.dropped_by_cause).toMatchObject({ quota: lost, unknown: 0 });
    // And what somebody removes by hand.
    await source.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"paused"}');
    for (const ts of [1001, 1002, 1003]) await source.api.write('src', 'e', record(ts, 'x'));
    await source.api.ok('DELETE', '/b/src/e?ts=1002');
    await source.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
    await until(async () => (await detail()).extended.dropped_by_cause.record_removed === 1);
    expect((await detail()).extended.dropped_by_cause.quota).toBe(lost);
    await source.api.ok('DELETE', '/b/src/e?ts=1001');
    await source.api.ok('DELETE', '/b/src/e?ts=1003');
    await target.api.ok('DELETE', '/b/dst/e?ts=1001');
    await target.api.ok('DELETE', '/b/dst/e?ts=1003');
    expect((await target.api.readAll('dst', 'e')).map(({ ts }) => ts)).toEqual(
      kept.map(({ ts }) => ts),
    );
  });
});
