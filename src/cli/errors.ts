/** What goes wrong at the command line, and how it is told. */
import { ApiError, ConfigError, MillraceError } from '../errors/errors.ts';
import { redactText } from '../logging/redact.ts';
import { classifyTransportError, type TransportFailure } from '../replication/transport-error.ts';

/** Exit codes of every command (replication §9.2); an interrupt gives 128 and the signal's number, as in shells. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** The command could not do what it was asked; exit code 1. `message` is printed as it is. */
export class CliError extends Error {
  /** What to do next, one sentence. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** The command line does not say what to do; exit code 2. */
export class UsageError extends CliError {}

/** The user ended the command. */
export class InterruptedError extends Error {
  readonly exitCode: number;

  /** @param signalNumber 2 for Ctrl-C. */
  constructor(signalNumber: number) {
    super('Interrupted');
    this.exitCode = 128 + signalNumber;
  }
}

/** Names of statuses as the original prints them (replication §9.2). */
const STATUS_NAMES: ReadonlyMap<number, string> = new Map([
  [400, 'BadRequest'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [405, 'MethodNotAllowed'],
  [408, 'RequestTimeout'],
  [409, 'Conflict'],
  [411, 'LengthRequired'],
  [413, 'PayloadTooLarge'],
  [415, 'UnsupportedMediaType'],
  [422, 'UnprocessableEntity'],
  [425, 'TooEarly'],
  [429, 'TooManyRequests'],
  [500, 'InternalServerError'],
  [501, 'NotImplemented'],
  [502, 'BadGateway'],
  [503, 'ServiceUnavailable'],
  [504, 'GatewayTimeout'],
  [507, 'InsufficientStorage'],
]);

/** `NotFound` for 404; statuses without a name give `Status418`. */
export function statusName(status: number): string {
  return STATUS_NAMES.get(status) ?? `Status${status}`;
}

/** Keys of `classifyTransportError`. */
const TIMEOUT_KEY = -2;
const UNKNOWN_KEY = -1;
const CONNECT_KEY = -3;

const TOKEN_HINT =
  'The token is missing or wrong: it stands with the alias, or in the URL as https://<token>@<host>/.';

/** An error as one line, and what to do next where that is known. */
export interface ErrorText {
  readonly message: string;
  readonly hint: string | undefined;
}

/**
 * `[NotFound] Replication 'x' does not exist` for answers, `[ConnectionError] …` when there was none. Texts that others
 * wrote lose tokens in URLs and headers.
 */
export function describeError(error: unknown): ErrorText {
  if (error instanceof CliError) return error;
  if (error instanceof ApiError) {
    const hint = error.hint ?? (error.status === 401 ? TOKEN_HINT : undefined);
    return { message: `[${statusName(error.status)}] ${error.message}`, hint };
  }
  if (error instanceof MillraceError) return error;
  if (!(error instanceof Error)) return { message: redactText(String(error)), hint: undefined };
  const failure = classifyTransportError(error);
  if (failure.key === UNKNOWN_KEY) return { message: redactText(error.message), hint: undefined };
  const kind = failure.key === TIMEOUT_KEY ? 'Timeout' : 'ConnectionError';
  return { message: `[${kind}] ${failure.message}`, hint: connectionHint(failure) };
}

/** What to look at first when nobody answered. */
function connectionHint({ key, kind, message }: TransportFailure): string | undefined {
  if (key !== CONNECT_KEY) return undefined;
  if (kind === 'unreachable') return 'Is the server running, and is its address right?';
  if (message.startsWith('ENOTFOUND')) return 'Is the name of the host right?';
  return 'Is it a server with TLS? --ca-cert trusts a certificate of your own, --ignore-ssl any.';
}

/** The exit code for whatever a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return error.exitCode;
  const isUsage = error instanceof UsageError || error instanceof ConfigError;
  return isUsage ? EXIT_USAGE : EXIT_FAILURE;
}
