/** Equality and order (when.md §7). */
import type { Value } from './value.ts';

/** Numbers by value across types, strings bytewise, a string and a number never. */
export function isEqual(left: Value, right: Value): boolean {
  if (typeof left === 'string' || typeof right === 'string') return left === right;
  if (typeof left === 'number' || typeof right === 'number') {
    return asDouble(left) === asDouble(right);
  }
  return asInteger(left) === asInteger(right);
}

/** Negative, 0 or positive like a sort function; not-a-number, for which every comparison is false, when unordered. */
export function compareValues(left: Value, right: Value): number {
  if (typeof left === 'string' || typeof right === 'string') {
    const areBoth = typeof left === 'string' && typeof right === 'string';
    return areBoth ? compareText(left, right) : NaN;
  }
  if (typeof left === 'number' || typeof right === 'number') {
    return order(asDouble(left), asDouble(right));
  }
  return order(asInteger(left), asInteger(right));
}

type Numeric = Exclude<Value, string>;

function order(left: number | bigint, right: number | bigint): number {
  if (left < right) return -1;
  if (left > right) return 1;
  return left === right ? 0 : NaN;
}

function asDouble(value: Numeric): number {
  return typeof value === 'object' ? Number(value.us) : Number(value);
}

function asInteger(value: Exclude<Numeric, number>): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return value.us;
}

/**
 * Order of the UTF-8 bytes. It is the order of code points, and differs from the order of UTF-16 code units only
 * where a surrogate meets a unit above the surrogates: the surrogate stands for the greater code point.
 */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a !== b) return codePointRank(a) - codePointRank(b);
  }
  return left.length - right.length;
}

function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
