/** What can be typed next, from the definitions of the commands and what servers have. The scripts of the shells ask it. */
import type { Command, Option } from 'commander';

/** What is on servers, and how they are called. Names are `readonly []` where they cannot be told. */
export interface KnownNames {
  aliases(): readonly string[];
  /** Of the buckets, tasks, … that the server behind an alias has. */
  on(alias: string, kind: NameKind): Promise<readonly string[]>;
  /** Of a bucket. */
  entriesOf(alias: string, bucket: string): Promise<readonly string[]>;
}

export type NameKind = 'bucket' | 'token' | 'replica' | 'lifecycle';

/** Arguments that are a server alone. */
const INSTANCES: ReadonlySet<string> = new Set(['instance', 'alias']);

/** Arguments `<alias>/<name>`, by what the name is of. */
const RESOURCES: ReadonlyMap<string, NameKind> = new Map([
  ['bucket', 'bucket'],
  ['entry', 'bucket'],
  ['source', 'bucket'],
  ['destination', 'bucket'],
  ['token', 'token'],
  ['replica', 'replica'],
  ['lifecycle', 'lifecycle'],
]);

/** Commands whose bucket may be followed by an entry. */
const WITH_ENTRIES: ReadonlySet<string> = new Set(['cp', 'query', 'rm', 'write']);

/** Later arguments and values of options that are a bucket on the server of the first argument. */
const OWN_BUCKETS: ReadonlySet<string> = new Set([
  'bucket',
  'source-bucket',
  'read-bucket',
  'write-bucket',
]);

/** Options whose values are entries of the bucket that the arguments name. */
const OWN_ENTRIES: ReadonlySet<string> = new Set(['entries', 'only-entries', 'only-entry']);

/** Where the words before the one that is being typed have led to. */
interface Place {
  readonly command: Command;
  /** Of `command`, those that are complete. */
  readonly arguments: readonly string[];
  /** Waits for its value. */
  readonly option: Option | undefined;
}

/**
 * The words that can stand at the end of `words`, whose last one is what has been typed of it so far. Empty where files or
 * free text are expected.
 */
export async function completions(
  program: Command,
  words: readonly string[],
  names: KnownNames,
): Promise<readonly string[]> {
  const typed = words.at(-1) ?? '';
  const place = placeOf(program, words.slice(0, -1));
  return (await candidates(place, typed, names)).filter((word) => word.startsWith(typed));
}

async function candidates(
  place: Place,
  typed: string,
  names: KnownNames,
): Promise<readonly string[]> {
  const { command, option } = place;
  if (option !== undefined && !typed.startsWith('-')) return valueWords(place, option, names);
  if (typed.startsWith('-')) return optionWords(command, typed);
  const children = command.createHelp().visibleCommands(command);
  if (children.length > 0) return children.map((child) => child.name());
  return argumentWords(place, typed, names);
}

async function valueWords(
  { command, arguments: before }: Place,
  option: Option,
  names: KnownNames,
): Promise<readonly string[]> {
  if (option.argChoices !== undefined) return option.argChoices;
  const [first = '', second] = before;
  const [alias = '', bucket = ''] = first.split('/');
  const name = option.name();
  if (OWN_BUCKETS.has(name)) return names.on(alias, 'bucket');
  if (!OWN_ENTRIES.has(name)) return [];
  const isTask = command.registeredArguments[0]?.name() === 'replica';
  return names.entriesOf(alias, isTask ? (second ?? '') : bucket);
}

/** Names of options; after `--name=` its values. */
function optionWords(command: Command, typed: string): readonly string[] {
  const options = optionsOf(command);
  const [name = '', value] = typed.split('=', 2);
  if (value === undefined) {
    return options.flatMap(({ long, short }) => [long, short].filter((flag) => flag !== undefined));
  }
  const choices = options.find(({ long }) => long === name)?.argChoices ?? [];
  return choices.map((choice) => `${name}=${choice}`);
}

async function argumentWords(
  { command, arguments: before }: Place,
  typed: string,
  names: KnownNames,
): Promise<readonly string[]> {
  const declared = command.registeredArguments;
  const last = declared.at(-1);
  const argument = declared[before.length] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices;
  const name = argument.name();
  const [first] = before;
  if (first !== undefined && OWN_BUCKETS.has(name)) {
    return names.on(first.split('/')[0] ?? '', 'bucket');
  }
  if (INSTANCES.has(name)) return first === undefined ? names.aliases() : [];
  const kind = RESOURCES.get(name);
  return kind === undefined ? [] : resourceWords(command, kind, typed, names);
}

/** `<alias>/`, then `<alias>/<name>`, and for some commands `<alias>/<bucket>/<entry>`. */
async function resourceWords(
  command: Command,
  kind: NameKind,
  typed: string,
  names: KnownNames,
): Promise<readonly string[]> {
  const [alias = '', bucket, ...entry] = typed.split('/');
  if (!names.aliases().includes(alias) || bucket === undefined) {
    return names.aliases().map((one) => `${one}/`);
  }
  if (command.name() === 'create') return [];
  if (entry.length === 0) return (await names.on(alias, kind)).map((name) => `${alias}/${name}`);
  if (!WITH_ENTRIES.has(command.name())) return [];
  const entries = await names.entriesOf(alias, bucket);
  return entries.map((name) => `${alias}/${bucket}/${name}`);
}

function placeOf(program: Command, words: readonly string[]): Place {
  let command = program;
  const complete: string[] = [];
  let option: Option | undefined;
  for (const word of words) {
    if (word.startsWith('-')) {
      option = waitingOption(command, word);
    } else if (option !== undefined) {
      if (!option.variadic) option = undefined;
    } else {
      const child = command.commands.find(
        (one) => one.name() === word || one.aliases().includes(word),
      );
      if (child === undefined) complete.push(word);
      else command = child;
    }
  }
  return { command, arguments: complete, option };
}

/** The option of `word` when its value is the next word. */
function waitingOption(command: Command, word: string): Option | undefined {
  if (word.includes('=')) return undefined;
  return optionsOf(command).find(
    (option) => (option.long === word || option.short === word) && option.required,
  );
}

function optionsOf(command: Command): readonly Option[] {
  const help = command.createHelp();
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
}
