import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliServer, startCliServer } from '../lib/cli-server.ts';

let server: CliServer;

beforeAll(async () => {
  server = await startCliServer();
  await server.cli.ok('bucket', 'create', 'local/src-bucket');
});

afterAll(() => server.stop());

/** Settings as the server has them. */
async function settingsOf(name: string): Promise<Record<string, unknown>> {
  const { text } = await server.instance.api.ok('GET', `/replications/${name}`);
  const { settings } = JSON.parse(text) as { settings: Record<string, unknown> };
  return settings;
}

async function create(name: string, ...options: string[]): Promise<void> {
  const to = 'http://secret-of-target@127.0.0.1:9/demo';
  await server.cli.ok('replica', 'create', `local/${name}`, 'src-bucket', to, ...options);
}

describe('the commands of the seed document', () => {
  test('create, list, show and remove a task, literally', async () => {
    const { cli } = server;
    const created = await cli.run(
      'replica',
      'create',
      'local/my-replication',
      'src-bucket',
      'https://demo@play.example/demo',
    );
    expect(created).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await settingsOf('my-replication')).toEqual({
      src_bucket: 'src-bucket',
      dst_bucket: 'demo',
      dst_host: 'https://play.example/',
      dst_token: null,
      entries: [],
      dst_prefix: '',
      when: null,
      mode: 'enabled',
      compression: 'none',
    });
    // The state of a task whose target does not exist depends on when it is asked.
    await cli.ok('replica', 'pause', 'local/my-replication');
    expect(await cli.ok('replica', 'ls', 'local')).toBe('my-replication\n');
    const list = await cli.ok('replica', 'ls', 'local', '--full');
    expect(list.replace(/✅ Ok {3}|❌ Error/, '<status>')).toMatchInlineSnapshot(`
      "| Name           | Status   | Mode     | Pending Records | Provisioned |
      |----------------|----------|----------|-----------------|-------------|
      | my-replication | <status> | ⏸ Paused | 0               | -           |
      "
    `);
    const shown = await cli.ok('replica', 'show', 'local/my-replication');
    expect(shown.replace(/✅ Ok|❌ Error/, '<status>')).toMatchInlineSnapshot(`
      "Name: my-replication                       Active: <status>
      Mode: ⏸ Paused                             Provisioned: -
      Ok Records (hourly): 0                     Errors (hourly): 0
      Source Bucket: src-bucket                  Destination Bucket: demo
      Destination Server: https://play.example/  Compression: None
      Destination Prefix: None                   Entries: []
      When: None                                 Pending Records: 0
      "
    `);
    const removed = await cli.run('replica', 'rm', 'local/my-replication', '--yes');
    expect(removed).toEqual({
      code: 0,
      stdout: "Replication 'my-replication' deleted\n",
      stderr: '',
    });
    expect(await cli.run('replica', 'show', 'local/my-replication')).toEqual({
      code: 1,
      stdout: '',
      stderr: "[NotFound] Replication 'my-replication' does not exist\n",
    });
  });
});

describe('a list of tasks', () => {
  test('without tasks is empty, with --full it has its head', async () => {
    expect(await server.cli.ok('replica', 'ls', 'local')).toBe('');
    expect(await server.cli.ok('replica', 'ls', 'local', '-f')).toMatchInlineSnapshot(`
      "| Name | Status | Mode | Pending Records | Provisioned |
      |------|--------|------|-----------------|-------------|
      "
    `);
    expect(await server.cli.ok('replica', 'ls', 'local', '--json')).toBe('[]\n');
  });
});

