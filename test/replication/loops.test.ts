/** Whole instances that replicate to each other: traffic ends after the last write, and all of them hold the same. */
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from '../lib/engine-fixture.ts';
import { type RunningInstance, startInstance, TEST_TOKEN } from '../lib/instance.ts';
import { newTempDir } from '../lib/temp-dir.ts';

const instances: RunningInstance[] = [];
const detours: Server[] = [];
const folders: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const instance of instances.splice(0)) await instance.stop();
  for (const server of detours.splice(0)) server.close();
  for (const remove of folders.splice(0)) await remove();
});

/** With bucket `data`. */
async function start(): Promise<RunningInstance> {
  const { path, remove } = await newTempDir();
  folders.push(remove);
  const instance = await startInstance(path, { RS_SYSTEM_EVENTS_ENABLED: 'false' });
  instances.push(instance);
  await instance.api.ok('POST', '/b/data');
  return instance;
}

async function replicate(
  from: RunningInstance,
  to: RunningInstance,
  changes: object = {},
  name = 't',
): Promise<void> {
  const settings = {
    src_bucket: 'data',
    dst_bucket: 'data',
    dst_host: to.url,
    dst_token: TEST_TOKEN,
    ...changes,
  };
  await from.api.ok('POST', `/replications/${name}`, {}, JSON.stringify(settings));
}

/** Requests with records or labels that an instance has had. */
async function writesAt({ url }: RunningInstance): Promise<number> {
  const headers = { authorization: `Bearer ${TEST_TOKEN}` };
  const text = await (await request(`${url}/metrics`, { headers })).body.text();
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith('millrace_http_requests_total{')) continue;
    if (/route="(batch_write|write|change)"/.test(line)) sum += Number(line.split(' ').at(-1));
  }
  return sum;
}

async function allWrites(): Promise<number> {
  const counts = await Promise.all(instances.map((instance) => writesAt(instance)));
  return counts.reduce((a, b) => a + b, 0);
}

/** Waits until nothing is pending anywhere and no request has come for a while. @returns requests so far. */
async function untilQuiet(): Promise<number> {
  let before = -1;
  for (let quiet = 0; quiet < 5;) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const now = await allWrites();
    quiet = now === before && (await pending()) === 0 ? quiet + 1 : 0;
    before = now;
  }
  return before;
}

async function pending(): Promise<number> {
  let sum = 0;
  for (const { api } of instances) {
    const { replications } = JSON.parse((await api.ok('GET', '/replications')).text);
    for (const { pending_records: records } of replications) sum += records;
  }
  return sum;
}

async function extended({ api }: RunningInstance, name = 't') {
  return JSON.parse((await api.ok('GET', `/replications/${name}?ext=1`)).text);
}

function records(from: number, count: number, labels: Record<string, string> = { a: '1' }) {
  return Array.from({ length: count }, (_, at) => {
    const ts = BigInt(from + at);
    return { ts, payload: Buffer.from(`record ${ts}`), labels };
  });
}

async function relabel({ api }: RunningInstance, ts: number, labels: string): Promise<void> {
  const headers = { [`x-reduct-time-${ts}`]: `0,,${labels}` };
  const answer = await api.ok('PATCH', '/b/data/e/batch', headers);
  expect(answer.headers[`x-reduct-error-${ts}`]).toBeUndefined();
}

async function labelsAt({ api }: RunningInstance, ts: number): Promise<object | undefined> {
  const found = await api.readAll('data', 'e');
  return found.find((record) => record.ts === BigInt(ts))?.labels;
}

