/** Queries as requests state them: as URL parameters (deprecated) and as JSON (http-api-records §5.1, http-api §6). */
import { ApiError } from '../errors/errors.ts';
import type { QuerySpec } from '../query/types.ts';
import { memberText } from '../wire/json.ts';
import type { JsonValue } from '../wire/json.ts';
import { parseU64 } from '../wire/numbers.ts';
import {
  booleanMember,
  invalidJson,
  numberMember,
  parseJsonObject,
  stringsMember,
  textPairsMember,
  u64Member,
} from './json-members.ts';

const DEFAULT_TTL_S = 60n;
/** Longer lives are for ever; keeps milliseconds an exact number. */
const MAX_TTL_S = 1_000_000_000_000n;
const INCLUDE_PREFIX = 'include-';
const EXCLUDE_PREFIX = 'exclude-';

const FILTERS = ['start', 'stop', 'ttl', 'continuous', 'each_s', 'each_n', 'limit'] as const;
const PARAMETERS: ReadonlySet<string> = new Set(FILTERS);
const DOCUMENT_MEMBERS: readonly string[] = [
  ...FILTERS,
  'entries',
  'only_metadata',
  'strict',
  'when',
  'ext',
  'include',
  'exclude',
];

function ttlMs(seconds: bigint | undefined): number {
  const ttl = seconds ?? DEFAULT_TTL_S;
  return Number(ttl < MAX_TTL_S ? ttl : MAX_TTL_S) * 1000;
}

/** Parameters of `GET …/q`; unknown ones are ignored. @throws ApiError 422. */
export function querySpecOfParameters(query: ReadonlyMap<string, string>): QuerySpec {
  const include: string[] = [];
  const exclude: string[] = [];
  for (const [name, value] of query) {
    if (name.startsWith(INCLUDE_PREFIX)) include.push(name.slice(INCLUDE_PREFIX.length), value);
    if (name.startsWith(EXCLUDE_PREFIX)) exclude.push(name.slice(EXCLUDE_PREFIX.length), value);
  }
  const u64 = (name: string, text: string): bigint | undefined => {
    const value = query.get(name);
    if (value === undefined) return undefined;
    const parsed = parseU64(value);
    if (parsed === undefined) throw new ApiError(422, text);
    return parsed;
  };
  const startTs = u64('start', "'start' must be an unix timestamp in microseconds");
  const stopTs = u64('stop', "'stop' must be an unix timestamp in microseconds");
  const ttl = u64('ttl', "'ttl' must be in seconds as an unsigned integer");
  const continuous = query.get('continuous') ?? 'false';
  if (continuous !== 'true' && continuous !== 'false') {
    throw new ApiError(422, "'continue' must be a bool value");
  }
  const eachS = query.get('each_s');
  return {
    startTs,
    stopTs,
    ttlMs: ttlMs(ttl),
    continuous: continuous === 'true',
    onlyMetadata: false,
    strict: false,
    include,
    exclude,
    eachS: checkEachS(eachS === undefined ? undefined : parseFloatText(eachS)),
    eachN: checkEachN(u64('each_n', "'each_n' must unsigned integer")),
    limit: checkLimit(u64('limit', "'limit' must unsigned integer")),
    whenText: undefined,
  };
}

function parseFloatText(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function checkEachS(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return value;
  throw new ApiError(422, 'Time must be greater than 0 seconds');
}

function checkEachN(value: bigint | undefined): number | undefined {
  if (value === 0n) throw new ApiError(422, "'each_n' must be greater than 0");
  return value === undefined ? undefined : Number(value);
}

function checkLimit(value: bigint | undefined): number | undefined {
  if (value === 0n) throw new ApiError(422, "'limit' must be greater than 0");
  return value === undefined ? undefined : Number(value);
}

/** Whether parameters of `DELETE …/q` say anything. */
export function definesQuery(query: ReadonlyMap<string, string>): boolean {
  return [...query.keys()].some(
    (name) =>
      PARAMETERS.has(name) || name.startsWith(INCLUDE_PREFIX) || name.startsWith(EXCLUDE_PREFIX),
  );
}

/** A query document. */
export interface QueryDocument {
  readonly isRemoval: boolean;
  /** Something besides the type is said; a removal must not go without. */
  readonly isDefined: boolean;
  /** `entries`, undefined when absent or null. */
  readonly patterns: readonly string[] | undefined;
  readonly ext: JsonValue;
  readonly spec: QuerySpec;
}

/** Body of `POST …/q`. @throws ApiError 422 `Invalid JSON: …`. */
export function parseQueryDocument(text: string): QueryDocument {
  const object = parseJsonObject(text);
  const type = object.get('query_type');
  if (type === undefined) throw invalidJson('missing field `query_type`');
  if (type !== 'QUERY' && type !== 'REMOVE') {
    throw invalidJson(`unknown variant \`${textOf(type)}\`, expected \`QUERY\` or \`REMOVE\``);
  }
  const hasWhen = (object.get('when') ?? null) !== null;
  return {
    isRemoval: type === 'REMOVE',
    isDefined: DOCUMENT_MEMBERS.some((name) => (object.get(name) ?? null) !== null),
    patterns: stringsMember(object, 'entries'),
    ext: object.get('ext') ?? null,
    spec: {
      startTs: u64Member(object, 'start'),
      stopTs: u64Member(object, 'stop'),
      ttlMs: ttlMs(u64Member(object, 'ttl')),
      continuous: booleanMember(object, 'continuous') ?? false,
      onlyMetadata: booleanMember(object, 'only_metadata') ?? false,
      strict: booleanMember(object, 'strict') ?? false,
      include: textPairsMember(object, 'include'),
      exclude: textPairsMember(object, 'exclude'),
      eachS: checkEachS(numberMember(object, 'each_s')),
      eachN: checkEachN(u64Member(object, 'each_n')),
      limit: checkLimit(u64Member(object, 'limit')),
      whenText: hasWhen ? memberText(text, 'when') : undefined,
    },
  };
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : 'not a string';
}
