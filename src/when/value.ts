/**
 * Values of the condition language (when.md §4, §5) as plain JavaScript values: booleans, `bigint` for integers
 * (signed 64-bit), `number` for floats, strings, and `Duration`. The type of a value is its `typeof`, so comparing
 * and passing values allocates nothing.
 */
import { JsonFloat } from '../wire/json.ts';
import { parseInt64 } from './int64.ts';

/** A span of time in µs, signed 64-bit. Only constants and `$cast` make durations, labels never do. */
export class Duration {
  readonly us: bigint;
  constructor(us: bigint) {
    this.us = us;
  }
}

export type Value = boolean | bigint | number | string | Duration;

/**
 * A JSON number as value: a safe integer is an integer, anything else a float (when.md §4). Without `keepFloats` the
 * JSON parser does not tell `2.0` from `2`; both are integers then (§13.8).
 */
export function fromJsonNumber(json: number | JsonFloat): bigint | number {
  if (json instanceof JsonFloat) return json.value;
  return Number.isSafeInteger(json) && !Object.is(json, -0) ? BigInt(json) : json;
}

/** Name of the type in error texts (when.md §11). */
export function typeName(value: Value): string {
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'number') return 'float';
  return typeof value === 'object' ? 'duration' : typeof value;
}

const FLOAT_TEXT = /^[+-]?(?:inf|infinity|nan|(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)$/i;
const INFINITY_TEXT = /^[+-]?inf/i;
const NAN_TEXT = /^[+-]?nan/i;

/** Reads a decimal float, `inf`, `infinity` or `nan` (any case, optional sign); undefined for any other text. */
export function parseFloatText(text: string): number | undefined {
  if (!FLOAT_TEXT.test(text)) return undefined;
  if (INFINITY_TEXT.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  return NAN_TEXT.test(text) ? NaN : Number(text);
}

/** Type and value of a label text: boolean, integer, float, else string (when.md §5). */
export function inferLabel(text: string): Value {
  if (text === 'true') return true;
  if (text === 'false') return false;
  return parseInt64(text) ?? parseFloatText(text) ?? text;
}
