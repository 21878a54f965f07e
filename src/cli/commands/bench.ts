import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runEntry } from '../child.ts';
import type { CliCommand } from '../command.ts';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';

const ENTRY: string = fileURLToPath(new URL('../../../bench/main.js', import.meta.url));

/** `bench`: what `npm run bench` runs, with the same options. */
export function addBenchCommand(program: CliCommand, context: CliContext): void {
  program
    .command('bench')
    .description('Measures this build against its goals. The options are those of the benchmark.')
    .argument('[options...]', "of the benchmark; 'millrace bench --help' lists them")
    .allowUnknownOption()
    .helpOption(false)
    .example('millrace bench --quick', 'a first impression in about two minutes')
    .action(async (args: readonly string[]) => {
      if (!existsSync(ENTRY)) throw new CliError('The benchmark is no part of this installation');
      context.exitCode = await runEntry(ENTRY, args);
    });
}