describe('a ring of three instances', { timeout: 120_000 }, () => {
  test('passes a change of labels all round, also one that a record is sent on with', async () => {
    const ring = [await start(), await start(), await start()] as const;
    const [a, b, c] = ring;
    await replicate(a, b);
    await replicate(b, c, { mode: 'paused' });
    await replicate(c, a);
    await a.api.writeBatch('data', 'e', records(0, 3));
    await until(async () => (await labelsAt(b, 2)) !== undefined, 30_000);
    await relabel(b, 1, 'a=2');
    await b.api.ok('PATCH', '/replications/t/mode', {}, '{"mode":"enabled"}');
    const all = records(0, 3).map((record) =>
      record.ts === 1n ? { ...record, labels: { a: '2' } } : record,
    );
    for (const instance of ring) {
      await until(async () => JSON.stringify(await labelsAt(instance, 1)) === '{"a":"2"}', 30_000);
    }
    await untilQuiet();
    for (const instance of ring) {
      expect(await instance.api.readAll('data', 'e')).toEqual(all);
      const { extended: figures, diagnostics } = await extended(instance);
      expect(figures.dead_letters).toBe(0);
      expect(diagnostics.hourly.errored).toBe(0);
    }
  });

  test('passes a change of labels that selects a record for the next link', async () => {
    const ring = [await start(), await start(), await start()] as const;
    const [a, b, c] = ring;
    await replicate(a, b);
    await replicate(b, c, { include: { a: '2' } });
    await replicate(c, a);
    await a.api.writeBatch('data', 'e', records(0, 3));
    await until(async () => (await labelsAt(b, 2)) !== undefined, 30_000);
    await untilQuiet();
    await relabel(b, 1, 'a=2');
    for (const instance of [c, a]) {
      await until(async () => JSON.stringify(await labelsAt(instance, 1)) === '{"a":"2"}', 30_000);
    }
    await untilQuiet();
    expect((await c.api.readAll('data', 'e')).map(({ ts }) => ts)).toEqual([1n]);
  });
});

describe('two instances that replicate to each other', () => {
  test('hold the same records, and none goes back to where it came from', async () => {
    const a = await start();
    const b = await start();
    await replicate(a, b);
    await replicate(b, a);
    await a.api.writeBatch('data', 'e', records(0, 50));
    await b.api.writeBatch('data', 'e', records(100, 50));
    const requests = await untilQuiet();
    const both = [...records(0, 50), ...records(100, 50)];
    expect(await a.api.readAll('data', 'e')).toEqual(both);
    expect(await b.api.readAll('data', 'e')).toEqual(both);
    // One of the client at each side, and one of the task to it.
    expect(requests).toBe(4);
    for (const instance of [a, b]) {
      const { extended: figures, diagnostics } = await extended(instance);
      expect(figures).toMatchObject({ sent_records: 50, looped_records: 50, duplicates: 0 });
      expect(diagnostics.hourly.errored).toBe(0);
    }
  });

  test('follow label updates of either side, without answering them', async () => {
    const a = await start();
    const b = await start();
    await replicate(a, b);
    await replicate(b, a);
    await a.api.writeBatch('data', 'e', records(0, 3));
    await untilQuiet();
    await relabel(b, 1, 'a=2,b=x');
    await until(async () => (await labelsAt(a, 1))?.['b' as never] === 'x');
    await relabel(a, 1, 'a=,c=y');
    const requests = await untilQuiet();
    expect(await labelsAt(a, 1)).toEqual({ b: 'x', c: 'y' });
    expect(await labelsAt(b, 1)).toEqual({ b: 'x', c: 'y' });
    // The batch and two updates, each of them once by a client and once by a task.
    expect(requests).toBe(6);
    expect((await extended(b)).extended.looped_records).toBe(4);
    expect((await extended(a)).extended.looped_records).toBe(1);
  });

  test('come to rest after updates of one record at both sides at once', async () => {
    const a = await start();
    const b = await start();
    await replicate(a, b);
    await replicate(b, a);
    await a.api.writeBatch('data', 'e', records(0, 1));
    await untilQuiet();
    for (let round = 0; round < 20; round++) {
      await Promise.all([relabel(a, 0, `a=a${round}`), relabel(b, 0, `a=b${round}`)]);
    }
    const requests = await untilQuiet();
    expect(requests).toBeLessThanOrEqual(2 + 4 * 20);
  });

  test('keep conflicting records as they are, and count them', async () => {
    const a = await start();
    const b = await start();
    await a.api.writeBatch('data', 'e', records(0, 1));
    await b.api.write('data', 'e', { ts: 0n, payload: Buffer.from('other'), labels: {} });
    await replicate(a, b);
    await replicate(b, a);
    await a.api.writeBatch('data', 'e', records(1, 1));
    await b.api.writeBatch('data', 'e', records(2, 1));
    await untilQuiet();
    expect((await a.api.readAll('data', 'e'))[0]?.payload.toString()).toBe('record 0');
    expect((await b.api.readAll('data', 'e'))[0]?.payload.toString()).toBe('other');
  });

  test('replace and remove attachments without sending them to and fro', async () => {
    const a = await start();
    const b = await start();
    await replicate(a, b);
    await replicate(b, a);
    await a.api.writeBatch('data', 'e', records(0, 1));
    const attach = (from: RunningInstance, ts: bigint, text: string) =>
      from.api.write('data', 'e/$meta', { ts, payload: Buffer.from(text), labels: { key: 'k' } });
    await attach(a, 10n, 'one');
    await until(async () => (await b.api.readAll('data', 'e/$meta')).length === 1);
    await attach(b, 20n, 'two');
    await until(async () => (await a.api.readAll('data', 'e/$meta'))[0]?.ts === 20n);
    const requests = await untilQuiet();
    expect(requests).toBeLessThanOrEqual(6);
    for (const { api } of [a, b]) {
      const found = await api.readAll('data', 'e/$meta');
      expect(found.map(({ ts, payload }) => [ts, payload.toString()])).toEqual([[20n, 'two']]);
    }
  });
});

