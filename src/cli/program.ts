/** The command line: every noun adds its commands here. */
import { MILLRACE_VERSION } from '../config/version.ts';
import { redactText } from '../logging/redact.ts';
import { CliCommand } from './command.ts';
import { addAliasCommands } from './commands/alias.ts';
import { addBenchCommand } from './commands/bench.ts';
import { addBucketCommands } from './commands/bucket.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addCpCommand } from './commands/cp.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addLifecycleCommands } from './commands/lifecycle.ts';
import { addQueryCommand } from './commands/query.ts';
import { addReplicaCommands } from './commands/replica.ts';
import { addRmCommand } from './commands/rm.ts';
import { addServeCommand } from './commands/serve.ts';
import { addServerCommands } from './commands/server.ts';
import { addTokenCommands } from './commands/token.ts';
import { addWatchCommand } from './commands/watch.ts';
import type { CliContext } from './context.ts';
import { addGlobalOptions, readGlobalOptions } from './global-options.ts';

/** Adds commands to the program. Called for every run, so it must not do anything else. */
export type AddCommands = (program: CliCommand, context: CliContext) => void;

/** In the order of the help. */
const NOUNS: readonly AddCommands[] = [
  addServeCommand,
  addDemoCommand,
  addBenchCommand,
  addAliasCommands,
  addServerCommands,
  addBucketCommands,
  addTokenCommands,
  addReplicaCommands,
  addLifecycleCommands,
  addCpCommand,
  addQueryCommand,
  addRmCommand,
  addWatchCommand,
  addCompletionCommand,
];

const HELP_COLUMNS = 100;

/** The whole command line. Running it throws commander's `CommanderError` for wrong usage and for help. */
export function createProgram(context: CliContext): CliCommand {
  const { output } = context;
  const program = new CliCommand('millrace')
    .description('Sensor records: storage, replication and the tools for both.')
    .version(MILLRACE_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .exitOverride()
    .showHelpAfterError("(add '--help' for usage and examples)")
    .configureOutput({
      writeOut: (text) => output.raw(text),
      writeErr: (text) => output.note(text.trimEnd()),
      // They quote what was typed, and a URL may have a token in it.
      outputError: (text, write) => write(redactText(text)),
    })
    .configureHelp({ helpWidth: HELP_COLUMNS, showGlobalOptions: true });
  addGlobalOptions(program);
  program
    .example('millrace serve', 'start a server')
    .example('millrace alias add local --url http://localhost:8383 --token $TOKEN', 'name it')
    .example('millrace bucket ls local --full', 'see what it has');
  for (const add of NOUNS) add(program, context);
  addExamples(program);
  program.hook('preAction', () => {
    context.globals = readGlobalOptions(program);
  });
  return program;
}

function addExamples(command: CliCommand): void {
  command.addHelpText('after', () => examplesText(command));
  for (const child of command.commands) if (child instanceof CliCommand) addExamples(child);
}

function examplesText({ examples }: CliCommand): string {
  if (examples.length === 0) return '';
  const lines = examples.map(({ line, does }) => `  # ${does}\n  ${line}`);
  return `\nExamples:\n${lines.join('\n')}`;
}
