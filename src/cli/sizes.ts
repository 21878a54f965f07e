/** Amounts as people write and read them. Pure. */
import { parseSize as parseBytes } from '../config/kinds.ts';
import { formatDuration as formatUs } from '../when/duration-text.ts';
import { UsageError } from './errors.ts';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;

/** Bytes of `512`, `10GB`, `4 MiB`. @throws UsageError */
export function parseSize(text: string): number {
  const bytes = parseBytes(text.trim());
  if (bytes === undefined) {
    throw new UsageError(
      `'${text}' is no size`,
      'Sizes are bytes, or have a unit: 10KB (10 000), 10KiB (10 240), 4 MiB, 1.5GB.',
    );
  }
  return bytes;
}

/** `0 B`, `999 B`, `1.5 KB`, `12.3 GB`: decimal units, three digits or more. */
export function formatSize(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  // What would be rounded to 1000.0 already is one of the next unit.
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `1d 2h 3m 5s`, `0s`. @param seconds whole */
export function formatSeconds(seconds: number | bigint): string {
  return seconds === 0 || seconds === 0n ? '0s' : formatUs(BigInt(seconds) * 1_000_000n);
}

/** A whole number in bounds, for options. @throws UsageError */
export function wholeNumber(
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new UsageError(`'${text}' is no whole number ${range}`);
  };
}
