/**
 * The family `logs`: lines of the own log, taken where they are written. A line is only noted there; what becomes of it
 * happens later, so that a line from the middle of a commit does not begin another one.
 *
 * No line can lead to another: what the writing of events logs goes past the capture, and lines about tasks that send
 * `$system` are left out, because such a task would send the record of its own line.
 */
import type { LogLevel } from '../config/kinds.ts';
import { LOG_LEVELS } from '../config/kinds.ts';
import type { LogMethod, Logger } from '../logging/logger.ts';
import type { LogFields } from '../logging/redact.ts';
import { redactFields, redactMessage } from '../logging/redact.ts';
import { callSite } from './call-site.ts';
import type { EventClock } from './event-clock.ts';
import type { EventSink } from './types.ts';

/** Lines kept until they are handed over; beyond it they are dropped and counted. */
const MAX_LINES = 256;
/** Longest message with its fields. */
const MAX_MESSAGE_LENGTH = 4096;
/** `target` of lines that no part has written. */
const ROOT_PART = 'millrace';
const REPLICATION_PART = 'replication';

const SERVER_FAULT = 500;
const NO_FAULT = 200;

export interface LogCaptureOptions {
  /** Lowest level that is taken; `OFF` takes none. */
  readonly level: LogLevel | 'OFF';
  readonly clock: EventClock;
}

interface Line {
  readonly timestampUs: number;
  readonly level: LogLevel;
  readonly part: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly task: unknown;
}

export class LogCapture {
  readonly #options: LogCaptureOptions;
  readonly #minRank: number;
  #lines: Line[] = [];
  #droppedLines = 0;

  constructor(options: LogCaptureOptions) {
    this.#options = options;
    this.#minRank = options.level === 'OFF' ? LOG_LEVELS.length : LOG_LEVELS.indexOf(options.level);
  }

  /** Lines lost since the start because there were too many at once. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** A logger that writes like this one, and whose lines are taken as well. */
  attach(logger: Logger): Logger {
    return this.#options.level === 'OFF' ? logger : this.#wrap(logger, ROOT_PART, {});
  }

  /**
   * Hands over what was noted since the last time.
   * @param systemTasks names of the tasks that send the `$system` bucket.
   */
  flush(sink: EventSink, systemTasks: ReadonlySet<string>): void {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    for (const entry of lines) {
      if (isOfSystem(entry, systemTasks)) continue;
      const { timestampUs, level, part, message, file, line } = entry;
      sink.emit({
        family: 'logs',
        name: 'messages',
        timestampUs,
        status: level === 'ERROR' ? SERVER_FAULT : NO_FAULT,
        message,
        fields: { level, target: part, file, line },
        labels: ['level', level],
      });
    }
  }

  #isWanted(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#minRank;
  }

  #wrap(inner: Logger, part: string, bound: LogFields): Logger {
    const method = (
      level: LogLevel,
      name: 'trace' | 'debug' | 'info' | 'warn' | 'error',
    ): LogMethod => {
      const isWanted = this.#isWanted(level);
      return (first: LogFields | string, message?: string): void => {
        if (typeof first === 'string') inner[name](first);
        else inner[name](first, message ?? '');
        if (!isWanted) return;
        const fields = typeof first === 'string' ? bound : { ...bound, ...first };
        this.#note(level, part, fields, typeof first === 'string' ? first : (message ?? ''));
      };
    };
    return {
      trace: method('TRACE', 'trace'),
      debug: method('DEBUG', 'debug'),
      info: method('INFO', 'info'),
      warn: method('WARN', 'warn'),
      error: method('ERROR', 'error'),
      isEnabled: (level) => inner.isEnabled(level) || this.#isWanted(level),
      child: (name, fields = {}) =>
        this.#wrap(inner.child(name, fields), name, { ...bound, ...fields }),
    };
  }

  #note(level: LogLevel, part: string, fields: LogFields, message: string): void {
    if (this.#lines.length >= MAX_LINES) {
      this.#droppedLines++;
      return;
    }
    const { file, line } = callSite();
    this.#lines.push({
      timestampUs: this.#options.clock.nextUs(),
      level,
      part,
      message: messageWith(fields, message),
      file,
      line,
      task: fields['task'],
    });
  }
}

/** What replication says about no task in particular may be about one that sends `$system`. */
function isOfSystem({ part, task }: Line, systemTasks: ReadonlySet<string>): boolean {
  if (part !== REPLICATION_PART || systemTasks.size === 0) return false;
  return typeof task !== 'string' || systemTasks.has(task);
}

/** The message and behind it what the line says besides; without stacks, which are in the log. */
function messageWith(fields: LogFields, message: string): string {
  const text = redactMessage(message);
  if (Object.keys(fields).length === 0) return text.slice(0, MAX_MESSAGE_LENGTH);
  const json = JSON.stringify(redactFields(fields), (name, value: unknown) =>
    name === 'stack' ? undefined : value,
  );
  return `${text} ${json}`.slice(0, MAX_MESSAGE_LENGTH);
}
