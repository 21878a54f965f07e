/** Filters decide when a record is written or its labels change, not when it is sent (replication §2.1). */
import { describe, expect, test } from 'vitest';
import type { TestRecord } from '../lib/api.ts';
import { until as untilWithin } from '../lib/engine-fixture.ts';
import { usePair } from '../lib/instance-pair.ts';

function record(ts: number, labels: Record<string, string> = {}): TestRecord {
  return { ts: BigInt(ts), payload: Buffer.from(`record ${ts}`), labels };
}

const pair = usePair();

function until(condition: () => Promise<boolean>): Promise<void> {
  return untilWithin(condition, 50_000);
}

async function setMode(mode: string): Promise<void> {
  await pair.source.api.ok('PATCH', '/replications/t/mode', {}, JSON.stringify({ mode }));
}

async function put(changes: object): Promise<void> {
  const { settings } = JSON.parse((await pair.source.api.ok('GET', '/replications/t')).text);
  const body = JSON.stringify({ ...settings, ...changes });
  await pair.source.api.ok('PUT', '/replications/t', {}, body);
}

async function write(entry: string, ts: number, labels?: Record<string, string>): Promise<void> {
  expect((await pair.source.api.write('src', entry, record(ts, labels))).status).toBe(200);
}

async function relabel(entry: string, ts: number, state: string): Promise<void> {
  await pair.source.api.ok('PATCH', `/b/src/${entry}?ts=${ts}`, { 'x-reduct-label-state': state });
}

async function untilSent(): Promise<void> {
  await until(async () => {
    const { text } = await pair.source.api.ok('GET', '/replications/t?ext=1');
    const { info, extended } = JSON.parse(text);
    return info.pending_records === 0 && extended.lag_seconds === 0 && extended.backfills === 0;
  });
}

async function arrived(entry = 'e'): Promise<(readonly [number, string | undefined])[]> {
  const records = await pair.target.api.readAll('dst', entry);
  return records.map(({ ts, labels }) => [Number(ts), labels['state']]);
}

describe('labels that change before a record is sent', { timeout: 120_000 }, () => {
  test.each([
    ['include', { include: { state: 'raw' } }],
    ['exclude', { exclude: { state: 'done' } }],
    ['a condition', { when: { '&state': { $eq: 'raw' } } }],
    ['a condition behind sampling', { each_n: 1, when: { '&state': { $eq: 'raw' } } }],
  ])(
    'do not take it from a task with %s: it goes with the labels it has',
    async (_name, filters) => {
      await put({ ...filters, mode: 'paused' });
      for (const ts of [1, 2, 3]) await write('e', ts, { state: 'raw' });
      await relabel('e', 1, 'checked');
      await relabel('e', 1, 'done');
      await relabel('e', 2, 'done');
      pair.source = await pair.source.restart();
      await relabel('e', 3, 'done');
      await setMode('enabled');
      await untilSent();
      await until(async () => (await arrived()).length === 3);
      expect((await arrived()).map(([ts]) => ts)).toEqual([1, 2, 3]);
      expect(await arrived()).toContainEqual([2, 'done']);
      expect(await arrived()).toContainEqual([3, 'done']);
    },
  );

  test('bring in a record that was left out when it was written', async () => {
    await put({ include: { state: 'good' }, mode: 'paused' });
    await write('e', 1, { state: 'bad' });
    await write('e', 2, { state: 'bad' });
    await relabel('e', 2, 'good');
    await setMode('enabled');
    await untilSent();
    expect(await arrived()).toEqual([[2, 'good']]);
  });

  test('count for a back-fill, which is asked for now', async () => {
    await put({ include: { state: 'good' }, mode: 'disabled' });
    await write('e', 1, { state: 'good' });
    await write('e', 2, { state: 'bad' });
    await relabel('e', 1, 'bad');
    await relabel('e', 2, 'good');
    await setMode('enabled');
    await pair.source.api.ok('POST', '/replications/t/backfills', {}, '{}');
    await until(async () => (await arrived()).length > 0);
    await untilSent();
    expect(await arrived()).toEqual([[2, 'good']]);
  });
});

