/** Attachments: records of `$meta` entries, over real sockets (http-api-extras §2). */
import { beforeAll, describe, expect, test } from 'vitest';
import type { FrontHarness } from '../lib/front-harness.ts';
import { useFront } from '../lib/front-harness.ts';
import type { RawRequest, RawResponse } from '../lib/raw-http.ts';

const open = useFront();
let front: FrontHarness;
let count = 0;

beforeAll(async () => {
  front = open();
  await front.api('POST', '/b/data');
});

const api = (
  method: string,
  path: string,
  request?: Omit<RawRequest, 'method' | 'path'>,
): Promise<RawResponse> => front.api(method, path, request);

const newName = (): string => `e${count++}`;

const recordErrors = (response: RawResponse): readonly (readonly [string, string])[] =>
  response.headerLines.filter(([name]) => name.startsWith('x-reduct-error'));

/** What SDKs do: one protocol v2 batch, a microsecond between attachments. */
async function attach(
  entry: string,
  startTs: number,
  attachments: Readonly<Record<string, string>>,
): Promise<RawResponse> {
  const headers: Record<string, string> = {
    'x-reduct-entries': `${entry}%2F$meta`,
    'x-reduct-start-ts': String(startTs),
    'x-reduct-labels': 'key',
  };
  const all = Object.entries(attachments);
  for (const [i, [key, document]] of all.entries()) {
    headers[`x-reduct-0-${i}`] = `${document.length},application/json,0=${key}`;
  }
  const body = all.map(([, document]) => document).join('');
  return api('POST', '/io/data/write', { headers, body });
}

/** Content by key of what a query over the `$meta` entry returns. */
async function attachments(entry: string, when?: object): Promise<Record<string, string>> {
  const body = JSON.stringify({ query_type: 'QUERY', entries: [`${entry}/$meta`], when });
  const created = await api('POST', '/io/data/q', { body });
  expect(created.status).toBe(200);
  const { id } = JSON.parse(created.body.toString()) as { id: number };
  const found: Record<string, string> = {};
  for (;;) {
    const headers = { 'x-reduct-query-id': id };
    const batch = await api('GET', '/io/data/read', { headers });
    if (batch.status !== 200) return found;
    const records = batch.headerLines.filter(([name]) => /^x-reduct-0-[0-9]+$/.test(name));
    const names = batch.header('x-reduct-labels')?.split(',') ?? [];
    let at = 0;
    let key = '';
    for (const [, value] of records) {
      const [length = '', , ...delta] = value.split(',');
      for (const pair of delta) {
        const [index = '', text = ''] = pair.split('=');
        if (names[Number(index)] === 'key') key = text;
      }
      found[key] = batch.body.toString('utf8', at, at + Number(length));
      at += Number(length);
    }
  }
}

const text = {
  needsKey: (entry: string): string => `System entry '${entry}' records must contain label 'key'`,
  noTombstone: (entry: string): string =>
    `System entry '${entry}' does not support writing records with label 'remove=true'; use record update`,
  records: (entry: string): string =>
    `Can't delete records from system entry '${entry}'; use label update with remove=true`,
  entry: (entry: string): string =>
    `Can't delete system entry '${entry}'; remove the parent entry instead`,
};

