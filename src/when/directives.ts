/** Directives, the `#…` members of the top-level object (when.md §9). All errors are `ApiError` 422. */
import { ApiError, MillraceError } from '../errors/errors.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonFloat,
  type JsonObject,
  type JsonValue,
  stringifyJson,
} from '../wire/json.ts';
import { toInteger } from './convert.ts';
import { parseDuration } from './duration-text.ts';
import { INT64_MAX } from './int64.ts';
import { parseSizeText } from './size-text.ts';
import { Duration, fromJsonNumber, type Value } from './value.ts';

/** How far context reaches: a number of records, or a distance in µs of record time (inclusive). */
export type ContextWindow =
  | { readonly kind: 'records'; readonly count: number }
  | { readonly kind: 'duration'; readonly us: bigint };

/** Undefined members were not given. Plain data apart from `ext`. */
export interface Directives {
  readonly contextBefore: ContextWindow | undefined;
  readonly contextAfter: ContextWindow | undefined;
  /** Drop all other labels from returned records, after the condition has seen them. */
  readonly selectLabels: ReadonlySet<string> | undefined;
  /** The value of `#ext` as sent; its own rules are in http-api-records §5.6. */
  readonly ext: JsonValue | undefined;
  readonly batchSizeBytes: number | undefined;
  readonly batchRecords: number | undefined;
  readonly batchMetadataSizeBytes: number | undefined;
  /** Timeouts may have a fraction, and exceed what a timer takes. */
  readonly batchTimeoutMs: number | undefined;
  readonly recordTimeoutMs: number | undefined;
  readonly ioTimeoutMs: number | undefined;
}

/** Values of each directive present, as parsed; a scalar counts as a list of one. */
export type DirectiveValues = ReadonlyMap<string, readonly Value[]>;

const NAMES: ReadonlySet<string> = new Set([
  '#ctx_before',
  '#ctx_after',
  '#select_labels',
  '#ext',
  '#batch_size',
  '#batch_records',
  '#batch_metadata_size',
  '#batch_timeout',
  '#record_timeout',
  '#io_timeout',
]);

export interface SplitCondition {
  /** The condition without its directives. */
  readonly expression: JsonObject;
  readonly values: DirectiveValues;
  readonly ext: JsonValue | undefined;
}

/** Takes the directives out of a top-level object. @throws ApiError 422 for unknown names and impossible types. */
export function splitDirectives(when: JsonObject): SplitCondition {
  const expression = new Map<string, JsonValue>();
  const values = new Map<string, readonly Value[]>();
  for (const [key, value] of when) {
    if (key.startsWith('#')) values.set(key, parseValues(key, value));
    else expression.set(key, value);
  }
  return { expression, values, ext: when.get('#ext') };
}

function parseValues(name: string, json: JsonValue): readonly Value[] {
  if (!NAMES.has(name)) throw new ApiError(422, `Directive '${name}' is not supported`);
  if (json === null) throw new ApiError(422, `Directive '${name}' cannot be null`);
  if (typeof json !== 'object' || json instanceof JsonFloat) return [scalar(name, json)];
  if (isJsonObject(json)) return [stringifyJson(json)];
  return json.map((item) => listItem(name, item));
}

function listItem(name: string, item: JsonValue): Value {
  if (item === null || (typeof item === 'object' && isJsonArray(item))) {
    const text = stringifyJson(item);
    throw new ApiError(422, `Directive '${name}' contains unsupported value type: ${text}`);
  }
  if (typeof item !== 'object' || item instanceof JsonFloat) return scalar(name, item);
  if (name === '#ext') return stringifyJson(item);
  throw new ApiError(422, `Directive '${name}' does not support object items in arrays`);
}

/** Labels and operators are not interpreted here: `"$timestamp"` is plain text. */
function scalar(name: string, json: boolean | number | bigint | string | JsonFloat): Value {
  if (typeof json === 'boolean') return json;
  if (typeof json === 'string') {
    const us = parseDuration(json);
    return us === undefined ? json : new Duration(us);
  }
  if (typeof json !== 'bigint') return fromJsonNumber(json);
  if (json <= INT64_MAX) return json;
  throw new ApiError(422, `Directive '${name}' contains integer value out of range: ${json}`);
}

