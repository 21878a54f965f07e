/** The command line: every noun adds its commands here. */
import { MILLRACE_VERSION } from '../config/version.ts';
import { redactText } from '../logging/redact.ts';
import { CliCommand } from './command.ts';
import type { CliContext } from './context.ts';
import { addGlobalOptions, readGlobalOptions } from './global-options.ts';

/** Adds commands to the program. Called for every run, so it must not do anything else. */
export type AddCommands = (program: CliCommand, context: CliContext) => void;

/**
 * Commands by their first word, in the order of the help. Each is loaded when it is needed: what all of them import takes
 * several times as long to load as most commands take to run.
 */
const NOUNS: readonly (readonly [names: readonly string[], load: () => Promise<AddCommands>])[] = [
  [['serve'], async () => (await import('./commands/serve.ts')).addServeCommand],
  [['demo'], async () => (await import('./commands/demo.ts')).addDemoCommand],
  [['bench'], async () => (await import('./commands/bench.ts')).addBenchCommand],
  [['alias'], async () => (await import('./commands/alias.ts')).addAliasCommands],
  [['server'], async () => (await import('./commands/server.ts')).addServerCommands],
  [['bucket'], async () => (await import('./commands/bucket.ts')).addBucketCommands],
  [['token'], async () => (await import('./commands/token.ts')).addTokenCommands],
  [['replica'], async () => (await import('./commands/replica.ts')).addReplicaCommands],
  [['lifecycle', 'lc'], async () => (await import('./commands/lifecycle.ts')).addLifecycleCommands],
  [['cp'], async () => (await import('./commands/cp.ts')).addCpCommand],
  [['query'], async () => (await import('./commands/query.ts')).addQueryCommand],
  [['write'], async () => (await import('./commands/write.ts')).addWriteCommand],
  [['rm'], async () => (await import('./commands/rm.ts')).addRmCommand],
  [['watch'], async () => (await import('./commands/watch.ts')).addWatchCommand],
  [['completion'], async () => (await import('./commands/completion.ts')).addCompletionCommand],
];

const HELP_COLUMNS = 100;

/**
 * The command line. Running it throws commander's `CommanderError` for wrong usage and for help.
 * @param args with which it will be run: only the command they name is there. Without any, or when they name none, all are.
 */
export async function createProgram(
  context: CliContext,
  args: readonly string[] = [],
): Promise<CliCommand> {
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
  for (const add of await loadCommands(firstWord(program, args))) add(program, context);
  addExamples(program);
  program.hook('preAction', () => {
    context.globals = readGlobalOptions(program);
  });
  return program;
}

function loadCommands(word: string | undefined): Promise<readonly AddCommands[]> {
  const named = NOUNS.filter(([names]) => word !== undefined && names.includes(word));
  return Promise.all((named.length > 0 ? named : NOUNS).map(([, load]) => load()));
}

/** The first argument that is neither a global option nor the value of one. */
function firstWord(program: CliCommand, args: readonly string[]): string | undefined {
  let isValue = false;
  for (const word of args) {
    if (!isValue && !word.startsWith('-')) return word;
    const option = program.options.find(({ long, short }) => long === word || short === word);
    isValue = !isValue && option?.required === true;
  }
  return undefined;
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
