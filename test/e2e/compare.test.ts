/** Comparison and repair between two real instances, with differences made by hand. */
import { describe, expect, test } from 'vitest';
import type { TestRecord } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { usePair } from '../lib/instance-pair.ts';

const COMPARE = '/replications/t/compare';
const pair = usePair();

function record(ts: number, text: string, labels: Record<string, string> = {}): TestRecord {
  return { ts: BigInt(ts), payload: Buffer.from(text), labels };
}

function many(from: number, count: number): TestRecord[] {
  return Array.from({ length: count }, (_, at) => record(from + at, `record ${from + at}`));
}

/** Writes records at the source and waits until the task has sent everything. */
async function write(entry: string, records: readonly TestRecord[]): Promise<void> {
  for (let at = 0; at < records.length; at += 80) {
    await pair.source.api.writeBatch('src', entry, records.slice(at, at + 80));
  }
  await untilSent();
}

async function untilSent(): Promise<void> {
  await until(async () => {
    const { text } = await pair.source.api.ok('GET', '/replications/t?ext=1');
    const { info, extended } = JSON.parse(text);
    return info.pending_records === 0 && extended.lag_seconds === 0;
  });
}

async function compare(request: object = {}) {
  await pair.source.api.ok('POST', COMPARE, {}, JSON.stringify(request));
  await until(async () => (await comparison()).state !== 'running');
  return comparison();
}

async function comparison() {
  return JSON.parse((await pair.source.api.ok('GET', COMPARE)).text);
}

async function change(mode: string): Promise<void> {
  await pair.source.api.ok('PATCH', '/replications/t/mode', {}, JSON.stringify({ mode }));
}

async function put(changes: object): Promise<void> {
  const { settings } = JSON.parse((await pair.source.api.ok('GET', '/replications/t')).text);
  const body = JSON.stringify({ ...settings, ...changes });
  await pair.source.api.ok('PUT', '/replications/t', {}, body);
}

