/** `npm run bench`: see `--help`. */
import { CommanderError } from 'commander';
import { LoadDriver } from './lib/load-driver.ts';
import { describeMachine, machineLine, type Machine } from './lib/machine.ts';
import { parseOptions, type BenchOptions } from './lib/options.ts';
import { details, hasMiss, table, writeJson, type Outcome } from './lib/report.ts';
import { isMissed, type BenchSettings, type Row } from './lib/row.ts';
import { Scope } from './lib/scope.ts';
import { ROWS } from './rows/rows.ts';

const EXIT_USAGE = 2;

async function main(): Promise<number> {
  const options = optionsOrExitCode();
  if (typeof options === 'number') return options;
  // `exit` handlers remove what was started; without these a signal would skip them.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(1));
  }
  const { settings, rows, gate } = options;
  const machine = await machineOfThisRun();
  console.log(machineLine(machine, settings));
  console.log(`payloads: ${machine.payloads}\n`);
  const outcomes: Outcome[] = [];
  for (const row of rows) outcomes.push(await runRow(row, settings));
  console.log(`\n${table(outcomes)}\n`);
  console.log(details(outcomes));
  console.log(`\nAll rounds are in ${writeJson(machine, settings, outcomes)}`);
  return gate && outcomes.some(hasMiss) ? 1 : 0;
}

function optionsOrExitCode(): BenchOptions | number {
  try {
    return parseOptions(process.argv.slice(2), ROWS);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    throw error;
  }
}

async function machineOfThisRun(): Promise<Machine> {
  const scope = new Scope();
  try {
    return describeMachine(await LoadDriver.start(scope).origin());
  } finally {
    await scope.close();
  }
}

/** A row that fails is a missed goal, not the end of the run. */
async function runRow(row: Row, settings: BenchSettings): Promise<Outcome> {
  const scope = new Scope();
  const startMs = performance.now();
  const progress = (text: string): void => showProgress(`${row.id}: ${text}`);
  try {
    const driver = LoadDriver.start(scope);
    const result = await row.run({ settings, scope, driver, progress });
    const isAnyMissed = result.figures.some(isMissed);
    const reasons = isAnyMissed ? ((await result.explain?.()) ?? []) : [];
    return { row, result, error: undefined, reasons, elapsedMs: performance.now() - startMs };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const elapsedMs = performance.now() - startMs;
    return { row, result: undefined, error: text, reasons: [], elapsedMs };
  } finally {
    await scope.close();
    showProgress('');
    console.log(`${row.id}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  }
}

/** One line that is overwritten on a terminal; nothing elsewhere. */
function showProgress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}`);
}

process.exitCode = await main();
