/** Repeated lines, such as those of retries, once per interval and with the number of those left out. */
import type { LogFields } from './redact.ts';
import type { Logger, LogMethod } from './logger.ts';

export interface RateLimited {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /**
   * The trouble is over: the next line is written at once.
   * @returns how many lines were left out since the last one written, for the line that says so.
   */
  reset(): number;
}

interface KeyState {
  lastMs: number;
  suppressed: number;
}

/** Keys remembered per logger; beyond it the one used longest ago is forgotten, and its next line is written. */
export const MAX_KEYS = 1024;

const states = new WeakMap<Logger, Map<string, KeyState>>();

/**
 * Lines of one `key` of `logger`: the first is written at once, later ones only when `everyMs` have passed since the
 * last that was written, and then with the field `suppressed`, the number left out in between. The state belongs to
 * logger and key, so this may be called anew for each line. A line below the logger's level does not count.
 *
 * @param everyMs milliseconds; 0 writes every line.
 * @param nowMs a clock that never goes backwards.
 */
export function rateLimited(
  logger: Logger,
  key: string,
  everyMs: number,
  nowMs: () => number = () => performance.now(),
): RateLimited {
  const limited = (level: 'debug' | 'info' | 'warn' | 'error'): LogMethod => {
    return (first: LogFields | string, message?: string): void => {
      if (!logger.isEnabled(LEVELS[level])) return;
      const suppressed = admit(logger, key, everyMs, nowMs());
      if (suppressed === undefined) return;
      const fields = typeof first === 'string' ? {} : first;
      const text = typeof first === 'string' ? first : (message ?? '');
      logger[level](suppressed === 0 ? fields : { ...fields, suppressed }, text);
    };
  };
  return {
    debug: limited('debug'),
    info: limited('info'),
    warn: limited('warn'),
    error: limited('error'),
    reset: () => forget(logger, key),
  };
}

const LEVELS = { debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' } as const;

/** Lines left out before this one, or undefined when this one is left out too. */
function admit(logger: Logger, key: string, everyMs: number, nowMs: number): number | undefined {
  const keys = keysOf(logger);
  const state = keys.get(key);
  if (state !== undefined && nowMs - state.lastMs < everyMs) {
    state.suppressed += 1;
    return undefined;
  }
  // Deleted and set again, so that the map stays in the order of use.
  keys.delete(key);
  keys.set(key, { lastMs: nowMs, suppressed: 0 });
  const [oldest] = keys.keys();
  if (keys.size > MAX_KEYS && oldest !== undefined) keys.delete(oldest);
  return state?.suppressed ?? 0;
}

function keysOf(logger: Logger): Map<string, KeyState> {
  const known = states.get(logger);
  if (known !== undefined) return known;
  const fresh = new Map<string, KeyState>();
  states.set(logger, fresh);
  return fresh;
}

function forget(logger: Logger, key: string): number {
  const keys = states.get(logger);
  const suppressed = keys?.get(key)?.suppressed ?? 0;
  keys?.delete(key);
  return suppressed;
}
