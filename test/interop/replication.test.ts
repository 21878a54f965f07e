/** Replication between Millrace and a real ReductStore, each of them as source and as target. */
import type { Client } from 'reduct-js';
import { describe, expect, test } from 'vitest';
import {
  describeRecords,
  expectContents,
  writeRecords,
  type WrittenRecord,
} from './lib/contents.ts';
import { type Make, type Peer, PEER_TOKEN, usePeers } from './lib/peers.ts';
import { contentOf, makeRecords } from './lib/records.ts';

const peers = usePeers();

interface Direction {
  readonly from: Make;
  readonly to: Make;
}

const DIRECTIONS: readonly Direction[] = [
  { from: 'millrace', to: 'reductstore' },
  { from: 'reductstore', to: 'millrace' },
];

const WORKING = { '&state': { $eq: 'working' } };

function peerOf(make: Make): Peer {
  return make === 'millrace' ? peers.millrace() : peers.reductstore();
}

/** Creates the source bucket and a task from it to a bucket of the same name, which the task has to create. */
async function startTask(
  { from, to }: Direction,
  name: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly source: Peer; readonly target: Peer }> {
  const source = peerOf(from);
  const target = peerOf(to);
  await source.client.createBucket(name);
  const body = {
    src_bucket: name,
    dst_bucket: name,
    dst_host: target.url,
    dst_token: PEER_TOKEN,
    entries: [],
    ...settings,
  };
  await source.api.ok('POST', `/replications/${name}`, {}, JSON.stringify(body));
  return { source, target };
}

async function write(client: Client, bucket: string, records: readonly WrittenRecord[]) {
  await writeRecords(await client.getBucket(bucket), records);
}

async function errorsOf({ api }: Peer, task: string): Promise<unknown> {
  const { text } = await api.ok('GET', `/replications/${task}`);
  const detail: { diagnostics: { hourly: { errors: unknown } } } = JSON.parse(text);
  return detail.diagnostics.hourly.errors;
}

async function pendingOf({ api }: Peer, task: string): Promise<number> {
  const { text } = await api.ok('GET', `/replications/${task}`);
  const detail: { info: { pending_records: number } } = JSON.parse(text);
  return detail.info.pending_records;
}