describe('a task with filters', () => {
  test('has those of both eras as they were given', async () => {
    await create(
      'filters',
      '-n',
      'cam-*',
      '!cam-0',
      '-I',
      'anomaly=true',
      'a=b=c',
      '-E',
      'status=ok',
      '-N',
      '10',
      '-S',
      '0.5',
      '--prefix',
      'edge',
      '-c',
      'zstd',
      '--mode',
      'paused',
      '-w',
      '{"&score": {"$gt": 2.0}}',
    );
    expect(await settingsOf('filters')).toMatchObject({
      entries: ['cam-*', '!cam-0'],
      include: { anomaly: 'true', a: 'b=c' },
      exclude: { status: 'ok' },
      each_n: 10,
      each_s: 0.5,
      dst_prefix: 'edge',
      compression: 'zstd',
      mode: 'paused',
      when: { '&score': { $gt: 2 } },
    });
    const shown = await server.cli.ok('replica', 'show', 'local/filters');
    expect(shown.replace(/✅ Ok|❌ Error/, '<status>')).toMatchInlineSnapshot(`
      "Name: filters                            Active: <status>
      Mode: ⏸ Paused                           Provisioned: -
      Ok Records (hourly): 0                   Errors (hourly): 0
      Source Bucket: src-bucket                Destination Bucket: demo
      Destination Server: http://127.0.0.1:9/  Compression: Zstd
      Destination Prefix: edge                 Entries: ["cam-*", "!cam-0"]
      When: {                                  Pending Records: 0
          "&score": {
            "$gt": 2.0
          }
        }
      Include: {"anomaly":"true","a":"b=c"}    Exclude: {"status":"ok"}
      Each Nth: 10                             Each Sec: 0.5
      "
    `);
    expect(shown).not.toContain('secret-of-target');
  });

  test('keeps what an update does not name, and its token unless there is a destination', async () => {
    await create('kept', '-n', 'a', '-I', 'x=1', '-S', '2', '-c', 'gzip', '--mode', 'paused');
    await server.cli.ok('replica', 'update', 'local/kept', '--when', '{"$limit": 5}');
    const settings = await settingsOf('kept');
    expect(settings).toMatchObject({
      entries: ['a'],
      include: { x: '1' },
      each_s: 2,
      compression: 'gzip',
      mode: 'paused',
      when: { $limit: 5 },
      dst_host: 'http://127.0.0.1:9/',
    });
    await server.cli.ok(
      'replica',
      'update',
      'local/kept',
      'http://127.0.0.1:9/base/other',
      '-n',
      'b',
    );
    expect(await settingsOf('kept')).toEqual({
      ...settings,
      entries: ['b'],
      dst_bucket: 'other',
      dst_host: 'http://127.0.0.1:9/base',
    });
  });

  test('loses what an update clears', async () => {
    await create('cleared', '-n', 'a', '-I', 'x=1', '-N', '3', '-w', '{}', '--prefix', 'p');
    await server.cli.ok(
      'replica',
      'update',
      'local/cleared',
      '--when',
      'null',
      '--clear',
      'entries',
      'include',
      'each-n',
      'prefix',
    );
    const settings = await settingsOf('cleared');
    expect(settings).toMatchObject({ entries: [], when: null, dst_prefix: '' });
    expect(settings).not.toHaveProperty('include');
    expect(settings).not.toHaveProperty('each_n');
  });
});

describe('modes', () => {
  test.each([
    [['pause', 'local/modes'], 'paused'],
    [['disable', 'local/modes'], 'disabled'],
    [['enable', 'local/modes'], 'enabled'],
    [['mode', 'local/modes', 'paused'], 'paused'],
  ])('replica %j sets and says it', async (args, mode) => {
    const { cli } = server;
    if (!(await cli.ok('replica', 'ls', 'local')).includes('modes\n')) await create('modes');
    expect(await cli.ok('replica', ...args)).toBe(`Replication 'modes' ${mode}\n`);
    expect(await settingsOf('modes')).toMatchObject({ mode });
  });
});

describe('a removal', () => {
  test('without --yes and without a terminal to ask on removes nothing', async () => {
    await create('asked');
    expect(await server.cli.run('replica', 'rm', 'local/asked')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'There is no terminal to ask for confirmation on\nAdd --yes.\n',
    });
    await settingsOf('asked');
  });
});

describe('a task that cannot be made', () => {
  test('gives the text of the server and exit code 1', async () => {
    const { cli } = server;
    const to = 'http://127.0.0.1:9/demo';
    await create('twice');
    expect(await cli.run('replica', 'create', 'local/twice', 'src-bucket', to)).toMatchObject({
      code: 1,
      stderr: "[Conflict] Replication 'twice' already exists\n",
    });
    expect(await cli.run('replica', 'create', 'local/lost', 'nothing', to)).toMatchObject({
      code: 1,
      stderr: "[NotFound] Source bucket 'nothing' for replication 'lost' does not exist\n",
    });
  });

  test.each([
    [['-I', 'novalue'], "'novalue' is no label"],
    [['-I', 'a=1', 'a=2'], "Label 'a' is given as '1' and as '2'"],
    [['-N', '0'], "'0' is no whole number from 1"],
    [['-S', '-1'], "argument missing|'-1' is no number"],
    [['-w', '{"&a"'], 'It is no JSON: EOF'],
    [['-c', 'lz4'], 'Allowed choices are none, zstd, gzip'],
    [['--include=a=1', '--exlude', 'b=1'], 'Did you mean --exclude?'],
  ])('with %j is wrong usage, exit code 2', async (options, text) => {
    const args = ['replica', 'create', 'local/wrong', 'src-bucket', 'http://h/demo', ...options];
    const { code, stdout, stderr } = await server.cli.run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(text.replace(/[?{}().]/g, '\\$&')));
  });

  test('to a whole instance is wrong usage', async () => {
    const args = ['replica', 'create', 'local/wrong', 'src-bucket', 'local'];
    expect(await server.cli.run(...args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('The destination is a bucket'),
    });
  });
});
