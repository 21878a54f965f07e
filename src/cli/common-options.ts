/** Options that mean the same wherever they stand. */
import type { CliCommand } from './command.ts';
import type { CliContext } from './context.ts';

export interface ListOptions {
  readonly full?: boolean;
  readonly json?: boolean;
  readonly utc?: boolean;
}

export interface YesOption {
  readonly yes?: boolean;
}

export function jsonOption(command: CliCommand): CliCommand {
  return command.option('--json', 'print the answer as JSON');
}

export function fullOption(command: CliCommand): CliCommand {
  return command.option('-f, --full', 'show more than names');
}

export function utcOption(command: CliCommand): CliCommand {
  return command.option('--utc', 'show times in UTC instead of the local zone');
}

export function yesOption(command: CliCommand): CliCommand {
  return command.option('-y, --yes', 'do not ask');
}

/** Whether to go on: `--yes`, or what is answered on the terminal. @throws CliError when nobody can be asked. */
export async function isConfirmed(
  context: CliContext,
  { yes }: YesOption,
  question: string,
): Promise<boolean> {
  return yes === true || (await context.confirm(question));
}

/** What is asked about before it is removed. */
export interface Removal {
  /** As messages begin with it: `Bucket`, `Token`. */
  readonly kind: string;
  readonly name: string;
  /** Defaults to `Delete <kind> '<name>'?`. */
  readonly question?: string;
}

/** Asks, removes and says which of both happened (replication §9.3). */
export async function removeConfirmed(
  context: CliContext,
  options: YesOption,
  { kind, name, question = `Delete ${kind.toLowerCase()} '${name}'?` }: Removal,
  remove: () => Promise<unknown>,
): Promise<void> {
  const isWanted = await isConfirmed(context, options, question);
  if (isWanted) await remove();
  context.output.line(`${kind} '${name}' ${isWanted ? 'deleted' : 'not deleted'}`);
}
