/** Dates of the wire: RFC 3339, given out in UTC with `Z` and 0, 3, 6 or 9 fractional digits (http-api §1.7). */

/** A point in time as it is compared and as it is shown. */
export interface Instant {
  /** Milliseconds since the Unix epoch; what is finer is cut off. */
  readonly epochMs: number;
  /** Canonical text, with nanoseconds where they were given. */
  readonly text: string;
}

const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const MINUTE_MS = 60_000;

/** Undefined for anything that is no date and time of the years 0 to 9999, and for leap seconds. */
export function parseRfc3339(text: string): Instant | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  const offset = offsetMs(match[8], Number(match[9] ?? 0), Number(match[10] ?? 0));
  const local = utcMs(year, month, day);
  if (local === undefined || offset === undefined) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const secondsMs = local + ((hour * 60 + minute) * 60 + second) * 1000 - offset;
  const nanos = (match[7] ?? '').padEnd(9, '0').slice(0, 9);
  return instant(secondsMs, nanos);
}

/** The canonical form of milliseconds since the epoch. */
export function instantOf(epochMs: number): Instant {
  const secondsMs = Math.floor(epochMs / 1000) * 1000;
  const millis = String(Math.floor(epochMs) - secondsMs).padStart(3, '0');
  const { text } = instant(secondsMs, `${millis}000000`) ?? { text: '' };
  return { epochMs, text };
}

/** @param nanos nine digits. */
function instant(secondsMs: number, nanos: string): Instant | undefined {
  const whole = new Date(secondsMs).toISOString().slice(0, -'.000Z'.length);
  // Years outside four digits appear when an offset carries over the edge.
  if (!/^\d{4}-/.test(whole)) return undefined;
  const epochMs = secondsMs + Number(nanos.slice(0, 3));
  return { epochMs, text: `${whole}${fraction(nanos)}Z` };
}

function fraction(nanos: string): string {
  if (!nanos.endsWith('000')) return `.${nanos}`;
  if (!nanos.endsWith('000000')) return `.${nanos.slice(0, 6)}`;
  return nanos === '000000000' ? '' : `.${nanos.slice(0, 3)}`;
}

/** Midnight of a day that exists. */
function utcMs(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists ? date.getTime() : undefined;
}

function offsetMs(sign: string | undefined, hours: number, minutes: number): number | undefined {
  if (sign === undefined) return 0;
  if (hours > 23 || minutes > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS;
}
