/** Dead letters over HTTP, between two real instances. */
import { describe, expect, test } from 'vitest';
import type { TestRecord } from '../lib/api.ts';
import { until } from '../lib/engine-fixture.ts';
import { usePair } from '../lib/instance-pair.ts';
import { TEST_TOKEN } from '../lib/instance.ts';

const LETTERS = '/replications/t/dead_letters';

const pair = usePair();

function record(ts: bigint, text: string, labels: Record<string, string> = {}): TestRecord {
  return { ts, payload: Buffer.from(text), labels };
}

async function letters(query = '') {
  return JSON.parse((await pair.source.api.ok('GET', `${LETTERS}${query}`)).text);
}

/** Two records whose timestamps the target has already. */
async function makeConflicts(): Promise<void> {
  for (const ts of [1n, 2n])
    await pair.target.api.write('dst', 'e', record(ts, 'of somebody else'));
  for (const ts of [1n, 2n, 3n]) await pair.source.api.write('src', 'e', record(ts, `ours ${ts}`));
  await until(async () => (await letters()).total === 2);
}

const post = (path: string, body: string) => pair.source.api.call('POST', path, {}, body);
const remove = (path: string, body: string) => pair.source.api.call('DELETE', path, {}, body);

describe('dead letters', () => {
  test('are listed, sent again with the labels that their records have now, and leave the list', async () => {
    await makeConflicts();
    const page = await letters('?limit=1');
    expect(page.dead_letters).toMatchObject([
      { entry: 'e', ts: 1, reason: 'conflict', status: 409, size: 6, is_at_source: true },
    ]);
    expect((await letters(`?after=${page.next}&entry=e`)).dead_letters).toMatchObject([{ ts: 2 }]);
    await pair.source.api.ok('PATCH', '/b/src/e?ts=1', { 'x-reduct-label-state': 'checked' });
    await pair.target.api.ok('DELETE', '/b/dst/e?ts=1');
    const retried = await post(`${LETTERS}/retry`, '{"all":true}');
    expect([retried.status, retried.text]).toEqual([200, '{"queued":2}']);
    await until(async () => (await letters()).total === 1 && (await letters()).queued === 0);
    expect((await letters()).dead_letters).toMatchObject([{ ts: 2, attempts: 2 }]);
    const stored = await pair.target.api.readAll('dst', 'e');
    expect(stored.map(({ ts, payload, labels }) => [ts, payload.toString(), labels])).toEqual([
      [1n, 'ours 1', { state: 'checked' }],
      [2n, 'of somebody else', {}],
      [3n, 'ours 3', {}],
    ]);
  });

  test('survive a restart, and so does the wish to send them again', async () => {
    await makeConflicts();
    await pair.source.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"paused"}');
    await pair.target.api.ok('DELETE', '/b/dst/e?ts=2');
    const [, second] = (await letters()).dead_letters;
    expect((await post(`${LETTERS}/retry`, `{"ids":[${second.id}]}`)).text).toBe('{"queued":1}');
    pair.source = await pair.source.restart();
    expect(await letters()).toMatchObject({ total: 2, queued: 1 });
    await pair.source.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
    await until(async () => (await letters()).total === 1);
    expect(
      (await pair.target.api.readAll('dst', 'e')).map(({ payload }) => payload.toString()),
    ).toEqual(['of somebody else', 'ours 2', 'ours 3']);
  });

  test('of an entry that was removed are gone, and counted so when they are tried', async () => {
    await makeConflicts();
    await pair.source.api.ok('DELETE', '/b/src/e');
    await until(async () => (await letters()).dead_letters[0].is_at_source === false);
    expect((await post(`${LETTERS}/retry`, '{"entry":"e"}')).text).toBe('{"queued":2}');
    await until(async () => (await letters()).total === 0);
    const metrics = await fetch(`${pair.source.url}/metrics`, {
      headers: { authorization: `Bearer ${TEST_TOKEN}` },
    });
    expect(await metrics.text()).toContain(
      'millrace_task_dead_letters_retried_total{task="t",outcome="gone"} 2',
    );
  });

  test('are given up by whoever says so, counted', async () => {
    await makeConflicts();
    expect((await remove(LETTERS, '{"all":true}')).text).toBe('{"discarded":2}');
    expect(await letters()).toEqual({ dead_letters: [], next: null, total: 0, queued: 0 });
    const { extended } = JSON.parse(
      (await pair.source.api.ok('GET', '/replications/t?ext=1')).text,
    );
    expect(extended).toMatchObject({
      dead_letters: 0,
      dead_letter_counts: { added: 2, discarded: 2, delivered: 0 },
    });
  });

  test('are touched only by a request that says which', async () => {
    for (const body of ['{}', '{"all":false}', '{"all":true,"entry":"e"}', '{"ids":"1"}', 'x']) {
      for (const answer of [await post(`${LETTERS}/retry`, body), await remove(LETTERS, body)]) {
        expect(answer.status).toBe(422);
      }
    }
    const missing = await post('/replications/x/dead_letters/retry', '{"all":true}');
    expect([missing.status, missing.error]).toEqual([404, "Replication 'x' does not exist"]);
    for (const query of ['?limit=0', '?limit=1001', '?after=x']) {
      expect((await pair.source.api.call('GET', `${LETTERS}${query}`)).status).toBe(422);
    }
  });
});