describe('writing', () => {
  test('creates the parents, and keys like numbers stay texts', async () => {
    const entry = `${newName()}/sub`;
    const response = await attach(entry, 10, { '1': '{"a":1}', '2.5': '{}', $system: '[]' });
    expect([response.status, recordErrors(response)]).toEqual([200, []]);
    expect(await attachments(entry)).toEqual({ '1': '{"a":1}', '2.5': '{}', $system: '[]' });
    const document = (await api('GET', '/b/data')).body.toString();
    expect(document).toContain(`"${entry}"`);
    expect(document).not.toContain('$meta');
  });

  test('a key again replaces what it stood for, whatever the timestamps', async () => {
    const entry = newName();
    await attach(entry, 100, { a: 'old', b: 'b' });
    await attach(entry, 50, { a: 'new' });
    expect(await attachments(entry)).toEqual({ a: 'new', b: 'b' });
    expect((await api('GET', `/b/data/${entry}/$meta?ts=100`)).status).toBe(404);
    // Also at the very timestamp of the one that goes.
    const headers = { 'x-reduct-label-key': 'a' };
    const same = await api('POST', `/b/data/${entry}/$meta?ts=50`, { headers, body: 'newer' });
    expect(same.status).toBe(200);
    expect(await attachments(entry)).toEqual({ a: 'newer', b: 'b' });
  });

  test('the very same one again is there already, and no event for replication', async () => {
    const entry = newName();
    await attach(entry, 7, { a: 'a', b: 'b' });
    const { commits } = front.inner.store;
    const head = commits.headSequence;
    const again = await attach(entry, 7, { a: 'a', b: 'b' });
    expect([again.status, recordErrors(again)]).toEqual([200, []]);
    expect(commits.headSequence).toBe(head);
    await attach(entry, 7, { a: 'other' });
    expect(commits.headSequence).toBe(head + 1);
    expect(await attachments(entry)).toEqual({ a: 'other', b: 'b' });
  });

  test('a timestamp that another key holds is taken, and nothing is lost by the attempt', async () => {
    const entry = newName();
    await attach(entry, 1, { a: 'a', b: 'b' });
    const headers = { 'x-reduct-label-key': 'a' };
    const response = await api('POST', `/b/data/${entry}/$meta?ts=2`, { headers, body: 'x' });
    expect([response.status, response.header('x-reduct-error')]).toEqual([
      409,
      'A record with timestamp 2 already exists',
    ]);
    expect(await attachments(entry)).toEqual({ a: 'a', b: 'b' });
  });

  test('a key twice in one batch leaves the last one', async () => {
    const entry = newName();
    const response = await api('POST', `/b/data/${entry}/$meta/batch`, {
      headers: { 'x-reduct-time-1': '1,,key=k', 'x-reduct-time-2': '1,,key=k' },
      body: 'ab',
    });
    expect([response.status, recordErrors(response)]).toEqual([200, []]);
    expect(await attachments(entry)).toEqual({ k: 'b' });
  });

  test.each([
    ['$meta', {}, text.needsKey('$meta')],
    ['x/$meta', { 'x-reduct-label-other': '1' }, text.needsKey('x/$meta')],
    [
      'x/$meta',
      { 'x-reduct-label-key': 'k', 'x-reduct-label-remove': 'true' },
      text.noTombstone('x/$meta'),
    ],
  ])('%s with %j is refused', async (entry, headers, error) => {
    const response = await api('POST', `/b/data/${entry}?ts=1`, { headers, body: '{}' });
    expect([response.status, response.header('x-reduct-error')]).toEqual([422, error]);
  });

  test('in batches each record is judged alone', async () => {
    const entry = newName();
    const v1 = await api('POST', `/b/data/${entry}/$meta/batch`, {
      headers: {
        'x-reduct-time-1': '1,,key=k',
        'x-reduct-time-2': '1,,other=1',
        'x-reduct-time-3': '1,,key=x,remove=true',
      },
      body: 'abc',
    });
    expect([v1.status, recordErrors(v1)]).toEqual([
      200,
      [
        ['x-reduct-error-2', `422,${text.needsKey(`${entry}/$meta`)}`],
        ['x-reduct-error-3', `422,${text.noTombstone(`${entry}/$meta`)}`],
      ],
    ]);
    const v2 = await api('POST', '/io/data/write', {
      headers: {
        'x-reduct-entries': `${entry},${entry}%2F%24meta`,
        'x-reduct-start-ts': '10',
        'x-reduct-0-0': '1,',
        'x-reduct-1-0': '1,,a=1',
        'x-reduct-1-1': '1,,key=z',
      },
      body: 'abc',
    });
    expect([v2.status, recordErrors(v2)]).toEqual([
      200,
      [['x-reduct-error-1-0', `422,${text.needsKey(`${entry}/$meta`)}`]],
    ]);
    expect(await attachments(entry)).toEqual({ k: 'a', z: 'c' });
  });

  test('many at once by many clients leaves one per key', async () => {
    const entry = newName();
    const writes = Array.from({ length: 40 }, async (_, i) => {
      const headers = { 'x-reduct-label-key': `k${i % 4}` };
      const path = `/b/data/${entry}/$meta?ts=${i}`;
      return (await api('POST', path, { headers, body: String(i) })).status;
    });
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 40 }, () => 200));
    const left = await attachments(entry);
    expect(Object.keys(left).sort()).toEqual(['k0', 'k1', 'k2', 'k3']);
    const { stats } = front.inner.store.catalog.entry('data', `${entry}/$meta`);
    expect(stats.recordCount).toBe(4);
  });
});