/** Gives the values their meaning. @throws ApiError 422 with the directive's own text. */
export function readDirectives(split: SplitCondition): Directives {
  const { values, ext } = split;
  return {
    contextBefore: readContext('#ctx_before', values),
    contextAfter: readContext('#ctx_after', values),
    selectLabels: readLabels('#select_labels', values),
    ext,
    batchSizeBytes: readSize('#batch_size', values),
    batchRecords: readCount('#batch_records', values),
    batchMetadataSizeBytes: readSize('#batch_metadata_size', values),
    batchTimeoutMs: readTimeout('#batch_timeout', values),
    recordTimeoutMs: readTimeout('#record_timeout', values),
    ioTimeoutMs: readTimeout('#io_timeout', values),
  };
}

/** The only value of a directive, or undefined when it is absent. @param text of the 422 for another number. */
function single(name: string, values: DirectiveValues, text: string): Value | undefined {
  const list = values.get(name);
  if (list === undefined) return undefined;
  const [value] = list;
  if (value === undefined || list.length !== 1) throw new ApiError(422, `${name} ${text}`);
  return value;
}

function readContext(name: string, values: DirectiveValues): ContextWindow | undefined {
  const value = single(name, values, 'must be a single value');
  if (value === undefined) return undefined;
  const amount = contextAmount(name, value);
  if (amount < 0n) throw new ApiError(422, `${name} must be non-negative`);
  return value instanceof Duration
    ? { kind: 'duration', us: amount }
    : { kind: 'records', count: clampToSafe(amount) };
}

function contextAmount(name: string, value: Value): bigint {
  try {
    return toInteger(value);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    throw new ApiError(422, `${name} must be an integer or duration: ${error.message}`);
  }
}

function readLabels(name: string, values: DirectiveValues): ReadonlySet<string> | undefined {
  const list = values.get(name);
  if (list === undefined) return undefined;
  if (list.length === 0) throw new ApiError(422, `${name} must contain at least one label`);
  const labels = new Set<string>();
  for (const value of list) {
    // A text that reads as a duration, such as "1h", is no string any more (when.md §9).
    if (typeof value !== 'string') {
      throw new ApiError(422, `${name} must contain only string values`);
    }
    labels.add(value);
  }
  return labels;
}

function readSize(name: string, values: DirectiveValues): number | undefined {
  const value = single(name, values, 'must be a single integer or string value');
  if (value === undefined) return undefined;
  if (typeof value === 'bigint' && value >= 0n) return clampToSafe(value);
  if (typeof value !== 'string') {
    throw new ApiError(
      422,
      `${name} must be a positive integer or string representing a positive integer`,
    );
  }
  const sizeBytes = parseSizeText(value);
  if (sizeBytes !== undefined) return sizeBytes;
  throw new ApiError(
    422,
    `${name} must be a positive integer or string: '${value}' is not a size in bytes`,
  );
}

function readCount(name: string, values: DirectiveValues): number | undefined {
  const value = single(name, values, 'must be a single integer value');
  if (value === undefined) return undefined;
  if (typeof value === 'bigint' && value >= 0n) return clampToSafe(value);
  throw new ApiError(422, `${name} must be a positive integer`);
}

/** Integers are seconds. */
function readTimeout(name: string, values: DirectiveValues): number | undefined {
  const value = single(name, values, 'must be a single integer or duration value');
  if (value === undefined) return undefined;
  if (typeof value === 'bigint' && value >= 0n) return Number(value) * 1_000;
  if (value instanceof Duration && value.us >= 0n) return Number(value.us) / 1_000;
  throw new ApiError(422, `${name} must be a positive integer or duration`);
}

function clampToSafe(value: bigint): number {
  return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value);
}
