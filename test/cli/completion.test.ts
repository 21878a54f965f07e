import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { completions } from '../../src/cli/completion.ts';
import { createProgram } from '../../src/cli/program.ts';
import { testContext } from '../lib/cli-context.ts';
import { cliHome, MILLRACE } from '../lib/millrace.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const run = promisify(execFile);
const program = await createProgram(testContext());

function complete(...words: string[]): readonly string[] {
  return completions(program, words, () => ['edge', 'local']);
}

describe('what can be typed next', () => {
  test('is a command, then one of its own', () => {
    expect(complete('re')).toEqual(['replica']);
    expect(complete('replica', 'p')).toEqual(
      ['preview', 'pause'].toSorted((a, b) => order(a) - order(b)),
    );
    expect(complete('lc', 'cr')).toEqual(['create']);
    expect(complete('')).toEqual(expect.arrayContaining(['serve', 'alias', 'bucket', 'cp']));
  });

  function order(name: string): number {
    const replica = program.commands.find((command) => command.name() === 'replica');
    return replica?.commands.findIndex((command) => command.name() === name) ?? -1;
  }

  test('is an option of the command or of all of them', () => {
    expect(complete('replica', 'create', '--comp')).toEqual(['--compression']);
    expect(complete('replica', 'create', '--ti')).toEqual(['--timeout']);
    expect(complete('bucket', 'ls', 'local', '--f')).toEqual(['--full']);
  });

  test('is a value of the option before', () => {
    expect(complete('replica', 'create', '-c', '')).toEqual(['none', 'zstd', 'gzip']);
    expect(complete('replica', 'create', '--compression', 'z')).toEqual(['zstd']);
    expect(complete('replica', 'create', '--compression=g')).toEqual(['--compression=gzip']);
    expect(complete('replica', 'create', '--include', 'a')).toEqual([]);
  });

  test('is an alias where a server or something on it is meant', () => {
    expect(complete('bucket', 'ls', '')).toEqual(['edge', 'local']);
    expect(complete('bucket', 'show', 'l')).toEqual(['local/']);
    expect(complete('replica', 'create', 'local/x', 'src', 'e')).toEqual(['edge/']);
    expect(complete('-T', '5', 'bucket', 'ls', '-f', 'e')).toEqual(['edge']);
    expect(complete('cp', 'local/a', 'e')).toEqual(['edge/']);
  });

  test('is nothing where only the user knows', () => {
    expect(complete('replica', 'create', 'local/x', 's')).toEqual([]);
    expect(complete('bucket', 'ls', 'local', 'x')).toEqual([]);
    expect(complete('nonsense', 'x')).toEqual([]);
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
