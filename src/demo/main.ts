import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { MillraceError } from '../errors/errors.ts';
import { demoCommand, parseOptions, type DemoOptions } from './options.ts';
import { runDemo } from './run.ts';

const SERVER_PATH: string = fileURLToPath(new URL('../main.js', import.meta.url));
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type StopSignal = (typeof STOP_SIGNALS)[number];

/** The user ended the demo. */
class InterruptedError extends Error {
  /** As shells report it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(name: StopSignal) {
    super(`Interrupted by ${name}; both instances and their data are gone.`);
    this.exitCode = 128 + constants.signals[name];
  }
}

/** The first signal ends the demo in order; a second one at once, still without leaving anything behind. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of STOP_SIGNALS) {
    process.on(name, () => {
      const interrupted = new InterruptedError(name);
      if (controller.signal.aborted) process.exit(interrupted.exitCode);
      controller.abort(interrupted);
    });
  }
  // A reader that went away (`| head`) ends the demo as well.
  process.stdout.on('error', (error) => {
    controller.abort(error);
  });
  return controller.signal;
}

async function main(): Promise<number> {
  const options = optionsOrExitCode();
  if (typeof options === 'number') return options;
  try {
    const context = { serverPath: SERVER_PATH, stdout: process.stdout, signal: interruptSignal() };
    return (await runDemo(options, context)) ? 0 : 1;
  } catch (error) {
    if (error instanceof InterruptedError) {
      console.error(error.message);
      return error.exitCode;
    }
    console.error(describe(error));
    return 1;
  }
}

function optionsOrExitCode(): DemoOptions | number {
  try {
    return parseOptions(process.argv.slice(2), demoCommand());
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof MillraceError)) return `The demo failed: ${inspectError(error)}`;
  const hint = error.hint === undefined ? '' : `\n${error.hint}`;
  return `The demo failed: ${error.message}${hint}`;
}

function inspectError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

process.exitCode = await main();
