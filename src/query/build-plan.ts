/** Checks of a new query and its plan. */
import type { Entry } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';
import type { Directives } from '../when/directives.ts';
import { compileCondition } from '../when/condition.ts';
import { parseJson } from '../wire/json.ts';
import type { BatchLimits, QueryPlan } from './job.ts';
import type { TimeRange } from './time-range.ts';
import type { QuerySpec } from './types.ts';

/** An entry with the range that is read of it. */
export interface PlannedEntry {
  readonly entry: Entry;
  readonly range: TimeRange;
}

/**
 * Header bytes at which a batch ends: Node's fetch, which the JS SDK uses, refuses more than 16 KiB in total, and other
 * headers need their share (http-api-records §7). Any batch boundary is legal.
 */
export const SAFE_METADATA_BYTES = 14_000;

/** What the directives of a query may raise the limits to, because a batch is assembled in memory. */
const MAX_DIRECTED_RECORDS = 1_000;
const MAX_DIRECTED_BODY_BYTES: number = 64 * 1024 * 1024;

const US_PER_S = 1_000_000;

/** Texts of http-api §6. @throws ApiError 422. */
export function checkDeprecatedFilters({ eachS, eachN, limit }: QuerySpec): void {
  if (eachS !== undefined && !(eachS > 0 && Number.isFinite(eachS))) {
    throw new ApiError(422, 'Time must be greater than 0 seconds');
  }
  if (eachN === 0) throw new ApiError(422, "'each_n' must be greater than 0");
  if (limit === 0) throw new ApiError(422, "'limit' must be greater than 0");
}

/** Compiles the condition of a query to see whether it is one. @throws ApiError 422 (when.md §11). */
export function readConditionDirectives(whenText: string | undefined): Directives | undefined {
  if (whenText === undefined) return undefined;
  return compileCondition(parseJson(whenText, { keepFloats: true })).directives;
}

/** @param entries those that can contribute, in any order. */
export function buildPlan(spec: QuerySpec, entries: readonly PlannedEntry[]): QueryPlan {
  const sorted = entries.toSorted((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
  const { continuous, strict, include, exclude, eachS, eachN, limit, whenText } = spec;
  return {
    entryIds: Uint32Array.from(sorted, ({ entry }) => entry.id),
    names: sorted.map(({ entry }) => entry.name),
    firstTs: BigUint64Array.from(sorted, ({ range }) => range.firstTs),
    lastTs: BigUint64Array.from(sorted, ({ range }) => range.lastTs),
    continuous,
    strict,
    include,
    exclude,
    eachUs: eachS === undefined ? undefined : BigInt(Math.round(eachS * US_PER_S)),
    eachN,
    limit,
    whenText,
  };
}

/** Limits of one query: the configured ones unless its directives say otherwise (when.md §9). */
export function batchLimits(
  configured: BatchLimits,
  directives: Directives | undefined,
): BatchLimits {
  const { batchRecords, batchSizeBytes, batchMetadataSizeBytes } = directives ?? {};
  const directed = (value: number | undefined, otherwise: number, most: number): number =>
    value === undefined ? otherwise : Math.min(value, Math.max(otherwise, most));
  const { maxRecords, maxBodyBytes, maxMetadataBytes } = configured;
  return {
    maxRecords: directed(batchRecords, maxRecords, MAX_DIRECTED_RECORDS),
    maxBodyBytes: directed(batchSizeBytes, maxBodyBytes, MAX_DIRECTED_BODY_BYTES),
    maxMetadataBytes: directed(
      batchMetadataSizeBytes,
      Math.min(maxMetadataBytes, SAFE_METADATA_BYTES),
      maxMetadataBytes,
    ),
  };
}
