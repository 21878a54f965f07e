import { Command, InvalidArgumentError } from 'commander';

export interface DemoOptions {
  /** A WAV, CSV or raw float32 file; `undefined`: recordings where present, else synthetic. */
  readonly signalFile: string | undefined;
  /** How long the sensors write. The rest (start, drain, comparison) comes on top. */
  readonly seconds: number;
  /** All sensors together. */
  readonly recordsPerSecond: number;
  /** Leave both instances running at the end. */
  readonly keep: boolean;
}

interface RawOptions {
  readonly signal?: string;
  readonly seconds: number;
  readonly rate: number;
  readonly keep?: boolean;
}

/** Below it there is no time for an outage with writing before and after it. */
const MIN_SECONDS = 5;
const MAX_SECONDS = 3600;
const DEFAULT_SECONDS = 15;
const MIN_RATE = 100;
const MAX_RATE = 1_000_000;
const DEFAULT_RATE = 20_000;

/**
 * The command line of the demo; parsing `--help` or a bad value throws commander's `CommanderError`.
 * @param name as help shows it.
 */
export function demoCommand(name: string = 'npm run demo --'): Command {
  return new Command(name)
    .description(
      'Starts two instances on loopback, edge and cloud, writes vibration from four sensors into the edge, ' +
        'replicates what matches to the cloud, kills the cloud in between, and compares both sides.',
    )
    .option('--signal <file>', 'WAV, CSV or raw float32 (.f32, .raw, .bin) file to write')
    .option(
      '--seconds <n>',
      `how long the sensors write, ${MIN_SECONDS} to ${MAX_SECONDS}`,
      integerIn(MIN_SECONDS, MAX_SECONDS),
      DEFAULT_SECONDS,
    )
    .option(
      '--rate <n>',
      `records per second of all sensors together, ${MIN_RATE} to ${MAX_RATE}`,
      integerIn(MIN_RATE, MAX_RATE),
      DEFAULT_RATE,
    )
    .option('--keep', 'leave both instances running and print how to reach and stop them')
    .allowExcessArguments(false)
    .exitOverride();
}

/** Parses the arguments behind the script's name. */
export function parseOptions(args: readonly string[], command: Command): DemoOptions {
  const { signal, seconds, rate, keep } = command
    .parse([...args], { from: 'user' })
    .opts<RawOptions>();
  return { signalFile: signal, seconds, recordsPerSecond: rate, keep: keep ?? false };
}

function integerIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
