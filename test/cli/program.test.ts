import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { testContext } from '../lib/cli-context.ts';

async function commandsFor(...args: string[]): Promise<string[]> {
  const program = await createProgram(testContext(), args);
  return program.commands.map((command) => command.name());
}

test.each([
  [['bucket', 'ls', 'cp'], 'bucket'],
  [['lc', 'ls', 'local'], 'lifecycle'],
  [['-i', '-T', '5', '--parallel', '2', 'cp'], 'cp'],
  [['--ca-cert=rm', 'query'], 'query'],
])('the command of %j is the only one that is loaded', async (args, name) => {
  expect(await commandsFor(...args)).toEqual([name]);
});

test.each([[[]], [['--help']], [['help', 'cp']], [['bukcet', 'rm']], [['-T', 'cp']]])(
  'all commands are there for %j',
  async (args) => {
    expect(await commandsFor(...args)).toEqual(expect.arrayContaining(['serve', 'bucket', 'rm']));
  },
);

test('a client of a server loads the connections of undici and nothing else of it', async () => {
  const client = new URL('../../dist/src/cli/commands/cp.js', import.meta.url);
  const script =
    `import { createRequire } from 'node:module'; await import(${JSON.stringify(client.href)});` +
    'console.log(Object.keys(createRequire(import.meta.url).cache).join("\\n"))';
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '--eval',
    script,
  ]);
  const loaded = stdout.split('\n').map((path) => path.replace(/^.*node_modules./, ''));
  expect(loaded).toContain('undici/lib/dispatcher/pool.js');
  expect(loaded).not.toContain('undici/index.js');
});
