/** `millrace cp`, `query` and `rm` between Millrace and a real ReductStore, each of them as source and as destination. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliHome, cliHome } from '../lib/millrace.ts';
import type { TestRecord } from '../lib/api.ts';
import { fill, readBucket, someRecords } from '../copy/lib/copy-harness.ts';
import { type Make, type Peer, PEER_TOKEN, usePeers } from './lib/peers.ts';

const peers = usePeers();

function peerOf(make: Make): Peer {
  return make === 'millrace' ? peers.millrace() : peers.reductstore();
}

function readAll({ url }: Peer, bucket: string, entry: string): Promise<TestRecord[]> {
  return readBucket(url, PEER_TOKEN, bucket, entry);
}

let folder = '';
let cli: CliHome;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-interop-cp-'));
  cli = cliHome(folder);
  for (const make of ['millrace', 'reductstore'] as const) {
    await cli.ok('alias', 'add', make, '--url', peerOf(make).url, '--token', PEER_TOKEN);
  }
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const RECORDS = someRecords(700, (index) => ({
  anomaly: index % 2 === 0 ? 'true' : 'false',
  status: index % 3 === 0 ? 'ok' : 'bad',
  index: `${index}`,
}));

describe.each<[Make, Make]>([
  ['millrace', 'reductstore'],
  ['reductstore', 'millrace'],
])('from %s to %s', (from, to) => {
  test('the command of the seed document copies what the labels choose, and what is missing', async () => {
    const source = peerOf(from);
    const target = peerOf(to);
    await fill(source.api, 'example-bucket', 'sensor', RECORDS.slice(0, 400));
    const command = [
      'cp',
      `${from}/example-bucket`,
      `${to}/demo`,
      '--include',
      'anomaly=true',
      '--exclude',
      'status=ok',
      '--verify',
    ];
    const first = await cli.ok(...command);
    await fill(source.api, 'example-bucket', 'sensor', RECORDS.slice(400));
    const second = await cli.ok(...command);

    const chosen = RECORDS.filter(
      ({ labels }) => labels['anomaly'] === 'true' && labels['status'] !== 'ok',
    );
    const before = chosen.filter((record) => RECORDS.indexOf(record) < 400).length;
    expect(first).toContain(`Copied ${before} records`);
    expect(second).toContain(`Copied ${chosen.length - before} (skipped ${before}) records`);
    expect(await readAll(target, 'demo', 'sensor')).toEqual(chosen);
  }, 120_000);

  test('sampling, conditions, large records and attachments arrive as they are', async () => {
    const source = peerOf(from);
    const target = peerOf(to);
    await fill(source.api, 'more', 'line/one', RECORDS);
    const large = { ts: 5n, payload: Buffer.alloc(9_000_000, 'large'), labels: { kind: 'large' } };
    expect((await source.api.write('more', 'line/two', large)).status).toBe(200);
    const quoted = { ts: 7n, payload: Buffer.from('x'), labels: { odd: '"a,b' } };
    expect((await source.api.write('more', 'line/two', quoted)).status).toBe(200);
    const headers = { 'content-type': 'application/json', 'x-reduct-label-key': 'calibration' };
    await source.api.ok('POST', '/b/more/line/two/$meta?ts=77', headers, '{"gain":2}');

    await cli.ok('cp', `${from}/more`, `${to}/sampled`, '--each-n', '10', '-n', 'line/one');
    await cli.ok('cp', `${from}/more`, `${to}/whole`, '--verify');
    await cli.ok('cp', `${from}/more`, `${to}/matching`, '--when', '{"&index": {"$lt": 5}}');

    const sampled = await readAll(target, 'sampled', 'line/one');
    expect(sampled).toEqual(RECORDS.filter((_, index) => index % 10 === 0));
    expect(await readAll(target, 'whole', 'line/one')).toEqual(RECORDS);
    expect(await readAll(target, 'matching', 'line/one')).toEqual(RECORDS.slice(0, 5));
    const copied = await target.api.ok('GET', '/b/whole/line/two?ts=5');
    expect(copied.body.equals(large.payload)).toBe(true);
    const odd = await target.api.ok('GET', '/b/whole/line/two?ts=7');
    expect(odd.headers['x-reduct-label-odd']).toBe('"a,b');
    const attachment = await target.api.ok('GET', '/b/whole/line/two/$meta?ts=77');
    expect(attachment.text).toBe('{"gain":2}');
  }, 120_000);

  test('records are printed and removed by labels alone', async () => {
    const { api } = peerOf(from);
    await fill(api, 'tidy', 'one', RECORDS);
    const printed = await cli.ok('query', `${from}/tidy`, '-I', 'anomaly=true', '-E', 'status=ok');
    const removed = await cli.ok('rm', `${from}/tidy`, '-I', 'status=ok', '--yes');
    const kept = RECORDS.filter(({ labels }) => labels['status'] !== 'ok');
    expect(printed.trim().split('\n')).toHaveLength(
      kept.filter(({ labels }) => labels['anomaly'] === 'true').length,
    );
    expect(removed).toContain(`Removed ${RECORDS.length - kept.length} records`);
    expect(await readAll(peerOf(from), 'tidy', 'one')).toEqual(kept);
  }, 120_000);
});

test('watch tells of the tasks of either server', async () => {
  for (const [make, other] of [
    ['millrace', 'reductstore'],
    ['reductstore', 'millrace'],
  ] as const) {
    const { api } = peerOf(make);
    await api.call('POST', '/b/watched');
    const settings = {
      src_bucket: 'watched',
      dst_bucket: 'watched',
      dst_host: peerOf(other).url,
      dst_token: PEER_TOKEN,
      entries: [],
    };
    await api.ok('POST', '/replications/watched-task', {}, JSON.stringify(settings));
    const [line = ''] = (await cli.ok('watch', make, '--count', '1', '--json')).split('\n');
    expect(JSON.parse(line)).toMatchObject({
      name: 'watched-task',
      mode: 'enabled',
      pending_records: 0,
    });
    await api.ok('DELETE', '/replications/watched-task');
  }
}, 60_000);
