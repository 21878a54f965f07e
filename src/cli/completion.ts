/** What can be typed next, from the definitions of the commands. Pure; the scripts of the shells ask it. */
import type { Argument, Command, Option } from 'commander';

/** Names of servers that have one. */
export type AliasNames = () => readonly string[];

/** Arguments that are a server. */
const INSTANCES: ReadonlySet<string> = new Set(['instance']);

/** Arguments that are something on a server, of which its name is known here. */
const RESOURCES: ReadonlySet<string> = new Set([
  'bucket',
  'token',
  'replica',
  'lifecycle',
  'source',
  'destination',
]);

/** Where the words before the one that is being typed have led to. */
interface Place {
  readonly command: Command;
  /** Arguments of `command` that are complete. */
  readonly argumentCount: number;
  /** Waits for its value. */
  readonly option: Option | undefined;
}

/**
 * The words that can stand at the end of `words`, whose last one is what has been typed of it so far. Empty where files or
 * free text are expected.
 */
export function completions(
  program: Command,
  words: readonly string[],
  aliases: AliasNames,
): readonly string[] {
  const typed = words.at(-1) ?? '';
  const place = placeOf(program, words.slice(0, -1));
  return candidates(place, typed, aliases).filter((word) => word.startsWith(typed));
}

function candidates(place: Place, typed: string, aliases: AliasNames): readonly string[] {
  const { command, option, argumentCount } = place;
  if (option !== undefined && !typed.startsWith('-')) return option.argChoices ?? [];
  if (typed.startsWith('-')) return optionWords(command, typed);
  const children = command.createHelp().visibleCommands(command);
  if (children.length > 0) return children.map((child) => child.name());
  return argumentWords(command.registeredArguments, argumentCount, aliases);
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

function argumentWords(
  declared: readonly Argument[],
  count: number,
  aliases: AliasNames,
): readonly string[] {
  const last = declared.at(-1);
  const argument = declared[count] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices;
  const name = argument.name();
  if (INSTANCES.has(name)) return aliases();
  return RESOURCES.has(name) ? aliases().map((alias) => `${alias}/`) : [];
}

function placeOf(program: Command, words: readonly string[]): Place {
  let command = program;
  let argumentCount = 0;
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
      if (child === undefined) argumentCount++;
      else command = child;
    }
  }
  return { command, argumentCount, option };
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
