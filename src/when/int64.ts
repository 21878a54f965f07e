/** Signed 64-bit integers on `bigint`. */

export const INT64_MAX: bigint = 2n ** 63n - 1n;
export const INT64_MIN: bigint = -(2n ** 63n);

/** Two's complement wrap-around, the arithmetic of when.md §4. */
export function wrapInt64(value: bigint): bigint {
  return value >= INT64_MIN && value <= INT64_MAX ? value : BigInt.asIntN(64, value);
}

export function saturateInt64(value: bigint): bigint {
  if (value > INT64_MAX) return INT64_MAX;
  return value < INT64_MIN ? INT64_MIN : value;
}

/** Drops the fraction; out of range saturates, not-a-number is 0 (when.md §6). */
export function floatToInt64(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value >= 2 ** 63) return INT64_MAX;
  if (value <= -(2 ** 63)) return INT64_MIN;
  return BigInt(Math.trunc(value));
}

const INTEGER_TEXT = /^[+-]?\d+$/;
/** Texts of this length, sign included, are exact as doubles, and converting a double is the cheaper way. */
const SAFE_INTEGER_CHARS = 15;
const MAX_INT64_DIGITS = 19;

/** Reads `[+-]?digits`; undefined when the text is anything else or does not fit. */
export function parseInt64(text: string): bigint | undefined {
  if (!INTEGER_TEXT.test(text)) return undefined;
  if (text.length <= SAFE_INTEGER_CHARS) return BigInt(Number(text));
  // Leading zeros do not count; without this bound a long text would cost more than linear time.
  const digits = text.replace(/^[+-]?0*/, '');
  if (digits.length > MAX_INT64_DIGITS) return undefined;
  const magnitude = BigInt(digits);
  const value = text.startsWith('-') ? -magnitude : magnitude;
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined;
}
