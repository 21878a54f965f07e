/** Options that every command accepts, before or behind its name (replication §9.2). They override the alias. */
import type { CliCommand } from './command.ts';
import { UsageError } from './errors.ts';
import { wholeNumber } from './sizes.ts';

export interface GlobalOptions {
  readonly ignoreSsl?: boolean;
  /** Path of a PEM file. */
  readonly caCert?: string;
  readonly timeoutMs?: number;
  readonly parallel?: number;
}

interface RawGlobals {
  readonly ignoreSsl?: boolean;
  readonly caCert?: string;
  readonly timeout?: number;
  readonly parallel?: number;
}

const MAX_PARALLEL = 1000;

export function addGlobalOptions(program: CliCommand): void {
  program
    .option('-i, --ignore-ssl', 'accept any certificate of the server')
    .option('--ca-cert <path>', 'PEM file with certificates to trust besides those of the system')
    .parsedOption(
      '-T, --timeout <seconds>',
      'longest wait for a connection or an answer (30)',
      parseTimeoutMs,
    )
    .parsedOption(
      '-p, --parallel <count>',
      'requests at a time (10)',
      wholeNumber(1, MAX_PARALLEL),
    );
}

export function readGlobalOptions(program: CliCommand): GlobalOptions {
  const { timeout, ...others } = program.opts<RawGlobals>();
  return timeout === undefined ? others : { ...others, timeoutMs: timeout };
}

function parseTimeoutMs(text: string): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0) return Math.ceil(seconds * 1000);
  throw new UsageError(`'${text}' is no number of seconds above 0`);
}
