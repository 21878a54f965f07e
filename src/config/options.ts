/**
 * The table of variables. Parsing, `--help`, `docs/configuration.md` and the type `Config` come from it; keys are the
 * names in `Config`. Defaults and bounds are written as a user would write them.
 *
 * `RS_*` names and meanings: http-api §7, replication §8. `MILLRACE_*` are our own.
 */
import {
  EVENT_OPTIONS,
  LOG_OPTIONS,
  REPLICATION_OPTIONS,
  STORAGE_OPTIONS,
  THREAD_OPTIONS,
} from './engine-options.ts';
import { ACCESS_OPTIONS, REQUEST_OPTIONS, SERVER_OPTIONS } from './front-options.ts';
import type { OptionSpec } from './kinds.ts';

export const OPTIONS: typeof SERVER_OPTIONS &
  typeof ACCESS_OPTIONS &
  typeof STORAGE_OPTIONS &
  typeof REQUEST_OPTIONS &
  typeof REPLICATION_OPTIONS &
  typeof THREAD_OPTIONS &
  typeof EVENT_OPTIONS &
  typeof LOG_OPTIONS = {
  ...SERVER_OPTIONS,
  ...ACCESS_OPTIONS,
  ...STORAGE_OPTIONS,
  ...REQUEST_OPTIONS,
  ...REPLICATION_OPTIONS,
  ...THREAD_OPTIONS,
  ...EVENT_OPTIONS,
  ...LOG_OPTIONS,
};

export type OptionName = keyof typeof OPTIONS;

/** The rows in table order, in their general type. */
export const OPTION_ROWS: readonly (readonly [OptionName, OptionSpec])[] = typedRows(OPTIONS);

function typedRows(
  table: Readonly<Record<OptionName, OptionSpec>>,
): readonly (readonly [OptionName, OptionSpec])[] {
  const names = Object.keys(table).filter((name): name is OptionName => name in table);
  return names.map((name) => [name, table[name]] as const);
}