describe('a PUT of other filters', { timeout: 120_000 }, () => {
  async function pending(): Promise<number> {
    const { text } = await pair.source.api.ok('GET', '/replications/t');
    return JSON.parse(text).info.pending_records;
  }

  test('counts for what is written from then on: what waits neither falls out nor comes in', async () => {
    await put({ include: { state: 'good' }, mode: 'paused' });
    await write('e', 1, { state: 'good' });
    await write('e', 2, { state: 'bad' });
    await put({ include: { state: 'bad' }, mode: 'paused' });
    await write('e', 3, { state: 'good' });
    await write('e', 4, { state: 'bad' });
    await put({ include: {}, entries: ['other'], mode: 'paused' });
    await write('e', 5, { state: 'good' });
    await write('other', 6, { state: 'bad' });
    await until(async () => (await pending()) === 3);
    pair.source = await pair.source.restart();
    await until(async () => (await pending()) === 3);
    await setMode('enabled');
    await untilSent();
    expect(await arrived()).toEqual([
      [1, 'good'],
      [4, 'bad'],
    ]);
    expect(await arrived('other')).toEqual([[6, 'bad']]);
    await write('e', 7);
    await write('other', 8);
    await until(async () => (await arrived('other')).length === 2);
    expect(await arrived()).toHaveLength(2);
  });

  test('does not set back the counters of what waits, and begins anew behind it', async () => {
    await put({ each_n: 3, mode: 'enabled' });
    await write('e', 1);
    await write('e', 2);
    await until(async () => (await arrived()).length === 1);
    await untilSent();
    await setMode('paused');
    for (const ts of [3, 4, 5]) await write('e', ts);
    await put({ each_n: 2, mode: 'enabled' });
    for (const ts of [6, 7, 8]) await write('e', ts);
    await untilSent();
    await until(async () => (await arrived()).length === 4);
    expect((await arrived()).map(([ts]) => ts)).toEqual([1, 4, 6, 8]);
  });

  test('that keeps them sends everything to the new destination', async () => {
    await put({ include: { state: 'good' }, mode: 'paused' });
    await write('e', 1, { state: 'good' });
    await write('e', 2, { state: 'bad' });
    await put({ exclude: { x: 'y' }, mode: 'paused' });
    await put({ dst_bucket: 'elsewhere', mode: 'enabled' });
    await untilSent();
    await until(async () => (await pair.target.api.readAll('elsewhere', 'e')).length === 1);
    expect(await arrived()).toEqual([]);
  });

  test('takes what waits under settings that nobody understands to be meant by it', async () => {
    await put({ include: { state: 'good' }, mode: 'paused' });
    await write('e', 1, { state: 'bad' });
    await put({ filter_of_tomorrow: 1, mode: 'enabled' });
    await write('e', 2, { state: 'bad' });
    const { settings } = JSON.parse((await pair.source.api.ok('GET', '/replications/t')).text);
    expect(settings.include).toEqual({ state: 'good' });
    await put({ include: { state: 'bad' }, mode: 'enabled' });
    await until(async () => (await arrived()).length === 1);
    await untilSent();
    expect(await arrived()).toEqual([[2, 'bad']]);
  });

  test('is refused when too many of them wait for records', async () => {
    await put({ mode: 'paused' });
    for (let at = 1; at <= 64; at++) {
      await write('e', at);
      await put({ include: { state: `${at}` }, mode: 'paused' });
    }
    await write('e', 65);
    const { settings } = JSON.parse((await pair.source.api.ok('GET', '/replications/t')).text);
    const body = JSON.stringify({ ...settings, include: { state: 'last' } });
    const refused = await pair.source.api.call('PUT', '/replications/t', {}, body);
    expect([refused.status, refused.error]).toEqual([
      409,
      'Records wait under 64 former filters of this replication: let it send them before the next change',
    ]);
    await setMode('enabled');
    await untilSent();
    expect((await arrived()).map(([ts]) => ts)).toEqual([1]);
    await pair.source.api.ok('PUT', '/replications/t', {}, body);
  });
});
