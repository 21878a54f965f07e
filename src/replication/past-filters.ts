/**
 * Filters of former settings, for records that were written under them and are not sent yet: a filter decides when a record
 * is written, so a PUT changes nothing for what waits (replication §1.6, §2.1, §9.1). Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../errors/errors.ts';
import { problemOf } from './settings-problems.ts';
import type { ReplicationSettings } from './settings.ts';

export type Filters = Pick<
  ReplicationSettings,
  'entries' | 'include' | 'exclude' | 'eachN' | 'eachS' | 'whenText'
>;

/** What was written before `until`, a sequence, goes by these filters. */
export interface PastFilters {
  readonly until: number;
  readonly filters: Filters;
}

/** Changes of filters that may wait for records at the same time. */
const MAX_PAST_FILTERS = 64;

export function filtersOf(settings: ReplicationSettings): Filters {
  const { entries, include, exclude, eachN, eachS, whenText } = settings;
  return { entries, include, exclude, eachN, eachS, whenText };
}

/** The filters for what lies at a sequence, if they are not those of now. @param past ascending. */
export function pastFiltersAt(
  past: readonly PastFilters[],
  sequence: number,
): PastFilters | undefined {
  return past.find(({ until }) => sequence < until);
}

/**
 * Past filters after a change of settings. Former ones that nobody can apply, because they are not understood, are those of
 * the new settings: the task stood still under them.
 * @param end of the records that were written under the old settings.
 * @param head sequence from which on the new ones count.
 * @throws ApiError 409 when too many changes wait.
 */
export function withPastFilters(
  past: readonly PastFilters[],
  before: ReplicationSettings,
  after: ReplicationSettings,
  waiting: { readonly position: number; readonly end: number; readonly head: number },
): readonly PastFilters[] {
  const isAhead = ({ until }: PastFilters): boolean => until > waiting.position;
  const ahead = past.every(isAhead) ? past : past.filter(isAhead);
  const from = Math.max(waiting.position, ahead.at(-1)?.until ?? 0);
  const filters = filtersOf(before);
  const isSame = isUnderstood(after) && isDeepStrictEqual(filters, filtersOf(after));
  if (waiting.end <= from || isSame || !isUnderstood(before)) return ahead;
  if (ahead.length >= MAX_PAST_FILTERS) {
    throw new ApiError(
      409,
      `Records wait under ${MAX_PAST_FILTERS} former filters of this replication: let it send them before the next change`,
    );
  }
  return [...ahead, { until: waiting.head, filters }];
}

function isUnderstood(settings: ReplicationSettings): boolean {
  return problemOf({ ...settings, lockedToken: null }) === null;
}
