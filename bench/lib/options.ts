import { Command, InvalidArgumentError } from 'commander';
import type { BenchSettings, Row } from './row.ts';

export interface BenchOptions {
  readonly settings: BenchSettings;
  readonly rows: readonly Row[];
  /** Exit code 1 when a goal is missed. */
  readonly gate: boolean;
}

interface RawOptions {
  readonly quick?: boolean;
  readonly gate?: boolean;
  readonly only?: string[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly connections: number;
  readonly entries: number;
}

const DEFAULT_CONNECTIONS = 64;
/** The demo's four sensors. */
const DEFAULT_ENTRIES = 4;

/**
 * Parses the arguments behind the script's name.
 * @throws CommanderError for `--help` (exit code 0) and bad values
 */
export function parseOptions(args: readonly string[], rows: readonly Row[]): BenchOptions {
  const raw = benchCommand(rows)
    .parse([...args], { from: 'user' })
    .opts<RawOptions>();
  const quick = raw.quick ?? false;
  const measureMs = (raw.seconds ?? (quick ? 1 : 3)) * 1000;
  const settings: BenchSettings = {
    quick,
    rounds: raw.rounds ?? (quick ? 1 : 5),
    // A single round has to warm up for itself.
    warmupMs: quick ? measureMs : measureMs / 4,
    measureMs,
    connections: raw.connections,
    entries: raw.entries,
  };
  const only = raw.only;
  const chosen =
    only === undefined
      ? rows.filter((row) => !quick || row.inQuick)
      : rows.filter((row) => only.includes(row.id));
  return { settings, rows: chosen, gate: raw.gate ?? false };
}

function benchCommand(rows: readonly Row[]): Command {
  const ids = rows.map((row) => row.id);
  const list = rows
    .map((row) => `  ${row.id.padEnd(22)}${row.inQuick ? '*' : ' '} ${row.title}`)
    .join('\n');
  return new Command('npm run bench --')
    .description(
      'Measures this build against its goals. Every row is a ratio to a named baseline, measured in interleaved ' +
        'rounds, or an absolute with its unit. Results also go to bench-results/ as JSON.',
    )
    .option(
      '--quick',
      'the rows marked * below with short rounds, about two minutes: a first impression',
    )
    .option('--only <row...>', 'only these rows', oneOf(ids))
    .option('--rounds <n>', 'interleaved rounds of a comparison (default: 5, quick: 1)', count)
    .option('--seconds <n>', 'measured window of a round (default: 3, quick: 1)', count)
    .option('--connections <n>', 'of the load generator', count, DEFAULT_CONNECTIONS)
    .option('--entries <n>', 'that the connections write to', count, DEFAULT_ENTRIES)
    .option('--gate', 'exit with 1 when a goal is missed')
    .addHelpText('after', `\nRows:\n${list}`)
    .allowExcessArguments(false)
    .exitOverride();
}

function oneOf(ids: readonly string[]): (id: string, before?: string[]) => string[] {
  return (id, before = []) => {
    if (!ids.includes(id)) throw new InvalidArgumentError(`The rows are: ${ids.join(', ')}.`);
    return [...before, id];
  };
}

function count(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 3600) return value;
  throw new InvalidArgumentError('It must be a whole number from 1 to 3600.');
}
