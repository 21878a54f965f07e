/** Points in time as people write and read them; µs since the Unix epoch inside (replication §9.2). Pure. */
import { U64_MAX } from '../store/format.ts';
import { parseU64 } from '../wire/numbers.ts';
import { parseRfc3339 } from '../wire/rfc3339.ts';
import { UsageError } from './errors.ts';

const LOCAL = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?$/;
const RELATIVE_PART = /([+-])\s*(\d+)\s*(us|ms|s|m|h|d|w)\s*/gy;

const UNIT_US: Readonly<Record<string, bigint>> = {
  us: 1n,
  ms: 1_000n,
  s: 1_000_000n,
  m: 60_000_000n,
  h: 3_600_000_000n,
  d: 86_400_000_000n,
  w: 604_800_000_000n,
};

export const TIME_FORMS: string =
  'Times are microseconds since 1970, RFC 3339 (2026-01-31T12:00:00Z), a local date or time (2026-01-31, ' +
  "'2026-01-31 12:00'), or relative (now, now-1h; ms, s, m, h, d, w).";

/**
 * µs of a time as a user writes it: a plain number is µs, a date without zone is in the zone of this process.
 * @param nowUs what `now` means.
 * @throws UsageError
 */
export function parseTime(text: string, nowUs: bigint): bigint {
  const trimmed = text.trim();
  const us =
    parseU64(trimmed) ??
    parseRelative(trimmed, nowUs) ??
    parseZoned(trimmed) ??
    parseLocal(trimmed);
  if (us === undefined) throw new UsageError(`'${text}' is no time`, TIME_FORMS);
  if (us < 0n || us > U64_MAX) {
    throw new UsageError(`'${text}' lies outside of the times that records can have`, TIME_FORMS);
  }
  return us;
}

function parseRelative(text: string, nowUs: bigint): bigint | undefined {
  if (!/^now\b/i.test(text)) return undefined;
  const rest = text.slice('now'.length).trim();
  let us = nowUs;
  let end = 0;
  for (const [part, sign, digits = '', unit = ''] of rest.matchAll(RELATIVE_PART)) {
    const amountUs = BigInt(digits) * (UNIT_US[unit] ?? 0n);
    us += sign === '-' ? -amountUs : amountUs;
    end += part.length;
  }
  return end === rest.length ? us : undefined;
}

function parseZoned(text: string): bigint | undefined {
  const instant = parseRfc3339(text);
  if (instant === undefined) return undefined;
  const micros = /\.(\d+)/.exec(text)?.[1]?.padEnd(6, '0').slice(3, 6) ?? '0';
  return BigInt(Math.floor(instant.epochMs)) * 1000n + BigInt(micros);
}

/** A local time that a change of clocks skips is taken as the one after the change. */
function parseLocal(text: string): bigint | undefined {
  const match = LOCAL.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0, month - 1, day, hour, minute, second);
  date.setFullYear(year, month - 1, day);
  if (date.getFullYear() !== year || date.getMonth() !== month - 1 || date.getDate() !== day) {
    return undefined;
  }
  const micros = BigInt((match[7] ?? '').padEnd(6, '0'));
  return BigInt(date.getTime()) * 1000n + micros;
}

/** How times are shown: in the zone of this process, or in UTC. */
export interface TimeStyle {
  readonly utc: boolean;
}

/** The last instant a JavaScript date can tell, µs. */
const MAX_DATE_US = 8_640_000_000_000_000_000n;

/** RFC 3339 with 0, 3 or 6 digits of a second and the offset of the zone; times no calendar has come as plain µs. */
export function formatTime(us: bigint, { utc }: TimeStyle): string {
  if (us < 0n || us > MAX_DATE_US) return us.toString();
  const date = new Date(Number(us / 1000n));
  const offsetMinutes = utc ? 0 : -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offsetMinutes * 60_000);
  const whole = local.toISOString().slice(0, -'.000Z'.length);
  return `${whole}${fraction(us % 1_000_000n)}${offset(offsetMinutes)}`;
}

/** The zone for headings: `UTC`, `Europe/Berlin`. */
export function zoneName({ utc }: TimeStyle): string {
  return utc ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function fraction(micros: bigint): string {
  if (micros === 0n) return '';
  const digits = micros.toString().padStart(6, '0');
  return `.${digits.endsWith('000') ? digits.slice(0, 3) : digits}`;
}

function offset(minutes: number): string {
  if (minutes === 0) return 'Z';
  const total = Math.abs(minutes);
  const hours = String(Math.floor(total / 60)).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${hours}:${String(total % 60).padStart(2, '0')}`;
}
