import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { completions, type KnownNames } from '../../src/cli/completion.ts';
import { createProgram } from '../../src/cli/program.ts';
import { testContext } from '../lib/cli-context.ts';
import { TEST_TOKEN, withInstance } from '../lib/instance.ts';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const run = promisify(execFile);
const program = await createProgram(testContext());

/** Servers that have the same. */
const NAMES: KnownNames = {
  aliases: () => ['edge', 'local'],
  on: async (alias, kind) => (alias === 'local' ? [`${kind}-1`, `${kind}-2`] : []),
  entriesOf: async (alias, bucket) => [`${alias}.${bucket}.1`, 'line/2'],
};

function complete(...words: string[]): Promise<readonly string[]> {
  return completions(program, words, NAMES);
}

describe('what can be typed next', () => {
  test('is a command, then one of its own', async () => {
    expect(await complete('re')).toEqual(['replica']);
    expect(await complete('replica', 'p')).toEqual(
      ['preview', 'pause'].toSorted((a, b) => order(a) - order(b)),
    );
    expect(await complete('lc', 'cr')).toEqual(['create']);
    expect(await complete('')).toEqual(expect.arrayContaining(['serve', 'alias', 'bucket', 'cp']));
  });

  function order(name: string): number {
    const replica = program.commands.find((command) => command.name() === 'replica');
    return replica?.commands.findIndex((command) => command.name() === name) ?? -1;
  }

  test('is an option of the command or of all of them', async () => {
    expect(await complete('replica', 'create', '--comp')).toEqual(['--compression']);
    expect(await complete('replica', 'create', '--ti')).toEqual(['--timeout']);
    expect(await complete('bucket', 'ls', 'local', '--f')).toEqual(['--full']);
  });

  test('is a value of the option before', async () => {
    expect(await complete('replica', 'create', '-c', '')).toEqual(['none', 'zstd', 'gzip']);
    expect(await complete('replica', 'create', '--compression', 'z')).toEqual(['zstd']);
    expect(await complete('replica', 'create', '--compression=g')).toEqual(['--compression=gzip']);
    expect(await complete('replica', 'create', '--include', 'a')).toEqual([]);
  });

  test('is an alias where a server or something on it is meant', async () => {
    expect(await complete('bucket', 'ls', '')).toEqual(['edge', 'local']);
    expect(await complete('bucket', 'show', 'l')).toEqual(['local/']);
    expect(await complete('replica', 'create', 'local/x', 'src', 'e')).toEqual(['edge/']);
    expect(await complete('-T', '5', 'bucket', 'ls', '-f', 'e')).toEqual(['edge']);
    expect(await complete('cp', 'local/a', 'e')).toEqual(['edge/']);
  });

  test('is a name that the server behind the alias has', async () => {
    expect(await complete('bucket', 'show', 'local/')).toEqual([
      'local/bucket-1',
      'local/bucket-2',
    ]);
    expect(await complete('token', 'rm', 'local/token-2')).toEqual(['local/token-2']);
    expect(await complete('replica', 'pause', 'local/')).toContain('local/replica-1');
    expect(await complete('lc', 'show', 'local/')).toContain('local/lifecycle-1');
    expect(await complete('cp', './backup', 'local/bucket-2')).toEqual(['local/bucket-2']);
    expect(await complete('cp', 'edge/')).toEqual([]);
    expect(await complete('alias', 'rm', 'e')).toEqual(['edge']);
  });

  test('is a bucket on the same server, or an entry of the bucket', async () => {
    expect(await complete('replica', 'create', 'local/x', 'b')).toEqual(['bucket-1', 'bucket-2']);
    expect(await complete('lifecycle', 'create', 'local/x', 'bucket-1')).toEqual(['bucket-1']);
    expect(await complete('token', 'create', 'local/x', '-r', '')).toContain('bucket-1');
    expect(await complete('query', 'local/b/x')).toEqual([]);
    expect(await complete('query', 'local/b/li')).toEqual(['local/b/line/2']);
    expect(await complete('cp', 'local/b', 'edge/c', '-n', 'l')).toEqual(['local.b.1', 'line/2']);
    expect(await complete('replica', 'create', 'local/x', 'src', '-n', 'lo')).toEqual([
      'local.src.1',
    ]);
  });

  test('is nothing where only the user knows', async () => {
    expect(await complete('replica', 'create', 'local/')).toEqual([]);
    expect(await complete('bucket', 'rename', 'local/a', 'b')).toEqual([]);
    expect(await complete('bucket', 'ls', 'local', 'x')).toEqual([]);
    expect(await complete('nonsense', 'x')).toEqual([]);
  });
});