describe.each(DIRECTIONS)('from $from to $to', (direction) => {
  const { from, to } = direction;
  const label = `${from}-${to}`;

  test('records of all shapes arrive with labels, content types and contents', async () => {
    const { source, target } = await startTask(direction, `all-${label}`);
    const records = makeRecords(0, 400);
    await write(source.client, `all-${label}`, records);
    await expectContents(target.client, `all-${label}`, describeRecords(records));
    expect(await pendingOf(source, `all-${label}`)).toBe(0);
    expect(await errorsOf(source, `all-${label}`)).toEqual({});
  });

  test('a record larger than a batch arrives whole', async () => {
    const name = `large-${label}`;
    const { source, target } = await startTask(direction, name);
    const content = contentOf('large', 20_000_000);
    const bucket = await source.client.getBucket(name);
    const record = await bucket.beginWrite('camera', { ts: 7n, contentType: 'image/raw' });
    await record.write(content);
    const entry = { entry: 'camera', ts: 7n, content, contentType: 'image/raw', labels: {} };
    await expectContents(target.client, name, describeRecords([entry]));
  });

  test('a condition, patterns of entries and a prefix choose and name the same records', async () => {
    const name = `filter-${label}`;
    const settings = { when: WORKING, entries: ['line/**', '!line/motor'], dst_prefix: 'edge/7' };
    const { source, target } = await startTask(direction, name, settings);
    const records = makeRecords(0, 200);
    await write(source.client, name, records);
    const chosen = records
      .filter(({ entry, labels }) => entry === 'line/motor/axis-x' && labels['state'] === 'working')
      .map((record) => ({ ...record, entry: `edge/7/${record.entry}` }));
    expect(chosen.length).toBeGreaterThan(0);
    await expectContents(target.client, name, describeRecords(chosen));
  });

  test.each(['gzip', 'zstd'])('bodies compressed with %s arrive as they were', async (encoding) => {
    const name = `${encoding}-${label}`;
    const { source, target } = await startTask(direction, name, { compression: encoding });
    const records = makeRecords(0, 300);
    await write(source.client, name, records);
    await expectContents(target.client, name, describeRecords(records));
    expect(await errorsOf(source, name)).toEqual({});
  });

  test('a label that is changed later is changed at the target, and can choose the record', async () => {
    const name = `update-${label}`;
    const { source, target } = await startTask(direction, name, {
      when: { '&anomaly': { $eq: true } },
    });
    const records = makeRecords(1, 6);
    await write(source.client, name, records);
    const bucket = await source.client.getBucket(name);
    const [first, second] = records;
    if (first === undefined || second === undefined) throw new Error('no records');
    await bucket.update(first.entry, first.ts, { anomaly: 'true' });
    const chosen = { ...first, labels: { ...first.labels, anomaly: 'true' } };
    await expectContents(target.client, name, describeRecords([chosen]));
    await bucket.update(first.entry, first.ts, { note: 'seen' });
    const seen = { ...chosen, labels: { ...chosen.labels, note: 'seen' } };
    await expectContents(target.client, name, describeRecords([seen]));
  });

  test('attachments are written, replaced and removed at the target', async () => {
    const name = `meta-${label}`;
    const { source, target } = await startTask(direction, name);
    await write(source.client, name, makeRecords(0, 8));
    const bucket = await source.client.getBucket(name);
    await bucket.writeAttachments('sensor-1', { schema: { v: 1 }, unit: { name: 'g' } });
    const there = async (): Promise<unknown> => {
      try {
        return await (await target.client.getBucket(name)).readAttachments('sensor-1');
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    };
    const patience = { interval: 200 };
    await expect.poll(there, patience).toEqual({ schema: { v: 1 }, unit: { name: 'g' } });
    await bucket.writeAttachments('sensor-1', { schema: { v: 2 } });
    await expect.poll(there, patience).toEqual({ schema: { v: 2 }, unit: { name: 'g' } });
    await bucket.removeAttachments('sensor-1', ['unit']);
    await expect.poll(there, patience).toEqual({ schema: { v: 2 } });
  });

  test('what was written while the target was dead arrives when it is back', async () => {
    const name = `outage-${label}`;
    const { source, target } = await startTask(direction, name);
    const before = makeRecords(0, 200);
    await write(source.client, name, before);
    await expectContents(target.client, name, describeRecords(before));
    // A ReductStore that is killed loses what it has not written to disk yet: it ends in order.
    if (target.make === 'millrace') await target.server.kill();
    else await target.server.stop();
    const meanwhile = makeRecords(200, 300);
    await write(source.client, name, meanwhile);
    await target.server.start();
    const after = makeRecords(500, 100);
    await write(source.client, name, after);
    const all = describeRecords([...before, ...meanwhile, ...after]);
    await expectContents(target.client, name, all);
    expect(await pendingOf(source, name)).toBe(0);
  });

  test('a source that ends in the middle of its backlog goes on when it is back', async () => {
    const name = `restart-${label}`;
    const { source, target } = await startTask(direction, name, { mode: 'paused' });
    const records = makeRecords(0, 4_000);
    await write(source.client, name, records);
    await source.api.ok('PATCH', `/replications/${name}/mode`, {}, '{"mode":"enabled"}');
    const arrived = async (): Promise<number> => {
      const { status, text } = await target.api.call('GET', `/b/${name}`);
      if (status !== 200) return 0;
      const { entries }: { entries: { record_count: number }[] } = JSON.parse(text);
      return entries.reduce((sum, entry) => sum + entry.record_count, 0);
    };
    await expect.poll(arrived, { interval: 5 }).toBeGreaterThan(0);
    if (source.make === 'millrace') await source.server.kill();
    else await source.server.stop();
    await source.server.start();
    await expectContents(target.client, name, describeRecords(records));
  });
});

describe('from millrace with filters that ReductStore has given up', () => {
  const direction: Direction = { from: 'millrace', to: 'reductstore' };

  test('include and exclude choose by exact labels', async () => {
    const settings = { include: { state: 'working' }, exclude: { anomaly: 'true' } };
    const { source, target } = await startTask(direction, 'era-a', settings);
    const records = makeRecords(0, 200);
    await write(source.client, 'era-a', records);
    const chosen = records.filter(
      ({ labels }) => labels['state'] === 'working' && labels['anomaly'] !== 'true',
    );
    await expectContents(target.client, 'era-a', describeRecords(chosen));
  });

  test('each_n and each_s thin out every entry on its own', async () => {
    const { source, target } = await startTask(direction, 'each-n', { each_n: 5 });
    const seconds = await startTask(direction, 'each-s', { each_s: 0.02 });
    const records = makeRecords(0, 200);
    await write(source.client, 'each-n', records);
    await write(seconds.source.client, 'each-s', records);
    // Entries take turns, so that those of an entry are 4 ms apart: every fifth is every 20 ms.
    const fifth = records.filter((_, i) => Math.floor(i / 4) % 5 === 0);
    await expectContents(target.client, 'each-n', describeRecords(fifth));
    await expectContents(target.client, 'each-s', describeRecords(fifth));
  });

  test('a label that is removed at the source disappears at the target', async () => {
    const { source, target } = await startTask(direction, 'removed-label');
    const [record] = makeRecords(0, 1);
    if (record === undefined) throw new Error('no record');
    await write(source.client, 'removed-label', [record]);
    await expectContents(target.client, 'removed-label', describeRecords([record]));
    const bucket = await source.client.getBucket('removed-label');
    await bucket.update(record.entry, record.ts, { note: '' });
    const { note: _, ...labels } = record.labels;
    await expectContents(target.client, 'removed-label', describeRecords([{ ...record, labels }]));
  });
});
