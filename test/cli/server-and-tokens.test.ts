import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliServer, startCliServer } from '../lib/cli-server.ts';
import { freePort } from '../lib/server-process.ts';

let server: CliServer;

beforeAll(async () => {
  server = await startCliServer();
});

afterAll(() => server.stop());

describe('a server', () => {
  test('that answers is alive and has a status', async () => {
    const { cli } = server;
    expect(await cli.run('server', 'alive', 'local')).toEqual({ code: 0, stdout: '', stderr: '' });
    const status = await cli.ok('server', 'status', 'local');
    expect(status.replace(/\d+s/, '<uptime>')).toBe(
      'Status: \tOk ✅\nVersion:\t1.21.0\nUptime: \t<uptime>\nLicense:\tnone\n',
    );
    expect(JSON.parse(await cli.ok('server', 'status', 'local', '--json'))).toMatchObject({
      version: '1.21.0',
    });
    expect(await cli.ok('server', 'license', 'local')).toBe('License:\tnone\n');
  });

  test('that does not answer is not alive', async () => {
    const port = await freePort();
    expect(await server.cli.run('server', 'alive', `http://127.0.0.1:${port}`)).toEqual({
      code: 1,
      stdout: '',
      stderr: `[ConnectionError] ECONNREFUSED 127.0.0.1:${port}\nIs the server running, and is its address right?\n`,
    });
  });
});

describe('a token', () => {
  test('is created with its value, listed and shown without, rotated and removed', async () => {
    const { cli } = server;
    const created = await cli.ok('token', 'create', 'local/cam', '-r', 'cam-*', 'x', '-w', 'raw');
    const value = /^Token 'cam' created: (cam-[0-9a-f]{32})\n$/.exec(created)?.[1] ?? '';
    expect(value).not.toBe('');
    expect(await cli.ok('token', 'ls', 'local')).toBe('cam\ninit-token\n');
    const list = await cli.ok('token', 'ls', 'local', '-f');
    expect(
      list
        .replace(/\d{4}-[\dT:.-]+Z/g, '<time>')
        .replace(/ +\|/g, ' |')
        .replace(/-+\|/g, '-|'),
    ).toMatchInlineSnapshot(`
      "| Name | Full Access | Read | Write | Created | Expires | Last Access | Provisioned |
      |-|-|-|-|-|-|-|-|
      | cam | - | cam-*, x | raw | <time> | never | - | - |
      | init-token | ✓ | - | - | <time> | never | - | ✓ |
      "
    `);
    const shown = await cli.ok('token', 'show', 'local/cam');
    expect(shown.replace(/\d{4}-[\dT:.-]+Z/g, '<time>')).toMatchInlineSnapshot(`
      "Name:        cam
      Full Access: -
      Read:        cam-*, x
      Write:       raw
      Created:     <time>
      Expires:     never
      Addresses:   -
      Last Access: -
      Provisioned: -
      "
    `);
    const rotated = await cli.ok('token', 'rotate', 'local/cam', '--yes');
    expect(rotated).toMatch(/^Token 'cam' rotated: cam-[0-9a-f]{32}\n$/);
    expect(rotated).not.toContain(value);
    expect(await cli.run('token', 'rotate', 'local/cam')).toMatchObject({ code: 1, stdout: '' });
    const again = JSON.parse(await cli.ok('token', 'rotate', 'local/cam', '-y', '--json'));
    expect(again.value).toMatch(/^cam-[0-9a-f]{32}$/);
    expect(await cli.ok('token', 'rm', 'local/cam', '-y')).toBe("Token 'cam' deleted\n");
    expect(await cli.run('token', 'show', 'local/cam')).toMatchObject({
      code: 1,
      stderr: "[NotFound] Token 'cam' doesn't exist\n",
    });
  });

  test('has an expiry, a time to live and addresses as they were given', async () => {
    const { cli } = server;
    await cli.ok(
      'token',
      'create',
      'local/short',
      '--full-access',
      '--expires-at',
      '2099-01-01T00:00:00Z',
      '--ttl',
      '1d 12h',
      '--ip-allow',
      '10.0.0.0/8',
      '127.0.0.1',
    );
    expect(JSON.parse(await cli.ok('token', 'show', 'local/short', '--json'))).toMatchObject({
      permissions: { full_access: true },
      expires_at: '2099-01-01T00:00:00Z',
      ttl: 129_600,
      ip_allowlist: ['10.0.0.0/8', '127.0.0.1'],
    });
    expect(await cli.ok('token', 'show', 'local/short')).toContain(
      'Expires:     2099-01-01T00:00:00Z, or unused for 1d 12h',
    );
  });

  test.each([
    [['--expires-in', '7 moons'], 'is no duration'],
    [['--ttl', '0'], 'is no duration'],
    [['--expires-at', 'tomorrow'], 'is no time'],
    [['--expires-at', 'now+1h', '--expires-in', '1h'], 'exclude each other'],
  ])('with %j is wrong usage', async (options, text) => {
    const { code, stderr } = await server.cli.run('token', 'create', 'local/wrong', ...options);
    expect(code).toBe(2);
    expect(stderr).toContain(text);
  });
});

describe('a lifecycle policy', () => {
  test('is created, listed, shown, changed and removed', async () => {
    const { cli } = server;
    await cli.ok('bucket', 'create', 'local/raw');
    expect(
      await cli.ok(
        'lifecycle',
        'create',
        'local/old',
        'raw',
        '--older-than',
        '30d',
        '-n',
        'a',
        'b',
      ),
    ).toBe("Lifecycle 'old' created\n");
    expect(await cli.ok('lc', 'ls', 'local')).toBe('old\n');
    expect(await cli.ok('lc', 'ls', 'local', '--full')).toMatchInlineSnapshot(`
      "| Name | Type   | Mode    | Running | Last Run | Provisioned |
      |------|--------|---------|---------|----------|-------------|
      | old  | delete | enabled | ✓       | -        | -           |
      "
    `);
    expect(await cli.ok('lc', 'update', 'local/old', '-w', '{"&keep": {"$ne": "yes"}}')).toBe(
      "Lifecycle 'old' updated\n",
    );
    expect(await cli.ok('lc', 'show', 'local/old')).toMatchInlineSnapshot(`
      "Name:                old
      Type:                delete
      Mode:                enabled
      Running:             ✓
      Provisioned:         -
      Last Run:            -
      Bucket:              raw
      Entries:             ["a", "b"]
      Older Than:          30d
      Interval:            3600s
      Processing Interval: -
      When:                {"&keep":{"$ne":"yes"}}
      "
    `);
    expect(await cli.ok('lc', 'mode', 'local/old', 'dry_run')).toBe("Lifecycle 'old' dry_run\n");
    expect(JSON.parse(await cli.ok('lc', 'show', 'local/old', '--json'))).toMatchObject({
      settings: { older_than: '30d', entries: ['a', 'b'], mode: 'dry_run' },
    });
    expect(await cli.ok('lc', 'rm', 'local/old', '--yes')).toBe("Lifecycle 'old' deleted\n");
    expect(await cli.ok('lc', 'ls', 'local')).toBe('');
    expect(await cli.run('lc', 'create', 'local/old', 'raw')).toMatchObject({ code: 2 });
  });
});