test('scripts for all shells are printed, others are wrong usage', async () => {
  await withTempDir(async (folder) => {
    const cli = cliHome(folder);
    for (const shell of ['bash', 'zsh', 'fish']) {
      expect(await cli.ok('completion', shell)).toContain('millrace __complete');
    }
    expect(await cli.run('completion', 'tcsh')).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('names on a server', () => {
  test('are asked for with the alias, and its token is not told', async () => {
    await withTempDir(async (folder) => {
      await withInstance(async ({ url, api }) => {
        const cli = cliHome(folder);
        await cli.ok('alias', 'add', 'local', '-L', url, '-t', TEST_TOKEN);
        await api.ok('POST', '/b/raw');
        await api.ok('POST', '/b/raw/line/one?ts=1', {}, 'x');
        // Patience ends after 1.5 s, which a loaded machine may take.
        const offered = (...words: string[]): Promise<void> =>
          expect
            .poll(() => cli.run('__complete', ...words.slice(1)), { timeout: 60_000 })
            .toEqual({ code: 0, stdout: `${words[0]}\n`, stderr: '' });
        await offered('local/raw', 'bucket', 'show', 'local/r');
        await offered('local/raw/line/one', 'query', 'local/raw/line/');
        await offered('local/init-token', 'token', 'show', 'local/');
      });
    });
  });

  test('are none, and nothing is said, when they cannot be asked for', async () => {
    await withTempDir(async (folder) => {
      await withInstance(async ({ url }) => {
        const cli = cliHome(folder);
        await cli.ok('alias', 'add', 'refused', '-L', url, '-t', 'a-wrong-token');
        await cli.ok('alias', 'add', 'away', '-L', 'http://127.0.0.1:1');
        const nothing = { code: 0, stdout: '', stderr: '' };
        for (const alias of ['refused', 'away']) {
          expect(await cli.run('__complete', 'bucket', 'show', `${alias}/`)).toEqual(nothing);
        }
        writeFileSync(cli.configPath, 'no toml');
        expect(await cli.run('__complete', 'bucket', 'show', '')).toEqual(nothing);
      });
    });
  });

  test('are waited for only shortly', async () => {
    await withTempDir(async (folder) => {
      const silent = createServer((socket) => socket.on('error', () => undefined));
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      try {
        const cli = cliHome(folder);
        const { port } = silent.address() as AddressInfo;
        await cli.ok('alias', 'add', 'silent', '-L', `http://127.0.0.1:${port}`);
        expect(await cli.ok('__complete', 'bucket', 'show', 'silent/')).toBe('');
      } finally {
        silent.close();
      }
    });
  });
});

describe('bash', () => {
  /** What bash offers for a line, by its own rules: the script is sourced, and its function called as for Tab. */
  async function offered(folder: string, script: string, line: string): Promise<string[]> {
    const words = line.split(' ');
    const program = [
      `source ${script}`,
      `COMP_LINE=${JSON.stringify(line)} COMP_POINT=${line.length}`,
      `COMP_WORDS=(${words.map((word) => JSON.stringify(word)).join(' ')}) COMP_CWORD=${words.length - 1}`,
      'compopt() { :; }',
      '_millrace',
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join('\n');
    const { stdout } = await run('bash', ['--norc', '-c', program], {
      env: {
        PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
        MILLRACE_CONFIG: join(folder, 'home', 'config.toml'),
      },
    });
    return stdout.split('\n').filter((word) => word !== '');
  }

  test('accepts the script and completes by it', async () => {
    await withTempDir(async (folder) => {
      const cli = cliHome(folder);
      await cli.ok('alias', 'add', 'local', '-L', 'http://h');
      await cli.ok('alias', 'add', 'lab', '-L', 'http://h');
      // `millrace` as it is found on the path.
      mkdirSync(join(folder, 'bin'));
      writeFileSync(
        join(folder, 'bin', 'millrace'),
        `#!/bin/sh\nexec "${process.execPath}" "${MILLRACE}" "$@"\n`,
        { mode: 0o755 },
      );
      const script = join(folder, 'completion.bash');
      writeFileSync(script, await cli.ok('completion', 'bash'));
      await run('bash', ['-n', script]);
      expect(await offered(folder, script, 'millrace repl')).toEqual(['replica']);
      expect(await offered(folder, script, 'millrace bucket ls ')).toEqual(['local', 'lab']);
      expect(await offered(folder, script, 'millrace bucket show lo')).toEqual(['local/']);
      expect(await offered(folder, script, 'millrace replica create --compression=z')).toEqual([
        'zstd',
      ]);
      expect(await offered(folder, script, 'millrace replica rm local/x --y')).toEqual(['--yes']);
    });
  });
});
