/**
 * Structured logs: one JSON object a line on standard output, or text for people on a terminal. Nothing else in the
 * project knows the library behind it. Payloads and tokens never appear, see `redact.ts`.
 *
 * Writing is synchronous, so that the last lines before an exit or a crash are not lost; a logger belongs to the
 * thread that made it.
 */
import { pino } from 'pino';
import type { LevelWithSilent, Logger as PinoLogger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Config } from '../config/config.ts';
import type { LogLevel, LogLevels } from '../config/kinds.ts';
import { redactFields, redactMessage } from './redact.ts';
import type { LogFields } from './redact.ts';

export interface LogMethod {
  (message: string): void;
  /** `fields.err` may be any error: type, message, stack, code and causes are logged. */
  (fields: LogFields, message: string): void;
}

/** What the other parts see of logging. */
export interface Logger {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /** For work that is only done for a line that will be written. */
  isEnabled(level: LogLevel): boolean;
  /**
   * A logger whose lines carry `part` and `fields`. `RS_LOG_LEVEL` can set a level for the part
   * (`INFO,replication=DEBUG`); without one the level of this logger holds.
   */
  child(part: string, fields?: LogFields): Logger;
}

export type LogSettings = Pick<Config, 'logLevels' | 'logFormat'>;

/** Where lines go. Called once per line, with the line feed. */
export interface LogStream {
  write(line: string): unknown;
}

const STDOUT_DESCRIPTOR = 1;

/**
 * @param stream for tests; standard output when absent. Whether that is a terminal decides about `auto`.
 */
export function createLogger(settings: LogSettings, stream?: LogStream): Logger {
  const isTerminal = stream === undefined && process.stdout.isTTY === true;
  const { logFormat, logLevels } = settings;
  const isPretty = logFormat === 'pretty' || (logFormat === 'auto' && isTerminal);
  const target = isPretty ? prettyStream(stream, isTerminal) : jsonStream(stream);
  const root = pino(
    {
      base: null,
      level: pinoLevel(logLevels.base),
      timestamp: pino.stdTimeFunctions.isoTime,
      // Errors arrive as plain data already; the library's serializer would merge the messages of causes.
      serializers: { err: (value: unknown) => value },
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  );
  return wrap(root, logLevels);
}

/** Writes nothing: for tests and for parts that are used without a server. */
export const silentLogger: Logger = wrap(pino({ level: 'silent' }, { write: () => {} }), {
  base: 'ERROR',
  parts: {},
});

function jsonStream(stream: LogStream | undefined): LogStream {
  return stream ?? pino.destination({ dest: STDOUT_DESCRIPTOR, sync: true });
}

/** Formats line by line in place: the library's own stream, in a worker or not, loses lines when the process ends. */
function prettyStream(stream: LogStream | undefined, isTerminal: boolean): LogStream {
  const target = jsonStream(stream);
  const format = prettyFactory({
    colorize: isTerminal,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'part',
    messageFormat: '{if part}[{part}] {end}{msg}',
  });
  return { write: (line) => target.write(format(line)) };
}

function pinoLevel(level: LogLevel): Exclude<LevelWithSilent, 'silent' | 'fatal'> {
  const names = {
    TRACE: 'trace',
    DEBUG: 'debug',
    INFO: 'info',
    WARN: 'warn',
    ERROR: 'error',
  } as const;
  return names[level];
}

function wrap(inner: PinoLogger, levels: LogLevels): Logger {
  const method = (level: LogLevel): LogMethod => {
    const name = pinoLevel(level);
    return (first: LogFields | string, message?: string): void => {
      if (!inner.isLevelEnabled(name)) return;
      if (typeof first === 'string') inner[name](redactMessage(first));
      else inner[name](redactFields(first), redactMessage(message ?? ''));
    };
  };
  return {
    trace: method('TRACE'),
    debug: method('DEBUG'),
    info: method('INFO'),
    warn: method('WARN'),
    error: method('ERROR'),
    isEnabled: (level) => inner.isLevelEnabled(pinoLevel(level)),
    child: (part, fields = {}) => {
      const own = Object.hasOwn(levels.parts, part) ? levels.parts[part] : undefined;
      const level = own === undefined ? inner.level : pinoLevel(own);
      return wrap(inner.child({ part, ...redactFields(fields) }, { level }), levels);
    },
  };
}
