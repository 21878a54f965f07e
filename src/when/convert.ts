/** Conversions between the types of the condition language (when.md §6). Errors are `ApiError` 422. */
import { ApiError } from '../errors/errors.ts';
import { formatDuration } from './duration-text.ts';
import { floatToInt64, parseInt64, saturateInt64 } from './int64.ts';
import { parseFloatText, type Value } from './value.ts';

/** Zero, `false` and the empty string are false; not-a-number is true. */
export function toBoolean(value: Value): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') return value !== '';
  return value.us !== 0n;
}

/** @throws ApiError 422 for a string that is no 64-bit integer. */
export function toInteger(value: Value): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return floatToInt64(value);
  if (typeof value === 'object') return value.us;
  const integer = parseInt64(value);
  if (integer !== undefined) return integer;
  throw new ApiError(422, `Value '${value}' could not be parsed as integer`);
}

/** @throws ApiError 422 for a string that is no decimal float. */
export function toFloat(value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'object') return Number(value.us);
  if (typeof value !== 'string') return Number(value);
  const float = parseFloatText(value);
  if (float !== undefined) return float;
  throw new ApiError(422, `Value '${value}' could not be parsed as float`);
}

export function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return floatText(value);
  return typeof value === 'object' ? formatDuration(value.us) : String(value);
}

/** Shortest digits that read back as the same double, without exponent and without a trailing `.0`. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return 'inf';
  if (value === -Infinity) return '-inf';
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const split = text.indexOf('e');
  if (split < 0) return text;
  const sign = text.startsWith('-') ? '-' : '';
  const [whole = '', fraction = ''] = text.slice(sign.length, split).split('.');
  const exponent = Number(text.slice(split + 1));
  // JavaScript writes exponents from 1e21 up and from 1e-7 down, so the point never falls between the digits.
  return exponent > 0
    ? `${sign}${whole}${fraction.padEnd(exponent, '0')}`
    : `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`;
}

/** µs of an interval: a duration, or a number of seconds; whole µs, negative counts as 0 (when.md §8, `$each_t`). */
export function toIntervalUs(value: Value): bigint {
  let us: bigint;
  if (typeof value === 'object') us = value.us;
  else if (typeof value === 'bigint') us = value * 1_000_000n;
  else us = floatToInt64(toFloat(value) * 1_000_000);
  return us < 0n ? 0n : saturateInt64(us);
}
