/** Settings of a link budget: what of a link a task may use, and when. */
import { ApiError } from '../../errors/errors.ts';
import { isTimeZone } from './zone-clock.ts';

export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** A stretch of the clock on some days of the week, on the wall clock of the budget's time zone. */
export interface BudgetWindow {
  /** Days on which it begins; never empty. */
  readonly days: readonly Weekday[];
  /** Minutes since midnight, 0 to 1439. */
  readonly fromMinute: number;
  /** Minutes since midnight, 1 to 1440. Not behind `fromMinute`: the window ends on the next day. */
  readonly toMinute: number;
}

/** Plain data. At least one of the limits is set. */
export interface LinkBudget {
  /** `null`: no limit. */
  readonly bytesPerSecond: number | null;
  /** Of a day in the time zone; `null`: no limit. */
  readonly bytesPerDay: number | null;
  /** Nothing is sent outside of them; empty: no limit. */
  readonly windows: readonly BudgetWindow[];
  /** Name of the IANA data base. */
  readonly timeZone: string;
}

const MEMBERS = ['bytes_per_second', 'bytes_per_day', 'windows', 'time_zone'] as const;
const WINDOW_MEMBERS = ['days', 'from', 'to'] as const;
const MAX_WINDOWS = 64;
const DAY_MINUTES = 1440;

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads the member `budget` of settings; `null` when it is absent, `null` or without limits.
 * @throws ApiError 422 that names the member and what it accepts. Nothing is guessed: a limit that is not understood would
 * be a link that costs.
 */
export function readBudget(value: unknown): LinkBudget | null {
  if (value === undefined || value === null) return null;
  const members = readMembers(value, MEMBERS, 'budget');
  const bytesPerSecond = readBytes(members, 'bytes_per_second');
  const bytesPerDay = readBytes(members, 'bytes_per_day');
  const windows = readWindows(members['windows'] ?? []);
  const timeZone = members['time_zone'] ?? 'UTC';
  if (typeof timeZone !== 'string' || !isTimeZone(timeZone)) {
    throw invalid('time_zone', 'the name of a time zone, as in Europe/Berlin');
  }
  if (bytesPerSecond === null && bytesPerDay === null && windows.length === 0) return null;
  return { bytesPerSecond, bytesPerDay, windows, timeZone };
}

/** The member as it is answered: what is not limited is left out. */
export function budgetJson({ bytesPerSecond, bytesPerDay, windows, timeZone }: LinkBudget): object {
  return {
    ...(bytesPerSecond === null ? {} : { bytes_per_second: bytesPerSecond }),
    ...(bytesPerDay === null ? {} : { bytes_per_day: bytesPerDay }),
    ...(windows.length === 0 ? {} : { windows: windows.map(windowJson) }),
    time_zone: timeZone,
  };
}

function windowJson({ days, fromMinute, toMinute }: BudgetWindow): object {
  return { days, from: clockText(fromMinute), to: clockText(toMinute) };
}

function clockText(minute: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

function readMembers(value: unknown, names: readonly string[], what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError(422, `Invalid ${what}: it is not an object`);
  }
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new ApiError(
      422,
      `Invalid ${what}: '${unknown.slice(0, 64)}' is not one of ${names.join(', ')}`,
    );
  }
  return Object.fromEntries(Object.entries(value));
}

function readBytes(members: Members, name: string): number | null {
  const value = members[name] ?? null;
  if (value === null) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(name, 'a whole number of bytes from 1');
}

function readWindows(value: unknown): readonly BudgetWindow[] {
  if (!Array.isArray(value) || value.length > MAX_WINDOWS) {
    throw invalid('windows', `a list of at most ${MAX_WINDOWS} windows`);
  }
  return value.map(readWindow);
}

function readWindow(value: unknown): BudgetWindow {
  const members = readMembers(value, WINDOW_MEMBERS, 'budget window');
  const days = readDays(members['days'] ?? WEEKDAYS);
  const fromMinute = readClock(members, 'from');
  const toMinute = readClock(members, 'to');
  if (fromMinute === DAY_MINUTES) throw invalid('windows', 'a from before 24:00');
  return { days, fromMinute, toMinute: toMinute === 0 ? DAY_MINUTES : toMinute };
}

/** In the order of the week; twice is once. */
function readDays(value: unknown): readonly Weekday[] {
  const isList = Array.isArray(value) && value.length > 0;
  if (isList && value.every((day) => WEEKDAYS.some((known) => known === day))) {
    return WEEKDAYS.filter((day) => value.includes(day));
  }
  throw invalid('windows', `days as a list of ${WEEKDAYS.join(', ')}`);
}

function readClock(members: Members, name: string): number {
  const value = members[name];
  const [, hours, minutes] = (typeof value === 'string' && /^(\d\d):(\d\d)$/.exec(value)) || [];
  const minute = Number(hours) * 60 + Number(minutes);
  if (Number(minutes) < 60 && minute <= DAY_MINUTES) return minute;
  throw invalid('windows', `${name} as a time from 00:00 to 24:00, as in 22:30`);
}

function invalid(name: string, accepted: string): ApiError {
  return new ApiError(422, `Invalid budget: ${name} accepts ${accepted}`);
}