describe('removing', () => {
  /** What SDKs do: find the records by key, then update their labels. */
  const bury = async (entry: string, ts: number): Promise<RawResponse> =>
    api('PATCH', '/io/data/update', {
      headers: {
        'x-reduct-entries': `${entry}%2F$meta`,
        'x-reduct-start-ts': String(ts),
        'x-reduct-0-0': '0,,remove=true',
      },
    });

  test('is a label update: hidden from queries, still there by its timestamp', async () => {
    const entry = newName();
    await attach(entry, 5, { a: 'a', b: 'b' });
    const when = { $in: [{ '&key': { $cast: 'string' } }, 'a'] };
    expect(await attachments(entry, when)).toEqual({ a: 'a' });
    const response = await bury(entry, 5);
    expect([response.status, recordErrors(response)]).toEqual([200, []]);
    expect(await attachments(entry)).toEqual({ b: 'b' });
    expect(await attachments(entry, when)).toEqual({});
    const read = await api('GET', `/b/data/${entry}/$meta?ts=5`);
    expect([read.status, read.header('x-reduct-label-remove')]).toEqual([200, 'true']);
    const v1 = await api('GET', `/b/data/${entry}/$meta/q`);
    const id = /\d+/.exec(v1.body.toString())?.[0];
    const batch = await api('GET', `/b/data/${entry}/$meta/batch?q=${id}`);
    expect(batch.body.toString()).toBe('b');
  });

  test('a key can be given anew; the tombstone stays and its timestamp stays taken', async () => {
    const entry = newName();
    await attach(entry, 5, { a: 'old' });
    await bury(entry, 5);
    expect(recordErrors(await attach(entry, 5, { a: 'x' }))).toHaveLength(1);
    expect(recordErrors(await attach(entry, 6, { a: 'new' }))).toEqual([]);
    expect(await attachments(entry)).toEqual({ a: 'new' });
    expect((await api('GET', `/b/data/${entry}/$meta?ts=5`)).status).toBe(200);
  });

  test('directly is refused', async () => {
    const entry = newName();
    const meta = `${entry}/$meta`;
    await attach(entry, 1, { a: 'a' });
    const refused: [path: string, error: string][] = [
      [`/b/data/${meta}?ts=1`, text.records(meta)],
      [`/b/data/${meta}?foo=1`, text.records(meta)],
      [`/b/data/${meta}/batch`, text.records(meta)],
      [`/b/data/${meta}/q?start=0`, text.records(meta)],
      [`/b/data/${meta}/q`, text.records(meta)],
      [`/b/data/${meta}`, text.entry(meta)],
      ['/b/data/$meta', text.entry('$meta')],
      ['/b/none/%24meta', text.entry('$meta')],
    ];
    for (const [path, error] of refused) {
      const response = await api('DELETE', path);
      expect([path, response.status, response.header('x-reduct-error')]).toEqual([
        path,
        422,
        error,
      ]);
    }
    expect(await attachments(entry)).toEqual({ a: 'a' });
  });
});

describe('attachments', () => {
  test('are selected by their exact name only', async () => {
    const entry = newName();
    await attach(entry, 1, { a: 'a' });
    const select = async (entries: readonly string[] | null): Promise<string> => {
      const body = JSON.stringify({ query_type: 'QUERY', entries, start: 0 });
      const created = await api('POST', '/io/data/q', { body });
      const { id } = JSON.parse(created.body.toString()) as { id: number };
      const read = await api('GET', '/io/data/read', { headers: { 'x-reduct-query-id': id } });
      return read.header('x-reduct-entries') ?? '';
    };
    const meta = `${entry}/$meta`;
    expect(await select([meta])).toBe(`${entry}%2F$meta`);
    for (const entries of [null, ['*'], ['**'], [`${entry}/**`], [`${entry}/*`], [meta, '*']]) {
      expect(await select(entries)).not.toContain('$meta');
    }
  });

  test('go with the parent entry under another name, and with it when it is removed', async () => {
    const entry = newName();
    await attach(entry, 1, { a: 'a' });
    await api('PUT', `/b/data/${entry}/rename`, { body: `{"new_name":"${entry}-2"}` });
    expect(await attachments(`${entry}-2`)).toEqual({ a: 'a' });
    // The key is still known there.
    await attach(`${entry}-2`, 2, { a: 'b' });
    expect(await attachments(`${entry}-2`)).toEqual({ a: 'b' });
    await api('DELETE', `/b/data/${entry}-2`);
    for (;;) {
      if ((await api('HEAD', `/b/data/${entry}-2/$meta`)).status === 404) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await attach(`${entry}-2`, 3, { c: 'c' });
    expect(await attachments(`${entry}-2`)).toEqual({ c: 'c' });
  });

  test('count in sizes, not in lists', async () => {
    await api('POST', '/b/sizes');
    const headers = { 'x-reduct-label-key': 'k' };
    const path = '/b/sizes/$meta?ts=1000000';
    await api('POST', path, { headers, body: 'somedata' });
    const { info, entries } = JSON.parse((await api('GET', '/b/sizes')).body.toString()) as {
      info: unknown;
      entries: unknown[];
    };
    // 8 + 4 + 2 + 26 for content, time, end and type, 2 + 5 + 3 for the label.
    expect(info).toMatchObject({ entry_count: 0, size: 50, oldest_record: 0, latest_record: 0 });
    expect(entries).toEqual([]);
  });
});
