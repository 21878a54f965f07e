/** The published command line client, built from the registry, through all of its commands. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLIENT_TOKEN, useClientServer } from './lib/client-server.ts';
import { cacheDir, run, runOk } from './lib/toolbox.ts';

const VERSION = '0.13.0';
const COMMAND_TIMEOUT_MS = 30_000;

/** Builds the pinned version once; what it compiled is kept outside the checkout. @returns its path. */
async function installCli(): Promise<string> {
  const root = await cacheDir(`cli-${VERSION}`);
  const binary = join(root, 'bin', 'reduct-cli');
  if (!existsSync(binary)) {
    const target = await cacheDir('cli-target');
    const places = ['--root', root, '--target-dir', target];
    const source = ['install', 'reduct-cli', '--version', VERSION, '--locked', '--jobs', '2'];
    await runOk('cargo', [...source, ...places]);
  }
  return binary;
}

describe('reduct-cli', () => {
  const running = useClientServer();
  const used = new Set<string>();
  const home = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  let binary = '';

  beforeAll(async () => {
    binary = await installCli();
    await cli('alias', 'add', 'here', '--url', running.url(), '--token', CLIENT_TOKEN);
  });

  afterAll(() => rmSync(home, { recursive: true, force: true }));

  /** Runs a command that must succeed. @returns what it printed. */
  async function cli(...args: string[]): Promise<string> {
    used.add(args.slice(0, 2).join(' '));
    used.add(args[0] ?? '');
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, 'config') };
    const result = await runOk(binary, args, { env, cwd: home, timeoutMs: COMMAND_TIMEOUT_MS });
    return result.stdout + result.stderr;
  }

  async function refusal(...args: string[]): Promise<string> {
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, 'config') };
    const result = await run(binary, args, { env, cwd: home, timeoutMs: COMMAND_TIMEOUT_MS });
    expect(result.code, `${args.join(' ')}: ${result.stdout}`).not.toBe(0);
    return result.stdout + result.stderr;
  }

  /** `record <i>` at second i for i = 1 … count, with label `n`. */
  async function writeSeries(path: string, count: number): Promise<void> {
    for (let i = 1; i <= count; i++) {
      const labels = ['--labels', `n=${i}`, '--content-type', 'text/plain', '--quiet'];
      await cli('write', path, '--string', `record ${i}`, '--timestamp', `${i}000000`, ...labels);
    }
  }

  test('keeps aliases', async () => {
    await cli('alias', 'add', 'spare', '--url', running.url());
    expect(await cli('alias', 'ls')).toMatch(/here[\s\S]*spare|spare[\s\S]*here/);
    await cli('alias', 'rm', 'spare');
    expect(await cli('alias', 'ls')).not.toContain('spare');
  });

  test('asks for the state of the server', async () => {
    await cli('server', 'alive', 'here');
    const status = await cli('server', 'status', 'here');
    expect(status).toContain('1.21.0');
    await cli('server', 'license', 'here');
    const wrong = running.url().replace('://', '://nobody@');
    expect(await refusal('server', 'status', wrong)).toContain('Invalid token');
  });

  test('creates, shows, updates, renames and removes buckets', async () => {
    const quota = ['--quota-type', 'FIFO', '--quota-size', '1GB', '--block-records', '99'];
    await cli('bucket', 'create', 'here/cli-a', ...quota);
    expect(await cli('bucket', 'show', 'here/cli-a', '--full')).toContain('FIFO');
    await cli('bucket', 'update', 'here/cli-a', '--quota-type', 'NONE', '--block-size', '1MB');
    expect(await cli('bucket', 'show', 'here/cli-a', '--full')).not.toContain('FIFO');
    await writeSeries('here/cli-a/old', 2);
    await cli('bucket', 'rename', 'here/cli-a', 'new', '--only-entry', 'old');
    expect(await cli('bucket', 'show', 'here/cli-a', '--full')).toMatch(/new/);
    await cli('bucket', 'rename', 'here/cli-a', 'cli-b');
    const list = await cli('bucket', 'ls', 'here', '--full');
    expect(list).toContain('cli-b');
    expect(list).not.toContain('cli-a');
    await cli('bucket', 'rm', 'here/cli-b', '--only-entries', 'new', '--yes');
    await expect.poll(() => cli('bucket', 'show', 'here/cli-b', '--full')).not.toMatch(/new/);
    await cli('bucket', 'rm', 'here/cli-b', '--yes');
    await expect.poll(() => cli('bucket', 'ls', 'here')).not.toContain('cli-b');
  });

  test('writes records, copies them between buckets and to files and back, and removes them', async () => {
    await cli('bucket', 'create', 'here/cli-src');
    await cli('bucket', 'create', 'here/cli-dst');
    await writeSeries('here/cli-src/acc/x', 5);
    writeFileSync(join(home, 'payload.bin'), Buffer.alloc(3_000_000, 7));
    const file = join(home, 'payload.bin');
    await cli('write', 'here/cli-src/big', '--file', file, '--timestamp', '9000000', '--quiet');
    await cli('cp', 'here/cli-src', 'here/cli-dst', '--start', '0', '--quiet');
    const when = ['--when', '{"&n": {"$gt": 3}}', '--entries', 'acc/x', '--start', '0'];
    await cli('cp', 'here/cli-src', join(home, 'out'), ...when, '--with-meta', '--quiet');
    const files = readdirSync(join(home, 'out'), { recursive: true, encoding: 'utf8' });
    const contents = files.filter((name) => name.endsWith('.txt'));
    const texts = contents.map((name) => readFileSync(join(home, 'out', name), 'utf8'));
    expect(texts.toSorted()).toEqual(['record 4', 'record 5']);
    expect(await cli('bucket', 'show', 'here/cli-dst', '--full')).toMatch(/acc\/x[\s\S]*big/);
    await cli('rm', 'here/cli-dst', '--entries', 'acc/x', '--time', '1000000');
    await cli(
      'rm',
      'here/cli-dst',
      '--entries',
      'acc/x',
      '--start',
      '2000000',
      '--stop',
      '4000000',
    );
    await cli('cp', 'here/cli-dst', join(home, 'left'), '--entries', 'acc/x', '--start', '0');
    const left = readdirSync(join(home, 'left'), { recursive: true, encoding: 'utf8' });
    expect(left.filter((name) => name.endsWith('.txt'))).not.toHaveLength(0);
  });

  test('writes, lists, reads and removes attachments', async () => {
    await cli('bucket', 'create', 'here/cli-meta');
    await writeSeries('here/cli-meta/e', 1);
    await cli('attachment', 'write', 'here/cli-meta/e', 'schema', '{"a": 1}');
    await cli('attachment', 'write', 'here/cli-meta/e', 'other', '[1]');
    expect(await cli('attachment', 'ls', 'here/cli-meta/e')).toMatch(/other[\s\S]*schema/);
    expect(await cli('attachment', 'read', 'here/cli-meta/e', 'schema')).toMatch(/"a"\s*:\s*1/);
    await cli('attachment', 'rm', 'here/cli-meta/e', 'schema');
    expect(await cli('attachment', 'ls', 'here/cli-meta/e')).not.toContain('schema');
    await cli('attachment', 'rm', 'here/cli-meta/e', '--all');
    expect(await cli('attachment', 'ls', 'here/cli-meta/e')).not.toContain('other');
  });

  test('creates, lists, shows, rotates and removes tokens', async () => {
    const limits = ['--ttl', '1h', '--expires-in', '2d', '--ip-allow', '127.0.0.0/8'];
    const made = await cli('token', 'create', 'here/cli-t', '--read-bucket', 'x', ...limits);
    const value = /cli-t-[0-9a-f]{32}/.exec(made)?.[0] ?? '';
    expect(value).not.toBe('');
    const limited = running.url().replace('://', `://${value}@`);
    await cli('server', 'status', limited);
    expect(await cli('token', 'show', 'here/cli-t')).toContain('cli-t');
    expect(await cli('token', 'ls', 'here', '--full')).toMatch(/cli-t[\s\S]*init-token/);
    expect(await cli('token', 'rotate', 'here/cli-t')).toMatch(/cli-t-[0-9a-f]{32}/);
    expect(await refusal('server', 'status', limited)).toContain('Invalid token');
    await cli('token', 'rm', 'here/cli-t', '--yes');
    expect(await cli('token', 'ls', 'here')).not.toContain('cli-t');
  });

  test('creates, updates, pauses and removes a replication that delivers', async () => {
    await cli('bucket', 'create', 'here/cli-from');
    await cli('bucket', 'create', 'here/cli-to');
    const target = `${running.url().replace('://', `://${CLIENT_TOKEN}@`)}/cli-to`;
    const filters = ['--entries', 'sensor-*', '--when', '{"&n": {"$lte": 2}}'];
    await cli('replica', 'create', 'here/cli-task', 'cli-from', target, ...filters);
    await writeSeries('here/cli-from/sensor-1', 3);
    await expect
      .poll(() => cli('bucket', 'show', 'here/cli-to', '--full'), { timeout: 10_000 })
      .toContain('sensor-1');
    expect(await cli('replica', 'ls', 'here')).toContain('cli-task');
    await cli('replica', 'update', 'here/cli-task', target, '--entries', 'other');
    expect(await cli('replica', 'show', 'here/cli-task')).toContain('other');
    await cli('replica', 'pause', 'here/cli-task');
    expect(await cli('replica', 'show', 'here/cli-task')).toMatch(/pause/i);
    await cli('replica', 'disable', 'here/cli-task');
    expect(await cli('replica', 'show', 'here/cli-task')).toMatch(/disable/i);
    await cli('replica', 'enable', 'here/cli-task');
    await cli('replica', 'rm', 'here/cli-task', '--yes');
    expect(await cli('replica', 'ls', 'here')).not.toContain('cli-task');
  });

  test('creates, updates and removes lifecycle policies', async () => {
    await cli('bucket', 'create', 'here/cli-kept');
    const times = ['--older-than', '30d', '--interval', '1h', '--processing-interval', '12h'];
    await cli('lifecycle', 'create', 'here/cli-policy', 'cli-kept', ...times);
    expect(await cli('lifecycle', 'ls', 'here')).toContain('cli-policy');
    await cli('lifecycle', 'update', 'here/cli-policy', '--older-than', '60d');
    expect(await cli('lifecycle', 'show', 'here/cli-policy')).toContain('60d');
    for (const [command, mode] of [
      ['dry-run', /dry/i],
      ['disable', /disabled/i],
      ['enable', /enabled/i],
    ] as const) {
      await cli('lifecycle', command, 'here/cli-policy');
      expect(await cli('lifecycle', 'show', 'here/cli-policy')).toMatch(mode);
    }
    await cli('lifecycle', 'rm', 'here/cli-policy', '--yes');
    expect(await cli('lifecycle', 'ls', 'here')).not.toContain('cli-policy');
  });

  test('has been tried with every command that its help lists', async () => {
    const commandsOf = async (...path: string[]): Promise<string[]> => {
      const { stdout } = await runOk(binary, [...path, '--help']);
      const [, list = ''] = stdout.split(/^Commands:$/m);
      const [lines = ''] = list.split(/^\S/m);
      const names = [...lines.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name);
      return names.filter((name) => name !== 'help').map((name) => [...path, name].join(' '));
    };
    const groups = await commandsOf();
    const commands = await Promise.all(
      groups.map(async (group) => {
        const inner = await commandsOf(group);
        return inner.length === 0 ? [group] : inner;
      }),
    );
    const all = commands.flat();
    expect(all.length).toBeGreaterThan(30);
    expect(all.filter((command) => !used.has(command))).toEqual([]);
  });
});
