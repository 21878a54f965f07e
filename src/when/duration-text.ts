/** Durations as text, e.g. `1h -30m` (when.md §3, §6). */
import { parseInt64, wrapInt64 } from './int64.ts';

/** Units in µs, largest first. */
const UNITS: readonly (readonly [name: string, us: bigint])[] = [
  ['d', 86_400_000_000n],
  ['h', 3_600_000_000n],
  ['m', 60_000_000n],
  ['s', 1_000_000n],
  ['ms', 1_000n],
  ['us', 1n],
];
const UNIT_US: ReadonlyMap<string, bigint> = new Map(UNITS);

/** White space of Unicode; `\s` differs in U+0085 and U+FEFF. */
const BLANKS = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * µs of a duration text, or undefined when it is none. In each part all digits, dots and minus signs make the number
 * and all other characters the unit, wherever they stand: `1s2` is twelve seconds.
 */
export function parseDuration(text: string): bigint | undefined {
  // Every duration has a digit in it; most strings that are none fail here.
  if (!/\d/.test(text)) return undefined;
  let totalUs = 0n;
  for (const part of text.split(BLANKS)) {
    if (part === '') continue;
    const number = parseInt64(part.replace(/[^\d.-]/g, ''));
    const unitUs = UNIT_US.get(part.replace(/[\d.-]/g, ''));
    if (number === undefined || unitUs === undefined) return undefined;
    totalUs = wrapInt64(totalUs + number * unitUs);
  }
  return totalUs;
}

/** Decreasing units without zero parts, the sign on each: `1h 30m`, `-1h -30m`, `0us`. */
export function formatDuration(us: bigint): string {
  if (us === 0n) return '0us';
  const parts: string[] = [];
  let restUs = us;
  for (const [name, unitUs] of UNITS) {
    const count = restUs / unitUs;
    restUs %= unitUs;
    if (count !== 0n) parts.push(`${count}${name}`);
  }
  return parts.join(' ');
}
