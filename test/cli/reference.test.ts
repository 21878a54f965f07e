import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { CliCommand } from '../../src/cli/command.ts';
import { createProgram } from '../../src/cli/program.ts';
import { commandReference } from '../../src/cli/reference.ts';
import { testContext } from '../lib/cli-context.ts';

const DOCS = fileURLToPath(new URL('../../docs/cli.md', import.meta.url));
const SECTION = /(<!-- begin commands -->\n)[^]*?(<!-- end commands -->)/;

test('docs/cli.md says what the definitions of the commands say', async () => {
  const page = readFileSync(DOCS, 'utf8');
  expect(page).toMatch(SECTION);
  const reference = commandReference(await createProgram(testContext()));
  const wanted = page.replace(
    SECTION,
    (_, begin: string, end: string) => `${begin}\n${reference}\n\n${end}`,
  );
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCS, wanted);
  else
    expect(page, 'UPDATE_DOCS=1 npx vitest run test/cli/reference.test.ts writes it').toBe(wanted);
});

/** All commands that do something. */
function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

describe('every command', async () => {
  const program = await createProgram(testContext());
  const all = leaves(program).map((command) => {
    const names: string[] = [];
    for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
    return { path: names.join(' '), command };
  });

  test.each(all)(
    '$path has a description, and words for each argument and option',
    ({ command }) => {
      expect(command.description()).not.toBe('');
      for (const option of command.options) expect(option.description).not.toBe('');
      for (const argument of command.registeredArguments) expect(argument.description).not.toBe('');
    },
  );

  test.each(all.filter(({ path }) => path !== 'millrace demo'))(
    '$path has an example of itself',
    ({ path, command }) => {
      expect(command).toBeInstanceOf(CliCommand);
      const { examples } = command as CliCommand;
      const nouns = path.replace('millrace lifecycle', 'millrace (lifecycle|lc)');
      expect(examples.length).toBeGreaterThan(0);
      for (const { line } of examples)
        expect(line).toMatch(new RegExp(`(^| |\\()${nouns}( |\\)|$)`));
    },
  );

  test.each(all)('$path takes no option letter that means something everywhere', ({ command }) => {
    const globals = new Set(program.options.flatMap(({ short, long }) => [short, long]));
    for (const { short, long } of command.options) {
      expect(globals).not.toContain(long);
      if (short !== undefined) expect(globals).not.toContain(short);
    }
  });
});
