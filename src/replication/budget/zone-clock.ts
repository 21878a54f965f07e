/** The wall clock of a time zone, from the data base of the platform (ICU). */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock on the wall shows, as if it were UTC: days and minutes are plain arithmetic then. */
export interface WallTime {
  readonly ms: number;
  /** Days since 1970-01-01. */
  readonly day: number;
  readonly minuteOfDay: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** @param timeZone a name that `isTimeZone` accepts. */
export function wallTime(timeZone: string, atMs: number): WallTime {
  const ms = atMs + offsetMs(timeZone, atMs);
  const day = Math.floor(ms / DAY_MS);
  const minuteOfDay = Math.floor((ms - day * DAY_MS) / MINUTE_MS);
  // 1970-01-01 was a Thursday.
  return { ms, day, minuteOfDay, weekday: (((day + 4) % 7) + 7) % 7 };
}

/** How far the wall clock is ahead of UTC. */
export function offsetMs(timeZone: string, atMs: number): number {
  const wholeMs = Math.floor(atMs / 1000) * 1000;
  const parts = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of formatOf(timeZone).formatToParts(wholeMs)) {
    if (type in parts) Object.assign(parts, { [type]: Number(value) });
  }
  const { year, month, day, hour, minute, second } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs;
}

/**
 * The first moment behind `fromMs`, and not behind `toMs`, from which the offset is that of `toMs`. Both may be some days
 * apart, with at most one change of clocks between.
 */
export function transitionMs(timeZone: string, fromMs: number, toMs: number): number {
  const after = offsetMs(timeZone, toMs);
  let low = fromMs;
  let high = toMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(timeZone, middle) === after) high = middle;
    else low = middle;
  }
  return high;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timeZone, format);
  }
  return format;
}
