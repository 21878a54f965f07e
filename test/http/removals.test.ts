/** Removal by query and of entries over real sockets (http-api-records §2.5, §5.5). */
import { beforeAll, describe, expect, test } from 'vitest';
import { FrontClient } from '../lib/front-client.ts';
import { useFront } from '../lib/front-harness.ts';

const open = useFront();
let client: FrontClient;

beforeAll(async () => {
  client = new FrontClient(open());
  await client.api('POST', '/b/data');
});

describe('removal by query', () => {
  const remove = async (path: string, document: object): Promise<string> => {
    const body = JSON.stringify({ query_type: 'REMOVE', ...document });
    const response = await client.api('POST', path, { body });
    expect(response.status).toBe(200);
    expect(response.header('content-type')).toBe('application/json');
    return response.body.toString();
  };

  test('takes a range, a condition, or the context of matches', async () => {
    const entry = await client.newEntry([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const ts of [3, 8]) {
      await client.api('PATCH', `/b/data/${entry}?ts=${ts}`, {
        headers: { 'x-reduct-label-hit': 'true' },
      });
    }
    const path = `/b/data/${entry}/q`;
    expect(await remove(path, { start: 5, stop: 7 })).toBe('{"removed_records":2}');
    const when = { '#ctx_before': 1, '&hit': { $eq: true } };
    expect(await remove(path, { when })).toBe('{"removed_records":4}');
    expect(await client.timesOf(entry)).toEqual([1, 4, 9]);
    expect(await remove(path, { start: 2, when: { $limit: 1 } })).toBe('{"removed_records":1}');
    expect(await remove(path, { strict: false })).toBe('{"removed_records":2}');
    expect((await client.figuresOf(entry)).record_count).toBe(0);
    expect(await remove(path, { start: 100 })).toBe('{"removed_records":0}');
  });

  test('the parameters of old clients', async () => {
    const entry = await client.newEntry([1, 2, 3, 4, 5, 6]);
    const response = await client.api('DELETE', `/b/data/${entry}/q?start=2&stop=6&each_n=2`);
    expect([response.status, response.body.toString()]).toEqual([200, '{"removed_records":2}']);
    expect(await client.timesOf(entry)).toEqual([1, 3, 5, 6]);
  });

  test('nothing said is refused', async () => {
    const entry = await client.newEntry([1]);
    const text = 'Define at least one query parameter to delete records';
    for (const body of ['{"query_type":"REMOVE"}', '{"query_type":"REMOVE","when":null,"x":1}']) {
      expect(await client.outcome('POST', `/b/data/${entry}/q`, { body })).toEqual([422, text]);
      expect(await client.outcome('POST', '/io/data/q', { body })).toEqual([422, text]);
    }
    expect(await client.outcome('DELETE', `/b/data/${entry}/q`)).toEqual([422, text]);
    expect(await client.outcome('DELETE', `/b/data/${entry}/q?other=1`)).toEqual([422, text]);
    expect(await client.timesOf(entry)).toEqual([1]);
  });

  test('an entry that is not there is created; its name counts', async () => {
    expect(await remove('/b/data/new/sub/q', { start: 5 })).toBe('{"removed_records":0}');
    expect((await client.figuresOf('new/sub')).record_count).toBe(0);
    expect((await client.figuresOf('new')).record_count).toBe(0);
    const body = '{"query_type":"REMOVE","start":1}';
    expect((await client.outcome('POST', '/b/data/a.b/q', { body }))[0]).toBe(422);
    expect(await client.outcome('POST', '/b/none/e/q', { body })).toEqual([
      404,
      "Bucket 'none' is not found",
    ]);
  });

  test('in strict mode the error of the condition is the answer', async () => {
    const entry = await client.newEntry([1, 2]);
    const body = JSON.stringify({
      query_type: 'REMOVE',
      when: { '&no': { $eq: 1 } },
      strict: true,
    });
    const [status] = await client.outcome('POST', `/b/data/${entry}/q`, { body });
    expect(status).toBe(404);
    expect(await client.timesOf(entry)).toEqual([1, 2]);
  });

  test('over several entries, never over attachments', async () => {
    const entry = await client.newEntry([1, 2]);
    const other = await client.newEntry([1]);
    const headers = { 'x-reduct-label-key': 'k' };
    await client.api('POST', `/b/data/${entry}/$meta?ts=1`, { headers, body: '{}' });
    const document = { entries: [entry, `${entry}/$meta`], start: 0 };
    expect(await remove('/io/data/q', document)).toBe('{"removed_records":2}');
    expect(await client.timesOf(entry)).toEqual([]);
    expect(await client.timesOf(other)).toEqual([1]);
    expect(await client.timesOf(`${entry}/$meta`)).toEqual([1]);
  });
});

describe('removing an entry', () => {
  /** Ends when the entry is gone. */
  const untilGone = async (entry: string): Promise<void> => {
    for (;;) {
      const [status] = await client.outcome('HEAD', `/b/data/${entry}`);
      if (status === 404) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  test('takes descendants and attachments along', async () => {
    const entry = await client.newEntry([1]);
    await client.api('POST', `/b/data/${entry}/sub/sub?ts=1`, { body: 'x' });
    const headers = { 'x-reduct-label-key': 'k' };
    await client.api('POST', `/b/data/${entry}/$meta?ts=1`, { headers, body: '{}' });
    expect(await client.outcome('DELETE', `/b/data/${entry}`)).toEqual([200, undefined]);
    for (const name of [entry, `${entry}/sub`, `${entry}/sub/sub`, `${entry}/$meta`]) {
      await untilGone(name);
    }
    expect(await client.outcome('DELETE', `/b/data/${entry}`)).toEqual([
      404,
      `Entry '${entry}' not found in bucket 'data'`,
    ]);
    const document = (await client.api('GET', '/b/data')).body.toString();
    expect(document).not.toContain(`"${entry}`);
  });

  test('meanwhile it answers 409', async () => {
    const entry = await client.newEntry([1]);
    const found = client.front.inner.store.catalog.entry('data', entry);
    found.status = 'DELETING';
    const text = `Entry '${entry}' in bucket 'data' is being deleted`;
    const refused: [method: string, path: string][] = [
      ['PATCH', `?ts=1`],
      ['DELETE', `?ts=1`],
      ['DELETE', ''],
      ['PATCH', '/batch'],
      ['DELETE', '/batch'],
      ['DELETE', '/q?start=0'],
      ['GET', ''],
      ['GET', '/q'],
    ];
    for (const [method, suffix] of refused) {
      expect([suffix, await client.outcome(method, `/b/data/${entry}${suffix}`)]).toEqual([
        suffix,
        [409, text],
      ]);
    }
    const rename = { body: '{"new_name":"other"}' };
    expect(await client.outcome('PUT', `/b/data/${entry}/rename`, rename)).toEqual([409, text]);
    expect(await client.outcome('PUT', '/b/data', { body: '{}' })).toEqual([409, text]);
    found.status = 'READY';
  });
});
