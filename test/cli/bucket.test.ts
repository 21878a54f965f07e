import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliServer, startCliServer } from '../lib/cli-server.ts';
import { cliHome } from '../lib/millrace.ts';

let server: CliServer;

beforeAll(async () => {
  server = await startCliServer();
});

afterAll(() => server.stop());

async function write(bucket: string, entry: string, ts: bigint): Promise<void> {
  const record = { ts, payload: Buffer.from('x'.repeat(2000)), labels: {} };
  expect((await server.instance.api.write(bucket, entry, record)).status).toBe(200);
}

describe('a bucket', () => {
  test('is created with settings, shown, listed, changed, renamed and removed', async () => {
    const { cli } = server;
    expect(await cli.ok('bucket', 'ls', 'local')).toBe('');
    expect(await cli.ok('bucket', 'ls', 'local', '--full')).toBe('');
    expect(
      await cli.ok('bucket', 'create', 'local/raw', '-Q', 'fifo', '-s', '100GB', '-R', '512'),
    ).toBe("Bucket 'raw' created\n");
    expect(await cli.ok('bucket', 'ls', 'local')).toBe('raw\n');
    await write('raw', 'cam-1', 1_700_000_000_000_000n);
    await write('raw', 'cam-2', 1_700_000_001_500_000n);
    expect(await cli.ok('bucket', 'ls', 'local', '--full')).toMatchInlineSnapshot(`
      "| Name | Entries | Size   | Status | Provisioned | Oldest Record (UTC)  | Latest Record (UTC)      |
      |------|---------|--------|--------|-------------|----------------------|--------------------------|
      | raw  | 2       | 4.1 KB | Ready  | -           | 2023-11-14T22:13:20Z | 2023-11-14T22:13:21.500Z |
      "
    `);
    expect(await cli.ok('bucket', 'show', 'local/raw')).toMatchInlineSnapshot(`
      "Name: raw                                      Quota Type: FIFO
      Entries: 2                                     Quota Size: 100.0 GB
      Size: 4.1 KB                                   Max. Block Size: 64.0 MB
      Status: Ready                                  Max. Block Records: 512
      Provisioned: -
      Oldest Record (UTC): 2023-11-14T22:13:20Z
      Latest Record (UTC): 2023-11-14T22:13:21.500Z
      "
    `);
    expect(await cli.ok('bucket', 'show', 'local/raw', '--full')).toMatchInlineSnapshot(`
      "Name: raw                                      Quota Type: FIFO
      Entries: 2                                     Quota Size: 100.0 GB
      Size: 4.1 KB                                   Max. Block Size: 64.0 MB
      Status: Ready                                  Max. Block Records: 512
      Provisioned: -
      Oldest Record (UTC): 2023-11-14T22:13:20Z
      Latest Record (UTC): 2023-11-14T22:13:21.500Z

      | Name  | Records | Blocks | Size   | Status | Oldest Record (UTC)      | Latest Record (UTC)      |
      |-------|---------|--------|--------|--------|--------------------------|--------------------------|
      | cam-1 | 1       | 1      | 2.0 KB | Ready  | 2023-11-14T22:13:20Z     | 2023-11-14T22:13:20Z     |
      | cam-2 | 1       | 1      | 2.0 KB | Ready  | 2023-11-14T22:13:21.500Z | 2023-11-14T22:13:21.500Z |
      "
    `);
    expect(await cli.ok('bucket', 'update', 'local/raw', '-s', '1.5 TB')).toBe(
      "Bucket 'raw' updated\n",
    );
    expect(JSON.parse(await cli.ok('bucket', 'show', 'local/raw', '--json'))).toMatchObject({
      settings: { quota_type: 'FIFO', quota_size: 1_500_000_000_000, max_block_records: 512 },
      entries: [{ name: 'cam-1' }, { name: 'cam-2' }],
    });
    expect(await cli.ok('bucket', 'rename', 'local/raw', 'sensors')).toBe(
      "Bucket 'raw' renamed to 'sensors'\n",
    );
    expect(await cli.ok('bucket', 'rename', 'local/sensors', 'cam/3', '-e', 'cam-1')).toBe(
      "Entry 'cam-1' of bucket 'sensors' renamed to 'cam/3'\n",
    );
    expect(await cli.ok('bucket', 'rm', 'local/sensors', '-e', 'cam/3', '-y')).toBe(
      "Entry 'cam/3' deleted\n",
    );
    const left = JSON.parse(await cli.ok('bucket', 'show', 'local/sensors', '--json')) as {
      entries: { name: string }[];
    };
    expect(left.entries.map(({ name }) => name)).toEqual(['cam', 'cam-2']);
    expect(await cli.ok('bucket', 'rm', 'local/sensors', '--yes')).toBe(
      "Bucket 'sensors' deleted\n",
    );
    expect(await cli.run('bucket', 'show', 'local/sensors')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^\[(NotFound|Conflict)\] Bucket 'sensors' is /),
    });
  });

  test('has its times in the local zone, and in UTC with --utc', async () => {
    const { cli, folder } = server;
    await cli.ok('bucket', 'create', 'local/zones');
    await write('zones', 'e', 1_700_000_000_000_000n);
    const berlin = cliHome(folder, { TZ: 'Europe/Berlin' });
    const local = await berlin.ok('bucket', 'ls', 'local', '-f');
    expect(local).toContain('Latest Record (Europe/Berlin)');
    expect(local).toContain('2023-11-14T23:13:20+01:00');
    const utc = await berlin.ok('bucket', 'ls', 'local', '-f', '--utc');
    expect(utc).toContain('Latest Record (UTC)');
    expect(utc).toContain('2023-11-14T22:13:20Z');
  });

  test('is reached by URL with its token in the user part', async () => {
    const { cli, instance } = server;
    const url = instance.url.replace('http://', 'http://test%2Dtoken@');
    expect(await cli.ok('bucket', 'create', `${url}/by-url`)).toBe("Bucket 'by-url' created\n");
    expect(await cli.run('bucket', 'ls', instance.url)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        '[Unauthorized] No bearer token in request header\nThe token is missing or wrong: it stands with the alias, or in the URL as https://<token>@<host>/.\n',
    });
    expect(await cli.run('bucket', 'ls', url.replace('test%2Dtoken', 'wrong'))).toEqual({
      code: 1,
      stdout: '',
      stderr:
        '[Unauthorized] Invalid token\nThe token is missing or wrong: it stands with the alias, or in the URL as https://<token>@<host>/.\n',
    });
  });

  test.each([
    [['create', 'local'], 'a bucket on it is needed here'],
    [['create', 'local/a/b'], 'more than the name of a bucket'],
    [['create', './folder'], 'is a folder'],
    [['create', 'local/x', '-s', '10 apples'], 'is no size'],
    [['create', 'local/x', '-Q', 'LIFO'], 'Quotas are NONE, FIFO, HARD'],
    [['create', 'local/x', '-R', '31'], 'no whole number from 32 to 4047'],
    [['show', 'local/x', 'local/y'], 'too many arguments'],
    [['create'], "missing required argument 'bucket'"],
    [['list', 'local'], 'unknown command'],
  ])('bucket %j is wrong usage and says what is right', async (args, text) => {
    const { code, stdout, stderr } = await server.cli.run('bucket', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(text);
  });
});
