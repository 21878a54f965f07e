/** Which timestamps a query covers, fixed when it is created (http-api-records §5.2). */
import type { EntryStats } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';
import { U64_MAX } from '../store/format.ts';
import type { QuerySpec } from './types.ts';

/** µs, both ends inclusive. */
export interface TimeRange {
  readonly firstTs: bigint;
  readonly lastTs: bigint;
}

type RangeSpec = Pick<QuerySpec, 'startTs' | 'stopTs' | 'continuous'>;
type RangeStats = Pick<EntryStats, 'recordCount' | 'oldestTs' | 'latestTs'>;

/**
 * [start, stop): without start from the oldest record, without stop up to the newest one. Continuous queries have no
 * stop. Oldest and newest of an entry without records are 0.
 * @returns undefined for an empty range.
 * @throws ApiError 422 `Start time must be before stop time`, not for start = stop.
 */
export function resolveTimeRange(spec: RangeSpec, stats: RangeStats): TimeRange | undefined {
  const isEmpty = stats.recordCount === 0;
  const firstTs = spec.startTs ?? (isEmpty ? 0n : stats.oldestTs);
  if (spec.continuous) return { firstTs, lastTs: U64_MAX };
  const stopTs = spec.stopTs ?? (isEmpty ? 0n : stats.latestTs) + 1n;
  if (firstTs > stopTs) throw new ApiError(422, 'Start time must be before stop time');
  return firstTs === stopTs ? undefined : { firstTs, lastTs: stopTs - 1n };
}

/** For queries over several entries: one whose range is impossible contributes nothing; §5.2 leaves that free. */
export function rangeOrNothing(spec: RangeSpec, stats: RangeStats): TimeRange | undefined {
  try {
    return resolveTimeRange(spec, stats);
  } catch (error) {
    if (error instanceof ApiError && error.status === 422) return undefined;
    throw error;
  }
}
