/** Unsigned integers in decimal text, as they stand in URLs and headers (http-api §1.7). */
import { U64_MAX } from '../store/format.ts';

const DIGITS = /^[0-9]+$/;
/** Decimal texts of at most this many digits are below 2^53 and need no big-integer parser. */
const SAFE_DIGITS = 15;
const U64_DIGITS = 20;

/**
 * Parses an unsigned 64-bit integer. Only digits count: no sign, blank, fraction, exponent or empty text.
 * @returns undefined for everything else, also beyond 2^64 − 1.
 */
export function parseU64(text: string): bigint | undefined {
  if (!DIGITS.test(text)) return undefined;
  if (text.length <= SAFE_DIGITS) return BigInt(Number(text));
  // Bounds the work: BigInt of a header-sized text of digits is not linear.
  const significant = text.length > U64_DIGITS ? text.replace(/^0+/, '') : text;
  if (significant.length > U64_DIGITS) return undefined;
  const value = BigInt(significant);
  return value <= U64_MAX ? value : undefined;
}

/**
 * Parses a count of bytes. @returns undefined when it is no decimal integer or above 2^53 − 1, which no content can
 * reach.
 */
export function parseByteCount(text: string): number | undefined {
  if (!DIGITS.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