test('a ring of three passes each record on to everybody, once', async () => {
  const [a, b, c] = [await start(), await start(), await start()];
  await replicate(a, b);
  await replicate(b, c);
  await replicate(c, a);
  await a.api.writeBatch('data', 'e', records(0, 10));
  await b.api.writeBatch('data', 'e', records(20, 10));
  await c.api.writeBatch('data', 'e', records(40, 10));
  const requests = await untilQuiet();
  const all = [...records(0, 10), ...records(20, 10), ...records(40, 10)];
  for (const { api } of [a, b, c]) expect(await api.readAll('data', 'e')).toEqual(all);
  for (const instance of [a, b, c]) {
    expect((await extended(instance)).extended).toMatchObject({
      sent_records: 20,
      looped_records: 10,
    });
  }
  // Three of clients, and two for each set of records, which may share requests.
  expect(requests).toBeLessThanOrEqual(3 + 6);
});

/** The same instance under an address that nobody takes for its own. */
async function startDetour({ url }: RunningInstance): Promise<string> {
  const { port } = new URL(url);
  const server = createServer((client) => {
    const upstream = connect(Number(port), '127.0.0.1');
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  detours.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('an instance that replicates to itself', () => {
  test('passes records from bucket to bucket to bucket', async () => {
    const a = await start();
    await a.api.ok('POST', '/b/second');
    await replicate(a, a, { dst_bucket: 'second' }, 'one');
    await replicate(a, a, { src_bucket: 'second', dst_bucket: 'third' }, 'two');
    await replicate(a, a, { src_bucket: 'second', dst_bucket: 'data' }, 'back');
    await a.api.writeBatch('data', 'e', records(0, 5));
    await until(async () => (await a.api.readAll('third', 'e')).length === 5);
    await untilQuiet();
    expect(await a.api.readAll('third', 'e')).toEqual(records(0, 5));
    expect((await extended(a, 'back')).extended.looped_records).toBe(5);
  });

  test('copies records of a bucket below a prefix of it once, not for ever', async () => {
    const a = await start();
    const url = await startDetour(a);
    await replicate(a, a, { dst_prefix: '/copy/', dst_host: url });
    await a.api.writeBatch('data', 'e', records(0, 5));
    await until(async () => (await a.api.readAll('data', 'copy/e')).length === 5);
    await untilQuiet();
    const { entries } = JSON.parse((await a.api.ok('GET', '/b/data')).text);
    const names = entries.map(({ name }: { name: string }) => name);
    expect(names.filter((name: string) => name.endsWith('e'))).toEqual(['copy/e', 'e']);
  });

  test('finds out that a detour leads to the source bucket, and stands still', async () => {
    const a = await start();
    const url = await startDetour(a);
    await replicate(a, a, { dst_host: url });
    await a.api.writeBatch('data', 'e', records(0, 5));
    await until(async () => !(await extended(a)).info.is_active);
    expect((await extended(a)).extended.last_error).toMatchObject({
      code: 422,
      message: 'Source and destination buckets must be different',
    });
    expect(await writesAt(a)).toBe(1);
  });
});
