/** Records that were removed before a task came to them are counted by what removed them. */
import { describe, expect, test } from 'vitest';
import { until } from '../lib/engine-fixture.ts';
import { TEST_TOKEN } from '../lib/instance.ts';
import { usePair } from '../lib/instance-pair.ts';

const METRIC = 'millrace_task_removed_at_source_by_cause_total';
const AUTHORIZED = { headers: { authorization: `Bearer ${TEST_TOKEN}` } };

const NOTHING = {
  quota: 0,
  lifecycle: 0,
  record_removed: 0,
  entry_removed: 0,
  bucket_removed: 0,
  unknown: 0,
};

describe('what a task does not find any more', () => {
  const pair = usePair();

  const setMode = (mode: string) =>
    pair.source.api.ok('PATCH', '/replications/t/mode', {}, JSON.stringify({ mode }));

  const extended = async () =>
    JSON.parse((await pair.source.api.ok('GET', '/replications/t?ext=1')).text).extended;

  const causes = async () => (await extended()).dropped_by_cause;

  async function write(entry: string, timestamps: readonly number[]): Promise<void> {
    for (const ts of timestamps) {
      const record = { ts: BigInt(ts), payload: Buffer.from(`${ts}`), labels: {} };
      expect((await pair.source.api.write('src', entry, record)).status).toBe(200);
    }
  }

  async function drained(): Promise<void> {
    await setMode('enabled');
    await write('last', [Date.now()]);
    await until(async () => (await pair.target.api.readAll('dst', 'last')).length > 0, 25_000);
    const isEmpty = async () =>
      JSON.parse((await pair.source.api.ok('GET', '/replications/t')).text).info.pending_records ===
      0;
    await until(isEmpty, 25_000);
  }

  test('was removed one by one, by a query, or with its entry, and each is told', async () => {
    await setMode('paused');
    await write('a', [1, 2, 3, 4, 5, 6]);
    await write('b', [1, 2, 3]);
    await pair.source.api.ok('DELETE', '/b/src/a?ts=2');
    const query = { query_type: 'REMOVE', start: 4, stop: 6 };
    await pair.source.api.ok('POST', '/b/src/a/q', {}, JSON.stringify(query));
    await pair.source.api.ok('DELETE', '/b/src/b');
    await until(
      async () => (await pair.source.api.call('GET', '/b/src/b/q')).status === 404,
      25_000,
    );
    await drained();
    await until(async () => (await extended()).dropped_records === 6, 25_000);
    expect(await causes()).toEqual({ ...NOTHING, record_removed: 3, entry_removed: 3 });
    const metrics = await (await fetch(`${pair.source.url}/metrics`, AUTHORIZED)).text();
    expect(metrics).toContain(`${METRIC}{task="t",cause="record_removed"} 3`);
    expect(metrics).toContain(`${METRIC}{task="t",cause="unknown"} 0`);
    // What was sent before it was removed is no loss.
    await pair.source.api.ok('DELETE', '/b/src/a?ts=1');
    await drained();
    expect((await extended()).dropped_records).toBe(6);
  }, 90_000);

  test('goes with its bucket, and stays counted when another one comes in its place', async () => {
    await setMode('paused');
    await write('a', [1, 2, 3, 4]);
    await pair.source.api.ok('DELETE', '/b/src');
    await until(async () => (await extended()).dropped_records === 4, 25_000);
    expect(await causes()).toEqual({ ...NOTHING, bucket_removed: 4 });
    await until(async () => (await pair.source.api.call('POST', '/b/src')).status === 200, 25_000);
    await drained();
    expect(await causes()).toEqual({ ...NOTHING, bucket_removed: 4 });
  }, 90_000);

  test('is of an unknown cause after a restart in between, and what was known is kept', async () => {
    await setMode('paused');
    await write('a', [1, 2]);
    await pair.source.api.ok('DELETE', '/b/src/a?ts=1');
    await drained();
    await until(async () => (await causes()).record_removed === 1, 25_000);
    await setMode('paused');
    await write('a', [11, 12, 13]);
    await pair.source.api.ok('DELETE', '/b/src/a?ts=12');
    pair.source = await pair.source.restart();
    await drained();
    await until(async () => (await extended()).dropped_records === 2, 25_000);
    expect(await causes()).toEqual({ ...NOTHING, record_removed: 1, unknown: 1 });
  }, 90_000);
});
