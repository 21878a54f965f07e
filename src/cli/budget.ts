/** The link budget of a task (docs/http-extensions.md) from options. */
import type { JsonObject, JsonValue } from '../wire/json.ts';
import type { CliCommand } from './command.ts';
import { UsageError } from './errors.ts';
import { toJson } from './output/json-text.ts';
import { parseSize } from './sizes.ts';

/** When a task may send. */
export interface BudgetWindow {
  /** On which it begins; undefined: all. */
  readonly days: readonly string[] | undefined;
  readonly from: string;
  readonly to: string;
}

export interface BudgetOptions {
  readonly budgetRate?: number;
  readonly budgetDay?: number;
  readonly budgetWindow?: readonly BudgetWindow[];
  readonly budgetZone?: string;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const WINDOW = /^(?:([a-z,-]+) +)?(\d\d:\d\d) ?- ?(\d\d:\d\d)$/;

export function budgetOptions(command: CliCommand): CliCommand {
  return command
    .parsedOption('--budget-rate <size>', 'at most so many bytes a second on the link', parseSize)
    .parsedOption('--budget-day <size>', 'at most so many bytes a day', parseSize)
    .parsedList(
      '--budget-window <window...>',
      "send at these times only: '22:00-06:00', 'mon-fri 22:00-06:00', 'sat,sun 00:00-24:00'",
      parseWindow,
    )
    .option('--budget-zone <zone>', 'time zone of days and windows, e.g. Europe/Berlin (UTC)');
}

/** @throws UsageError */
export function parseWindow(text: string): BudgetWindow {
  const [, days, from = '', to = ''] = WINDOW.exec(text.trim().toLowerCase()) ?? [];
  if (from !== '')
    return { days: days === undefined ? undefined : days.split(',').flatMap(dayRange), from, to };
  throw new UsageError(
    `'${text}' is no window`,
    "Write '22:00-06:00', or with days 'mon-fri 22:00-06:00' or 'sat,sun 00:00-24:00'.",
  );
}

/** `mon-fri`, `fri-mon`, `sat`. */
function dayRange(text: string): readonly string[] {
  const [first = '', last = first, ...more] = text.split('-');
  const from = DAYS.indexOf(first);
  const to = DAYS.indexOf(last);
  if (from === -1 || to === -1 || more.length > 0) {
    throw new UsageError(`'${text}' are no days of the week`, `Days are ${DAYS.join(', ')}.`);
  }
  const count = ((to - from + DAYS.length) % DAYS.length) + 1;
  return Array.from({ length: count }, (_, at) => DAYS[(from + at) % DAYS.length] ?? '');
}

/** What is set now with the given members on top; undefined when none was given. */
export function budgetMember(current: JsonObject, options: BudgetOptions): JsonValue | undefined {
  const { budgetRate, budgetDay, budgetWindow, budgetZone } = options;
  const windows = budgetWindow?.map(({ days, from, to }) => ({ days, from, to }));
  const given = toJson({
    bytes_per_second: budgetRate,
    bytes_per_day: budgetDay,
    windows,
    time_zone: budgetZone,
  });
  return given instanceof Map && given.size > 0 ? new Map([...current, ...given]) : undefined;
}