describe('a comparison', () => {
  test('finds nothing where everything arrived', async () => {
    await write('a', many(1, 300));
    await write('line/1/b', [record(5, '', { event: 'tick' })]);
    await pair.source.api.write('src', 'a', {
      ts: 1000n,
      payload: Buffer.alloc(2_500_000, 'large'),
      labels: { unit: 'V' },
    });
    await untilSent();
    for (const hashes of [false, true]) {
      const result = await compare({ hashes });
      expect(result).toMatchObject({
        start: null,
        stop: null,
        state: 'done',
        error: null,
        hashes,
        repair: false,
        is_exact: true,
        pending_records: 0,
        totals: { source_records: 302, target_records: 302, equal: 302, missing: 0, extra: 0 },
        differences: [],
        differences_total: 0,
      });
      expect(result.totals.source_bytes).toBe(result.totals.target_bytes);
      expect(
        result.entries.map(({ entry, equal }: Record<string, unknown>) => [entry, equal]),
      ).toEqual(
        // Parents of a nested entry are entries, too.
        expect.arrayContaining([
          ['a', 301],
          ['line/1/b', 1],
        ]),
      );
    }
  });

  test('finds every kind of difference, and repairs what can be repaired', async () => {
    const { api: source } = pair.source;
    const { api: target } = pair.target;
    await write('a', many(1, 10));
    await write('b', [record(1, 'of an entry that is gone there', { x: '1' })]);
    await change('disabled');
    await target.ok('DELETE', '/b/dst/b');
    for (const ts of [2, 3, 4, 5]) await target.ok('DELETE', `/b/dst/a?ts=${ts}`);
    await target.write('dst', 'a', record(3, 'another size'));
    await target.write('dst', 'a', record(4, 'tecord 4'));
    await target.write('dst', 'a', record(5, 'record 5', { by: 'hand' }));
    await target.write('dst', 'a', record(77, 'only there'));
    await source.ok('PATCH', '/b/src/a?ts=6', { 'x-reduct-label-state': 'checked' });
    await target.ok('PATCH', '/b/dst/a?ts=7', { 'x-reduct-label-note': 'theirs' });

    const found = await compare({ hashes: true });
    expect(found.totals).toMatchObject({
      source_records: 11,
      target_records: 10,
      equal: 4,
      missing: 2,
      other_size: 1,
      other_labels: 3,
      other_content: 1,
      extra: 1,
      repaired: 0,
    });
    expect(found.differences).toEqual([
      { entry: 'a', ts: 2, kind: 'missing', detail: '8 bytes', repaired: 'no' },
      {
        entry: 'a',
        ts: 3,
        kind: 'other_size',
        detail: '8 bytes here, 12 bytes there',
        repaired: 'no',
      },
      {
        entry: 'a',
        ts: 4,
        kind: 'other_content',
        detail: '8 bytes on both sides',
        repaired: 'no',
      },
      { entry: 'a', ts: 5, kind: 'other_labels', detail: 'labels by', repaired: 'no' },
      { entry: 'a', ts: 6, kind: 'other_labels', detail: 'labels state', repaired: 'no' },
      { entry: 'a', ts: 7, kind: 'other_labels', detail: 'labels note', repaired: 'no' },
      {
        entry: 'a',
        ts: 77,
        kind: 'extra',
        detail: 'the source has no record of that timestamp',
        repaired: 'no',
      },
      { entry: 'b', ts: 1, kind: 'missing', detail: '30 bytes', repaired: 'no' },
    ]);
    // Without contents one byte of a difference cannot be seen.
    expect((await compare()).totals).toMatchObject({ other_content: 0, equal: 5 });

    const repaired = await compare({ hashes: true, repair: true });
    expect(repaired.totals).toMatchObject({ missing: 2, other_labels: 3, repaired: 5 });
    expect(repaired.totals.repair_failed).toBe(0);
    const left = await compare({ hashes: true });
    expect(left.totals).toMatchObject({
      missing: 0,
      other_labels: 0,
      other_size: 1,
      other_content: 1,
      extra: 1,
      equal: 9,
    });
    const stored = await target.readAll('dst', 'a');
    expect(stored.find(({ ts }) => ts === 3n)?.payload.toString()).toBe('another size');
    expect(stored.find(({ ts }) => ts === 6n)?.labels).toEqual({ state: 'checked' });
    expect(stored.find(({ ts }) => ts === 7n)?.labels).toEqual({});
    expect((await target.readAll('dst', 'b'))[0]?.labels).toEqual({ x: '1' });
  });

  test('never overwrites content when only labels and content differ in a record of the same size', async () => {
    await write('a', [record(1, 'ours', { x: '1' })]);
    await change('disabled');
    await pair.target.api.ok('DELETE', '/b/dst/a?ts=1');
    await pair.target.api.write('dst', 'a', record(1, 'them', { x: '2' }));
    const result = await compare({ repair: true });
    expect(result.differences).toMatchObject([{ kind: 'other_content', repaired: 'no' }]);
    const [stored] = await pair.target.api.readAll('dst', 'a');
    expect([stored?.payload.toString(), stored?.labels]).toEqual(['them', { x: '2' }]);
  });

  test('keeps to a range of time and sends thousands of missing records, in the order of time', async () => {
    await write('a', many(1, 3000));
    await change('disabled');
    await pair.target.api.ok('DELETE', '/b/dst/a');
    await until(async () => (await pair.target.api.readAll('dst', 'a')).length === 0);
    const part = await compare({ start: 1001, stop: 2001, repair: true });
    expect(part).toMatchObject({ start: 1001, stop: 2001, state: 'done' });
    expect(part.totals).toMatchObject({ source_records: 1000, missing: 1000, repaired: 1000 });
    expect(part.differences).toHaveLength(1000);
    const stored = await pair.target.api.readAll('dst', 'a');
    expect(stored.map(({ ts }) => Number(ts))).toEqual(
      Array.from({ length: 1000 }, (_, at) => 1001 + at),
    );
    const all = await compare({ repair: true });
    expect(all.totals).toMatchObject({ missing: 2000, repaired: 2000, equal: 1000 });
    expect([all.differences.length, all.differences_total]).toEqual([1000, 2000]);
    expect((await compare()).totals).toMatchObject({ equal: 3000, missing: 0 });
  });

  test('expects what the filters of the task let through', async () => {
    const records = many(1, 6).map((one) => ({
      ...one,
      labels: { grade: `${Number(one.ts) % 3}` },
    }));
    await write('a', records);
    await write('other', many(1, 2));
    await change('disabled');
    await put({ mode: 'disabled', entries: ['a'], when: { '&grade': { $gt: 0 } } });
    const result = await compare();
    expect(result).toMatchObject({
      is_exact: true,
      totals: { source_records: 4, equal: 4, extra: 2, missing: 0 },
    });
    expect(result.differences).toMatchObject([
      { ts: 3, kind: 'extra', detail: 'the filters leave it out' },
      { ts: 6, kind: 'extra' },
    ]);
    await put({ mode: 'disabled', when: null, each_n: 2 });
    await pair.target.api.ok('DELETE', '/b/dst/a?ts=2');
    expect(await compare({ repair: true })).toMatchObject({
      is_exact: false,
      totals: { equal: 5, undecided: 1, missing: 0, repaired: 0 },
      differences: [],
    });
  });

  test('leaves attachments that are removed out on both sides', async () => {
    await write('a', [record(1, 'x')]);
    await pair.source.api.write('src', 'a/$meta', record(1, '{}', { key: 'k' }));
    await pair.source.api.write('src', 'a/$meta', record(2, '{"b":1}', { key: 'l' }));
    await untilSent();
    await pair.source.api.ok('PATCH', '/b/src/a/$meta?ts=1', { 'x-reduct-label-remove': 'true' });
    await untilSent();
    const result = await compare({ hashes: true });
    expect(result.totals).toMatchObject({ equal: 2, missing: 0, extra: 0 });
  });

  test('gives up with the reason when the target refuses the token', async () => {
    await write('a', many(1, 5));
    await put({ dst_token: 'wrong' });
    const refused = await compare();
    expect(refused).toMatchObject({ state: 'failed' });
    expect(refused.error).toContain('Invalid token');
  });

  test('can be cancelled, and runs once at a time', async () => {
    const { api } = pair.source;
    expect((await api.call('GET', COMPARE)).status).toBe(404);
    expect((await api.call('DELETE', COMPARE)).status).toBe(404);
    for (const body of ['{"start":"x"}', '{"repair":1}', '{"start":5,"stop":1}', '{', '[]']) {
      expect((await api.call('POST', COMPARE, {}, body)).status).toBe(422);
    }
    await write('a', many(1, 2));
    await pair.target.stop();
    try {
      await api.ok('POST', COMPARE, {}, '{}');
      const second = await api.call('POST', COMPARE, {}, '{}');
      expect([second.status, second.error]).toEqual([
        409,
        "Replication 't' is being compared already; DELETE ends that",
      ]);
      const cancelled = JSON.parse((await api.ok('DELETE', COMPARE)).text);
      expect(cancelled).toMatchObject({ state: 'cancelled', error: null });
      expect(cancelled.finished_at).not.toBeNull();
      expect((await api.call('DELETE', COMPARE)).status).toBe(409);
      await api.ok('POST', COMPARE, {}, '{}');
      await api.ok('DELETE', '/replications/t');
      expect((await api.call('GET', COMPARE)).status).toBe(404);
    } finally {
      pair.target = await pair.target.restart();
    }
  });
});
