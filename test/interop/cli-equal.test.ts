/** The command line against a real ReductStore: the same commands print the same against either server. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliHome, cliHome } from '../lib/millrace.ts';
import { describeRecords, expectContents, readContents, writeRecords } from './lib/contents.ts';
import { type Make, type Peer, PEER_TOKEN, usePeers } from './lib/peers.ts';
import { makeRecords } from './lib/records.ts';

const peers = usePeers();
const MAKES: readonly Make[] = ['millrace', 'reductstore'];

let folder = '';
let cli: CliHome;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
  cli = cliHome(folder);
  for (const peer of [peers.millrace(), peers.reductstore()]) {
    await cli.ok('alias', 'add', peer.make, '--url', peer.url, '--token', PEER_TOKEN);
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function peerOf(make: Make): Peer {
  return make === 'millrace' ? peers.millrace() : peers.reductstore();
}

/** What differs between any two servers: names, addresses, versions, secrets, times. */
function neutral(text: string, make: Make): string {
  return text
    .replaceAll(peerOf(make).url, '<url>')
    .replaceAll(make, '<server>')
    .replaceAll(/-[0-9a-f]{32,}/g, '-<secret>')
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)?/g, '<time>')
    .replaceAll(/ +/g, ' ')
    .replaceAll(/-{3,}/g, '---');
}

/** In order; `@` stands for the alias. Each ends with its code; what it prints is the same on both. */
const COMMANDS: readonly { readonly args: readonly string[]; readonly code: number }[] = [
  { args: ['server', 'alive', '@'], code: 0 },
  { args: ['bucket', 'create', '@/cli-one', '-Q', 'FIFO', '-s', '10GB'], code: 0 },
  { args: ['bucket', 'create', '@/cli-one'], code: 1 },
  { args: ['bucket', 'update', '@/cli-one', '-R', '2048'], code: 0 },
  { args: ['bucket', 'show', '@/cli-one'], code: 0 },
  { args: ['bucket', 'show', '@/cli-none'], code: 1 },
  { args: ['bucket', 'rename', '@/cli-one', 'cli-two'], code: 0 },
  { args: ['write', '@/cli-two/log/door', '-s', 'open', '-t', '5', '-l', 'level=info'], code: 0 },
  { args: ['write', '@/cli-two/log/door', '-s', 'open', '-t', '5', '-l', 'level=info'], code: 0 },
  { args: ['write', '@/cli-two/log/door', '-s', 'closed', '-t', '5'], code: 1 },
  { args: ['write', '@/cli-none/log', '-s', 'x'], code: 1 },
  { args: ['query', '@/cli-two', '--labels', '--utc'], code: 0 },
  { args: ['rm', '@/cli-two', '-t', '5', '-y', '--json'], code: 0 },
  { args: ['__complete', 'bucket', 'show', '@/cli-'], code: 0 },
  { args: ['token', 'create', '@/cli-token', '-r', 'cli-two', '-w', 'cli-two'], code: 0 },
  { args: ['token', 'show', '@/cli-token'], code: 0 },
  { args: ['token', 'rotate', '@/cli-token', '-y'], code: 0 },
  { args: ['token', 'ls', '@'], code: 0 },
  { args: ['token', 'rm', '@/cli-token', '-y'], code: 0 },
  { args: ['token', 'rm', '@/cli-token', '-y'], code: 1 },
  {
    args: ['replica', 'create', '@/cli-task', 'cli-two', 'https://demo@play.example/demo'],
    code: 0,
  },
  { args: ['replica', 'pause', '@/cli-task'], code: 0 },
  { args: ['replica', 'ls', '@'], code: 0 },
  {
    args: ['replica', 'update', '@/cli-task', 'https://demo@play.example/other', '-n', 'a', 'b-*'],
    code: 0,
  },
  { args: ['replica', 'enable', '@/cli-task'], code: 0 },
  { args: ['replica', 'disable', '@/cli-task'], code: 0 },
  { args: ['replica', 'show', '@/cli-task'], code: 0 },
  { args: ['replica', 'rm', '@/cli-task', '--yes'], code: 0 },
  { args: ['replica', 'rm', '@/cli-task', '--yes'], code: 1 },
  { args: ['lifecycle', 'create', '@/cli-policy', 'cli-two', '--older-than', '30d'], code: 0 },
  { args: ['lifecycle', 'mode', '@/cli-policy', 'disabled'], code: 0 },
  { args: ['lifecycle', 'ls', '@'], code: 0 },
  { args: ['lifecycle', 'rm', '@/cli-policy', '-y'], code: 0 },
  { args: ['bucket', 'rm', '@/cli-two', '-y'], code: 0 },
];

