/** Options that choose records, as several commands have them (replication §9.5). */
import { JsonSyntaxError, parseJson } from '../wire/json.ts';
import type { CliCommand } from './command.ts';
import { UsageError } from './errors.ts';
import { type LabelPair, parseLabel } from './labels.ts';
import { wholeNumber } from './sizes.ts';
import { parseTime } from './times.ts';

export interface TimeOptions {
  /** µs. */
  readonly start?: bigint;
  readonly stop?: bigint;
}

export interface LabelOptions {
  readonly include?: readonly LabelPair[];
  readonly exclude?: readonly LabelPair[];
}

export interface ConditionOptions {
  /** JSON text. */
  readonly when?: string;
  readonly strict?: boolean;
}

/** @param nowUs what `now` means in times. */
export function addTimeOptions(
  command: CliCommand,
  nowUs: bigint,
  stopDefault: string,
): CliCommand {
  const parse = (text: string): bigint => parseTime(text, nowUs);
  return command
    .parsedOption('-b, --start <time>', 'from this time on, itself included', parse)
    .parsedOption('-e, --stop <time>', `up to this time, itself excluded (${stopDefault})`, parse);
}

export function addEntriesOption(command: CliCommand): CliCommand {
  return command.option(
    '-n, --entries <pattern...>',
    "only these entries: names, globs ('cam-*', 'line/**'), '!…' leaves out",
  );
}

export function addLabelOptions(command: CliCommand): CliCommand {
  return command
    .parsedList('-I, --include <label=value...>', 'only records with all of these', parseLabel)
    .parsedList('-E, --exclude <label=value...>', 'no records with all of these', parseLabel);
}

export function addConditionOptions(command: CliCommand): CliCommand {
  return command
    .parsedOption('-w, --when <json>', 'only records for which this condition holds', parseJsonText)
    .option('-s, --strict', 'fail where the condition cannot be evaluated, instead of a no');
}

export function addSamplingOptions(command: CliCommand): CliCommand {
  return command
    .parsedOption('-N, --each-n <n>', 'only each n-th record of an entry', wholeNumber(1))
    .parsedOption('-S, --each-s <seconds>', 'only a record each so many seconds', parseSeconds);
}

/** The text itself when it is JSON. @throws UsageError */
export function parseJsonText(text: string): string {
  try {
    parseJson(text);
    return text;
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new UsageError(
      `It is no JSON: ${error.message}`,
      `Write for example '{"&anomaly": {"$eq": true}}'.`,
    );
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0) return seconds;
  throw new UsageError(`'${text}' is no number of seconds above 0`);
}
