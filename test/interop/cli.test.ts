/** The executable `millrace` against both makes of servers: what it prints is the same. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliHome, cliHome } from '../lib/millrace.ts';
import {
  describeRecords,
  expectContents,
  writeRecords,
  type WrittenRecord,
} from './lib/contents.ts';
import { type Make, PEER_TOKEN, usePeers } from './lib/peers.ts';

const peers = usePeers();
let folder = '';
let cli: CliHome;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-interop-cli-'));
  cli = cliHome(folder);
  for (const make of ['millrace', 'reductstore'] as const) {
    await cli.ok('alias', 'add', make, '--url', peers[make]().url, '--token', PEER_TOKEN);
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(['millrace', 'reductstore'] as const)('with %s', (make: Make) => {
  test('buckets are created, changed, listed, renamed and removed', async () => {
    expect(await cli.ok('bucket', 'create', `${make}/cli-raw`, '-Q', 'FIFO', '-s', '10GB')).toBe(
      "Bucket 'cli-raw' created\n",
    );
    expect(await cli.ok('bucket', 'ls', make)).toContain('cli-raw\n');
    expect(await cli.ok('bucket', 'ls', make, '--full')).toMatch(
      /\| cli-raw +\| 0 +\| 0 B +\| Ready +\| - +\| --- +\| --- +\|/,
    );
    await cli.ok('bucket', 'update', `${make}/cli-raw`, '--block-records', '512');
    expect(await cli.ok('bucket', 'show', `${make}/cli-raw`)).toMatchInlineSnapshot(`
      "Name: cli-raw             Quota Type: FIFO
      Entries: 0                Quota Size: 10.0 GB
      Size: 0 B                 Max. Block Size: 64.0 MB
      Status: Ready             Max. Block Records: 512
      Provisioned: -
      Oldest Record (UTC): ---
      Latest Record (UTC): ---
      "
    `);
    expect(await cli.ok('bucket', 'rename', `${make}/cli-raw`, 'cli-other')).toBe(
      "Bucket 'cli-raw' renamed to 'cli-other'\n",
    );
    expect(await cli.ok('bucket', 'rm', `${make}/cli-other`, '--yes')).toBe(
      "Bucket 'cli-other' deleted\n",
    );
    expect(await cli.run('bucket', 'create', `${make}/bad.name`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        '[UnprocessableEntity] Bucket or entry name can contain only',
      ),
    });
  });

  test('tasks are created as in the seed document, changed, shown and removed', async () => {
    await cli.ok('bucket', 'create', `${make}/src-bucket`);
    const task = `${make}/my-replication`;
    expect(
      await cli.ok('replica', 'create', task, 'src-bucket', 'https://demo@play.example/demo'),
    ).toBe('');
    await cli.ok(
      'replica',
      'update',
      task,
      '-n',
      'cam-*',
      '-w',
      '{"&score": {"$gt": 2.5}}',
      '-c',
      'zstd',
    );
    expect(await cli.ok('replica', 'pause', task)).toBe("Replication 'my-replication' paused\n");
    const list = await cli.ok('replica', 'ls', make, '--full');
    expect(list.replace(/✅ Ok {3}|❌ Error/, '<status>')).toMatchInlineSnapshot(`
      "| Name           | Status   | Mode     | Pending Records | Provisioned |
      |----------------|----------|----------|-----------------|-------------|
      | my-replication | <status> | ⏸ Paused | 0               | -           |
      "
    `);
    const shown = await cli.ok('replica', 'show', task);
    expect(shown.replace(/✅ Ok|❌ Error/, '<status>')).toMatchInlineSnapshot(`
      "Name: my-replication                       Active: <status>
      Mode: ⏸ Paused                             Provisioned: -
      Ok Records (hourly): 0                     Errors (hourly): 0
      Source Bucket: src-bucket                  Destination Bucket: demo
      Destination Server: https://play.example/  Compression: Zstd
      Destination Prefix: None                   Entries: ["cam-*"]
      When: {                                    Pending Records: 0
          "&score": {
            "$gt": 2.5
          }
        }
      "
    `);
    expect(await cli.run('replica', 'create', task, 'src-bucket', 'http://h/b')).toMatchObject({
      code: 1,
      stderr: "[Conflict] Replication 'my-replication' already exists\n",
    });
    expect(await cli.ok('replica', 'rm', task, '--yes')).toBe(
      "Replication 'my-replication' deleted\n",
    );
    expect(await cli.run('replica', 'show', task)).toMatchObject({
      code: 1,
      stderr: "[NotFound] Replication 'my-replication' does not exist\n",
    });
  });

  test('tokens and lifecycle policies are created, shown and removed', async () => {
    expect(
      await cli.ok('token', 'create', `${make}/cam`, '-w', 'src-bucket', '--expires-in', '7d'),
    ).toMatch(/^Token 'cam' created: cam-[0-9a-f]{32}\n$/);
    expect(await cli.ok('token', 'ls', make)).toContain('cam\n');
    expect(await cli.ok('token', 'show', `${make}/cam`)).toContain('Write:       src-bucket');
    expect(await cli.ok('token', 'rotate', `${make}/cam`, '-y')).toMatch(
      /^Token 'cam' rotated: cam-/,
    );
    expect(await cli.ok('token', 'rm', `${make}/cam`, '-y')).toBe("Token 'cam' deleted\n");
    await cli.ok('lc', 'create', `${make}/old`, 'src-bucket', '--older-than', '30d');
    expect(await cli.ok('lc', 'ls', make, '-f')).toMatch(/\| old +\| delete \| enabled \|/);
    await cli.ok('lc', 'update', `${make}/old`, '--older-than', '60d');
    expect(await cli.ok('lc', 'show', `${make}/old`)).toContain('Older Than:          60d');
    expect(await cli.ok('lc', 'rm', `${make}/old`, '-y')).toBe("Lifecycle 'old' deleted\n");
  });

  test('its state is told', async () => {
    await cli.ok('server', 'alive', make);
    expect(await cli.ok('server', 'status', make)).toMatch(
      /^Status: \tOk ✅\nVersion:\t1\.\d+\.\d+\nUptime: \t/,
    );
    expect(await cli.run('bucket', 'ls', peers[make]().url)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^\[Unauthorized\] /),
    });
  });
});

describe.each([
  ['millrace', 'reductstore'],
  ['reductstore', 'millrace'],
] as const)('the copy of the seed document from %s to %s', (from: Make, to: Make) => {
  test('takes what its labels choose', async () => {
    const records = ['true', 'false'].flatMap((anomaly, a) =>
      ['ok', 'bad'].map((status, s): WrittenRecord => ({
        entry: 'sensor',
        ts: BigInt(1_700_000_000_000_000 + a * 10 + s),
        content: Buffer.from(`${anomaly} ${status}`),
        contentType: 'text/plain',
        labels: { anomaly, status },
      })),
    );
    await cli.ok('bucket', 'create', `${from}/example-bucket`);
    await writeRecords(await peers[from]().client.getBucket('example-bucket'), records);
    const copied = await cli.ok(
      'cp',
      `${from}/example-bucket`,
      `${to}/demo`,
      '--include',
      'anomaly=true',
      '--exclude',
      'status=ok',
    );
    expect(copied).toMatch(/^Copied 1 records \(.*\) from bucket 'example-bucket'\n$/);
    const chosen = records.filter(
      ({ labels }) => labels['anomaly'] === 'true' && labels['status'] === 'bad',
    );
    await expectContents(peers[to]().client, 'demo', describeRecords(chosen));
    await cli.ok('bucket', 'rm', `${from}/example-bucket`, '-y');
    await cli.ok('bucket', 'rm', `${to}/demo`, '-y');
  });
});