describe('management', () => {
  test.each(COMMANDS)('millrace $args prints the same against both servers', async (command) => {
    const results = [];
    for (const make of MAKES) {
      const args = command.args.map((arg) => arg.replace('@', make));
      const { code, stdout, stderr } = await cli.run(...args);
      results.push({ code, stdout: neutral(stdout, make), stderr: neutral(stderr, make) });
    }
    const [millrace, reductstore] = results;
    expect(reductstore).toMatchObject({ code: command.code });
    expect(millrace).toEqual(reductstore);
  });
});

describe.each([
  { from: 'millrace', to: 'reductstore' },
  { from: 'reductstore', to: 'millrace' },
] as const)('from $from to $to', ({ from, to }) => {
  const bucket = `cp-${from}`;
  const records = makeRecords(0, 300);

  test('the command of the seed document copies what its labels choose, and once only', async () => {
    const source = peerOf(from);
    await source.client.createBucket(bucket);
    await writeRecords(await source.client.getBucket(bucket), records);
    const command = ['cp', `${from}/${bucket}`, `${to}/demo`] as const;
    const filters = ['--include', 'anomaly=true', '--exclude', 'state=idle'] as const;
    const chosen = records.filter(
      ({ labels }) => labels['anomaly'] === 'true' && labels['state'] !== 'idle',
    );
    const first = await cli.ok(...command, ...filters);
    expect(first).toMatch(new RegExp(`^Copied ${chosen.length} records \\(.*\\) from bucket`));
    await expectContents(peerOf(to).client, 'demo', describeRecords(chosen));
    const second = await cli.ok(...command, ...filters);
    expect(second).toContain(`Copied 0 (skipped ${chosen.length}) records`);
    await peerOf(to)
      .client.getBucket('demo')
      .then((demo) => demo.remove());
  });

  test('a bucket goes into a folder, and from there into a bucket with all there was', async () => {
    const backup = join(folder, `backup-${from}`);
    await cli.ok('cp', `${from}/${bucket}`, backup, '--with-meta');
    expect((await readdir(backup)).length).toBeGreaterThan(0);
    await cli.ok('cp', backup, `${to}/restored-${from}`, '--verify');
    expect(await readContents(peerOf(to).client, `restored-${from}`)).toEqual(
      describeRecords(records),
    );
  });

  test('records are found by query and removed by time, label and condition', async () => {
    const where = `${to}/restored-${from}`;
    const { entry, ts } = records[5] ?? { entry: '', ts: 0n };
    const line = await cli.ok('query', `${where}/${entry}`, '-b', `${ts}`, '-e', `${ts + 1n}`);
    expect(line.trim().split('\n')).toHaveLength(1);
    const removed = await cli.ok('rm', where, '-w', '{"&state": {"$eq": "idle"}}', '-y');
    const idle = records.filter(({ labels }) => labels['state'] === 'idle');
    expect(removed).toContain(`${idle.length}`);
    const rest = records.filter((record) => !idle.includes(record));
    await expectContents(peerOf(to).client, `restored-${from}`, describeRecords(rest));
  });

  test('a task made by the command line replicates', async () => {
    const task = `${from}/cli-live`;
    const name = `live-${from}`;
    await cli.ok('bucket', 'create', `${from}/${name}`);
    await cli.ok(
      'replica',
      'create',
      task,
      name,
      `${to}/${name}`,
      '-w',
      '{"&anomaly": {"$eq": true}}',
    );
    await writeRecords(await peerOf(from).client.getBucket(name), records);
    const chosen = records.filter(({ labels }) => labels['anomaly'] === 'true');
    await expectContents(peerOf(to).client, name, describeRecords(chosen));
    await cli.ok('replica', 'rm', task, '-y');
  });
});
