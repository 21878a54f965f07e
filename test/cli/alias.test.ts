import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const TOKEN = 'a-secret-of-mine';

describe('an alias', () => {
  test('is added, listed, shown and removed, and its token is never printed', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      const args = ['alias', 'add', 'edge', '-L', 'https://10.0.0.5:8383/base', '--token', TOKEN];
      expect(await cli.run(...args, '-T', '5', '-i', '-p', '3')).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      });
      await cli.ok('alias', 'add', 'local', '--url', 'http://localhost:8383');
      expect(await cli.ok('alias', 'ls')).toBe(
        'edge: https://10.0.0.5:8383/base/\nlocal: http://localhost:8383/\n',
      );
      expect(await cli.ok('alias', 'show', 'edge')).toMatchInlineSnapshot(`
        "Name:       edge
        URL:        https://10.0.0.5:8383/base/
        Token:      set
        Ignore SSL: yes
        CA:         of the system
        Timeout:    5 s
        Parallel:   3
        "
      `);
      expect(JSON.parse(await cli.ok('alias', 'ls', '--json'))).toEqual([
        expect.objectContaining({ name: 'edge', has_token: true, ignore_ssl: true, timeout: 5 }),
        expect.objectContaining({ name: 'local', has_token: false, parallel: 10 }),
      ]);
      for (const command of [
        ['ls'],
        ['ls', '--json'],
        ['show', 'edge'],
        ['show', 'edge', '--json'],
      ]) {
        expect(await cli.ok('alias', ...command)).not.toContain(TOKEN);
      }
      expect(await cli.run(...args)).toEqual({
        code: 1,
        stdout: '',
        stderr: "Alias 'edge' already exists\n",
      });
      expect(await cli.run('alias', 'rm', 'edge')).toEqual({ code: 0, stdout: '', stderr: '' });
      expect(await cli.run('alias', 'rm', 'edge')).toMatchObject({
        code: 1,
        stderr: "Alias 'edge' does not exist\nKnown are: local.\n",
      });
    });
  });

  test('lies in a file and a folder that only the owner can read', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      await cli.ok('alias', 'add', 'a', '-L', 'http://h', '-t', TOKEN);
      expect(statSync(cli.configPath).mode & 0o777).toBe(0o600);
      expect(statSync(dirname(cli.configPath)).mode & 0o777).toBe(0o700);
      expect(readdirSync(dirname(cli.configPath))).toEqual(['config.toml']);
      chmodSync(cli.configPath, 0o644);
      expect((await cli.run('alias', 'ls')).stderr).toContain('Others can read the tokens');
      await cli.ok('alias', 'add', 'b', '-L', 'http://h', '-t', TOKEN);
      expect(statSync(cli.configPath).mode & 0o777).toBe(0o600);
    });
  });

  test('takes its token from the user part of the URL, which is not kept in it', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      await cli.ok('alias', 'add', 'a', '-L', `https://${TOKEN}@host/`);
      expect(await cli.ok('alias', 'ls')).toBe('a: https://host/\n');
      expect(readFileSync(cli.configPath, 'utf8')).toContain(`token = "${TOKEN}"`);
    });
  });

  test('takes its token from standard input', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      const args = [MILLRACE, 'alias', 'add', 'a', '-L', 'http://h', '--token', '-'];
      const child = spawn(process.execPath, args, {
        env: { MILLRACE_CONFIG: cli.configPath },
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      child.stdin.end(`${TOKEN}\n`);
      await once(child, 'exit');
      expect(child.exitCode).toBe(0);
      expect(readFileSync(cli.configPath, 'utf8')).toContain(`token = "${TOKEN}"`);
    });
  });

  test('of reduct-cli is read, and what Millrace does not know stays in the file', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      mkdirSync(dirname(cli.configPath));
      const file =
        'default = "x"\n[aliases.old]\nurl = "http://old:8383"\ntoken = "t"\ntimeout = 7\nparallel = 2\n';
      writeFileSync(cli.configPath, file, { mode: 0o600 });
      expect(await cli.ok('alias', 'show', 'old')).toContain('Timeout:    7 s');
      await cli.ok('alias', 'add', 'new', '-L', 'http://h');
      expect(readFileSync(cli.configPath, 'utf8')).toContain('default = "x"');
    });
  });

  test('survives others that are added at the same moment', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      const names = ['a', 'b', 'c', 'd'];
      const results = await Promise.all(
        names.map((name) => cli.run('alias', 'add', name, '-L', 'http://h')),
      );
      const added = names.filter((_, at) => results[at]?.code === 0);
      expect(added.length).toBeGreaterThan(0);
      const list = (await cli.ok('alias', 'ls')).trimEnd().split('\n').toSorted();
      expect(list).toEqual(added.map((name) => `${name}: http://h/`));
    });
  });

  test('in a file that cannot be understood gives the line, not what stands there', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      mkdirSync(dirname(cli.configPath));
      writeFileSync(cli.configPath, `[aliases.x]\nurl = "http://h"\ntoken = "${TOKEN}\n`, {
        mode: 0o600,
      });
      const broken = await cli.run('alias', 'ls');
      expect(broken).toEqual({
        code: 1,
        stdout: '',
        stderr: `${cli.configPath} is no TOML, see line 3\n`,
      });
      writeFileSync(cli.configPath, `[aliases.x]\ntoken = "${TOKEN}"\n`);
      const incomplete = await cli.run('alias', 'ls');
      expect(incomplete.code).toBe(1);
      expect(incomplete.stderr).toContain('aliases.x.url');
      expect(incomplete.stderr).not.toContain(TOKEN);
    });
  });

  test.each([
    [['add', 'a/b', '-L', 'http://h'], 'is no name'],
    [['add', '.a', '-L', 'http://h'], 'is no name'],
    [['add', 'a'], "required option '-L, --url <url>' not specified"],
    [['add', 'a', '-L', 'ftp://h'], 'is no http or https URL'],
    [['add', 'a', '-L', 'localhost:8383'], 'begins with http:// or https://'],
  ])('alias %j is wrong usage', async (args, text) => {
    await withTempDir(async (folder) => {
      const { code, stderr } = await cliHome(folder).run('alias', ...args);
      expect(code).toBe(2);
      expect(stderr).toContain(text);
    });
  });

  test('that is missing where an address was typed says how to write it', async () => {
    await withTempDir(async (folder) => {
      expect(await cliHome(folder).run('bucket', 'ls', 'localhost:8383/')).toMatchObject({
        code: 1,
        stderr: "Alias 'localhost:8383' does not exist\nDid you mean 'http://localhost:8383'?\n",
      });
    });
  });
});
