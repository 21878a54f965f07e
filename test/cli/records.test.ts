import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fill, someRecords } from '../copy/lib/copy-harness.ts';
import { SpoilingProxy } from '../copy/lib/spoiling-proxy.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { type RunningInstance, TEST_TOKEN, withInstance } from '../lib/instance.ts';
import { type CliHome, cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';

async function withCli(use: (cli: CliHome, instance: RunningInstance) => Promise<void>) {
  await withTempDir(async (folder) => {
    await withInstance(
      async (instance) => {
        const cli = cliHome(folder);
        await cli.ok('alias', 'add', 'local', '--url', instance.url, '--token', TEST_TOKEN);
        await use(cli, instance);
      },
      { RS_SYSTEM_EVENTS_ENABLED: 'false' },
    );
  });
}

/** Starts a command, gives its output to `isEnough`, and ends it with Ctrl-C. */
async function runUntil(
  cli: CliHome,
  args: readonly string[],
  isEnough: (stdout: string) => boolean,
  onStart: () => Promise<void> = async () => undefined,
): Promise<{ readonly code: number | null; readonly stdout: string }> {
  const env = { PATH: process.env['PATH'] ?? '', TZ: 'UTC', MILLRACE_CONFIG: cli.configPath };
  const child = spawn(process.execPath, [MILLRACE, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (isEnough(stdout)) child.kill('SIGINT');
  });
  const exited = once(child, 'close');
  await onStart();
  await exited;
  return { code: child.exitCode, stdout };
}

describe('millrace query', () => {
  test('prints records with labels, their contents, or JSON', async () => {
    await withCli(async (cli, { api }) => {
      await api.ok('POST', '/b/data');
      const headers = { 'content-type': 'text/plain', 'x-reduct-label-axis': 'x' };
      await api.ok('POST', '/b/data/line/one?ts=1700000000000000', headers, 'hello\n');
      await fill(
        api,
        'data',
        'two',
        someRecords(3, () => ({ kind: 'a' })),
      );

      expect(await cli.ok('query', 'local/data', '--labels', '--utc')).toMatchInlineSnapshot(`
        "2023-11-14T22:13:20Z  line/one  6 B  text/plain  axis=x
        1970-01-01T00:00:01Z  two  20 B  application/octet-stream  kind=a
        1970-01-01T00:00:01.001Z  two  20 B  application/octet-stream  kind=a
        1970-01-01T00:00:01.002Z  two  20 B  application/octet-stream  kind=a
        "
      `);
      expect(await cli.ok('query', 'local/data/line/one', '--content')).toBe('hello\n');
      expect(await cli.ok('query', 'local/data', '-n', 'line/*', '--json', '--content'))
        .toMatchInlineSnapshot(`
        "{"timestamp":1700000000000000,"entry":"line/one","size":6,"content_type":"text/plain","labels":{"axis":"x"},"content":"hello\\n"}
        "
      `);
      expect(await cli.ok('query', 'local/data', '--include', 'kind=a', '-l', '1'))
        .toMatchInlineSnapshot(`
        "1970-01-01T00:00:01Z  two  20 B  application/octet-stream
        "
      `);
    });
  });

  test('follows what is written until Ctrl-C', async () => {
    await withCli(async (cli, { api }) => {
      await fill(api, 'data', 'one', someRecords(2));
      const nowUs = BigInt(Date.now()) * 1000n;
      const { code, stdout } = await runUntil(
        cli,
        ['query', 'local/data', '--follow', '--start', '0', '--json'],
        (text) => text.includes(`${nowUs}`),
        async () => {
          await api.write('data', 'one', { ts: nowUs, payload: Buffer.from('new'), labels: {} });
        },
      );
      expect(code).toBe(130);
      expect(stdout.trim().split('\n')).toHaveLength(3);
    });
  });
});

describe('millrace rm', () => {
  test('removes by time, labels and condition, and nothing else', async () => {
    await withCli(async (cli, { api }) => {
      const records = someRecords(100, (index) => ({ kind: index % 2 === 0 ? 'a' : 'b' }));
      await fill(api, 'data', 'one', records);
      await fill(api, 'data', 'two', records);
      const left = async (entry: string): Promise<number> =>
        (await api.readAll('data', entry)).length;

      expect(await cli.ok('rm', 'local/data', '--include', 'kind=a', '--dry-run')).toContain(
        'Would remove 100 records',
      );
      expect(await cli.ok('rm', 'local/data/one', '--include', 'kind=a', '-y'))
        .toMatchInlineSnapshot(`
        "Removed 50 records from entry 'one'
        Removed 50 records from bucket 'data'
        "
      `);
      expect(await left('one')).toBe(50);
      expect(await left('two')).toBe(100);
      await cli.ok('rm', 'local/data', '-n', 'two', '--stop', '1010000', '--yes');
      expect(await left('two')).toBe(90);
      await cli.ok('rm', 'local/data/two', '--when', '{"&kind": {"$eq": "b"}}', '--yes');
      expect(await left('two')).toBe(45);
      const removed = await cli.ok('rm', 'local/data/one', '-t', '1001000', '7', '-y', '--json');
      expect(JSON.parse(removed)).toEqual({
        bucket: 'data',
        dry_run: false,
        removed_records: 1,
        entries: { one: 1 },
      });
      expect(await left('one')).toBe(49);
    });
  });

  test('removes nothing without a filter, and nothing when nobody says yes', async () => {
    await withCli(async (cli, { api }) => {
      await fill(api, 'data', 'one', someRecords(5));
      const without = await cli.run('rm', 'local/data', '--yes');
      expect(without.code).toBe(2);
      expect(without.stderr).toContain('Nothing says which records to remove');
      const unasked = await cli.run('rm', 'local/data', '--start', '0');
      expect(unasked.code).toBe(1);
      expect(unasked.stderr).toContain('no terminal to ask');
      expect(await api.readAll('data', 'one')).toHaveLength(5);
    });
  });
});

describe('millrace watch', () => {
  test('shows state, pending records and the last error of each task', async () => {
    await withCli(async (cli, { api }) => {
      const target = new FakeTarget();
      await target.start();
      target.faultOf = () => ({ kind: 'status', status: 503, text: 'down for maintenance' });
      try {
        await api.ok('POST', '/b/data');
        const settings = {
          src_bucket: 'data',
          dst_bucket: 'dst',
          dst_host: target.url,
          entries: [],
        };
        await api.ok('POST', '/replications/task-1', {}, JSON.stringify(settings));
        await api.ok(
          'POST',
          '/replications/task-2',
          {},
          JSON.stringify({ ...settings, mode: 'paused' }),
        );
        await fill(api, 'data', 'one', someRecords(3));
        const { code, stdout } = await runUntil(
          cli,
          ['watch', 'local', '--json', '--interval', '0.2'],
          (text) => text.includes('down for maintenance'),
        );
        expect(code).toBe(130);
        const rows = stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
        expect(rows.filter(({ name }) => name === 'task-1').at(-1)).toMatchObject({
          mode: 'enabled',
          pending_records: 3,
          last_error: '503 down for maintenance',
        });
        const lines = await cli.ok('watch', 'local', '--count', '1');
        expect(lines).toMatch(/task-2 Paused rate=- lag=\S+ pending=3/);
      } finally {
        await target.stop();
      }
    });
  });

  test('goes on when the server is away for a while', async () => {
    await withCli(async (cli, { api, url }) => {
      await api.ok('POST', '/b/data');
      const settings = { src_bucket: 'data', dst_bucket: 'dst', dst_host: url, entries: [] };
      await api.ok('POST', '/replications/task-1', {}, JSON.stringify(settings));
      const proxy = new SpoilingProxy(url);
      await proxy.start();
      try {
        proxy.spoil = () => (proxy.requests === 2 ? { status: 503, text: 'starting' } : null);
        const { code, stdout } = await runUntil(
          cli,
          ['watch', proxy.url.replace('://', `://${TEST_TOKEN}@`), '--interval', '0.1'],
          (text) => text.split('\n').length > 3,
        );
        expect(code).toBe(130);
        expect(stdout).toContain('task-1 Running');
        expect(proxy.requests).toBeGreaterThan(3);
      } finally {
        await proxy.stop();
      }
    });
  });
});

describe('millrace write', () => {
  test('writes a text, a file or standard input as one record with its type and labels', async () => {
    await withCli(async (cli, { api, url }) => {
      await api.ok('POST', '/b/data');
      const text = ['write', 'local/data/log/door', '-s', 'open, "wide"', '-t', '5'];
      expect(await cli.ok(...text, '-l', 'level=info', 'by="J", K')).toBe(
        "Record 5 of entry 'log/door' written (12 B)\n",
      );
      const door = await api.ok('GET', '/b/data/log/door?ts=5');
      expect(door.text).toBe('open, "wide"');
      expect(door.headers).toMatchObject({
        'content-type': 'text/plain',
        'x-reduct-label-level': 'info',
        'x-reduct-label-by': '"J", K',
      });

      const path = join(cli.configPath, '..', 'frame.jpg');
      await writeFile(path, Buffer.alloc(5_000_000, 'frame'));
      const place = `${url.replace('://', `://${TEST_TOKEN}@`)}/data/cam`;
      expect(JSON.parse(await cli.ok('write', place, '-f', path, '-t', '7', '--json'))).toEqual({
        timestamp: 7,
        bucket: 'data',
        entry: 'cam',
        size: 5_000_000,
        content_type: 'image/jpeg',
        labels: {},
        is_new: true,
      });
      const frame = await api.ok('GET', '/b/data/cam?ts=7');
      expect(frame.body.equals(Buffer.alloc(5_000_000, 'frame'))).toBe(true);

      const child = spawn(
        process.execPath,
        [MILLRACE, 'write', 'local/data/log/in', '-f', '-', '-t', '9', '-q', '-C', 'a/b'],
        { env: { MILLRACE_CONFIG: cli.configPath }, stdio: ['pipe', 'inherit', 'inherit'] },
      );
      child.stdin.end('from a pipe');
      await once(child, 'exit');
      expect(child.exitCode).toBe(0);
      expect(await api.ok('GET', '/b/data/log/in?ts=9')).toMatchObject({
        text: 'from a pipe',
        headers: { 'content-type': 'a/b' },
      });
    });
  });

  test('writes nothing over another record, and nothing into a bucket that is not there', async () => {
    await withCli(async (cli, { api }) => {
      await api.ok('POST', '/b/data');
      await api.ok('POST', '/b/data/log?ts=5', { 'content-type': 'text/plain' }, 'first');
      expect(await cli.run('write', 'local/data/log', '-s', 'second!', '-t', '5')).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^\[Conflict\] /),
      });
      expect((await api.ok('GET', '/b/data/log?ts=5')).text).toBe('first');
      expect(await cli.ok('write', 'local/data/log', '-s', 'first', '-t', '5')).toBe(
        "Record 5 of entry 'log' is there already\n",
      );
      expect(await cli.run('write', 'local/dta/log', '-s', 'x')).toMatchObject({
        code: 1,
        stderr: "[NotFound] Bucket 'dta' is not found\n",
      });
      expect((await api.call('GET', '/b/dta')).status).toBe(404);
      expect(await cli.run('write', 'local/data/log', '-s', 'x', '-l', 'by=Jörg')).toMatchObject({
        code: 1,
        stderr: 'Not written: A label of the record is not visible ASCII\n',
      });
    });
  });

  test.each([
    [['local/data/log'], 'Nothing says what to write'],
    [['local/data/log', '-s', 'x', '-f', 'y'], 'exclude each other'],
    [['local/data', '-s', 'x'], 'An entry of a bucket is needed'],
    [['http://secret@h/data', '-s', 'x'], 'An entry of a bucket is needed'],
  ])('%j is wrong usage', async (args, text) => {
    await withTempDir(async (folder) => {
      const { code, stderr } = await cliHome(folder).run('write', ...args);
      expect(code).toBe(2);
      expect(stderr).toContain(text);
      expect(stderr).not.toContain('secret');
    });
  });
});
