/**
 * Removal by query (http-api-records §5.5): query workers find the records, page by page, and the commit path removes
 * them in slices. A removal that only names a range needs no search.
 */
import type { RemovalCause } from '../catalog/removal-causes.ts';
import type { Bucket, Entry } from '../catalog/model.ts';
import type { RecordChanges } from '../commit/changes.ts';
import { deletingRefusal } from '../commit/refusal.ts';
import { fromErrorData, UnavailableError } from '../errors/errors.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { PlannedEntry } from './build-plan.ts';
import { buildPlan, checkDeprecatedFilters, readConditionDirectives } from './build-plan.ts';
import { compileEntrySelection } from './entry-selection.ts';
import type { QueryJob, QueryProgress } from './job.ts';
import { encodePlan } from './job.ts';
import type { QueryExecutor } from './pool.ts';
import { rangeOrNothing, resolveTimeRange } from './time-range.ts';
import type { QuerySpec } from './types.ts';

export interface Removals {
  /**
   * Removes the matching records of one entry, context of matches included.
   * @param isWanted asked before each page of records that a filter found; false calls off what is left.
   * @returns how many there were.
   * @throws ApiError 422 before anything is removed; in strict mode the error of the condition, 409 when the entry is
   *   deleted meanwhile: what was found before is removed then.
   */
  removeFromEntry(entry: Entry, spec: QuerySpec, isWanted?: () => boolean): Promise<number>;
  /**
   * Like `removeFromEntry`, over entries of a bucket; never those with attachments.
   * @param patterns the member `entries` as sent, undefined when absent or null.
   */
  removeFromBucket(
    bucket: Bucket,
    patterns: readonly string[] | undefined,
    spec: QuerySpec,
  ): Promise<number>;
}

export interface QueryRemovalOptions {
  readonly executor: QueryExecutor;
  readonly changes: RecordChanges;
  /** Takes a number from the counter of queries. */
  readonly reserveId: () => number;
  /** Why records are removed; default: somebody removes them. */
  readonly cause?: RemovalCause;
}

/** Records found before they are removed. */
const PAGE_RECORDS = 4096;

/** See `QueryJob.sliceMs`. */
const SLICE_MS = 100;

/** Removals at the same time; the next one is refused with 503. */
const MAX_RUNNING = 64;

export class QueryRemovals implements Removals {
  readonly #options: QueryRemovalOptions;
  #running = 0;

  constructor(options: QueryRemovalOptions) {
    this.#options = options;
  }

  async removeFromEntry(
    entry: Entry,
    spec: QuerySpec,
    isWanted: () => boolean = always,
  ): Promise<number> {
    checkSpec(spec);
    const { startTs, stopTs } = spec;
    // An entry without records has no newest one that a start could lie behind.
    const isNothing = entry.stats.recordCount === 0 && stopTs === undefined;
    const range = isNothing
      ? undefined
      : resolveTimeRange({ startTs, stopTs, continuous: false }, entry.stats);
    return this.#removeAll(range === undefined ? [] : [{ entry, range }], spec, isWanted);
  }

  async removeFromBucket(
    bucket: Bucket,
    patterns: readonly string[] | undefined,
    spec: QuerySpec,
  ): Promise<number> {
    checkSpec(spec);
    const isSelected = compileEntrySelection(patterns);
    const { startTs, stopTs } = spec;
    const planned: PlannedEntry[] = [];
    for (const entry of bucket.entries.values()) {
      if (!entry.isDurable || isMetaEntryName(entry.name) || !isSelected(entry.name)) continue;
      const refusal = deletingRefusal(entry);
      if (refusal !== null) throw refusal;
      const range = rangeOrNothing({ startTs, stopTs, continuous: false }, entry.stats);
      if (range !== undefined) planned.push({ entry, range });
    }
    return this.#removeAll(planned, spec, always);
  }

  async #removeAll(
    planned: readonly PlannedEntry[],
    spec: QuerySpec,
    isWanted: () => boolean,
  ): Promise<number> {
    if (this.#running >= MAX_RUNNING) throw new UnavailableError('Too many removals are running');
    this.#running++;
    try {
      let removed = 0;
      for (const entry of planned) removed += await this.#remove(entry, spec, isWanted);
      return removed;
    } finally {
      this.#running--;
    }
  }

  async #remove(planned: PlannedEntry, spec: QuerySpec, isWanted: () => boolean): Promise<number> {
    const { entry, range } = planned;
    const { changes, reserveId, cause } = this.#options;
    const { firstTs, lastTs } = range;
    if (!isFiltered(spec)) return changes.removeRange(entry, firstTs, lastTs + 1n, cause);
    const job = {
      queryId: reserveId(),
      plan: encodePlan(buildPlan({ ...spec, continuous: false }, [planned])),
      output: 'places',
      withBody: false,
      isInterleavingSafe: true,
      limits: { maxRecords: PAGE_RECORDS, maxBodyBytes: Infinity, maxMetadataBytes: Infinity },
      sliceMs: SLICE_MS,
    } as const;
    let removed = 0;
    let progress: QueryProgress | undefined;
    while (progress?.isFinished !== true && isWanted()) {
      progress = await this.#find({ ...job, cursor: progress?.cursor });
      removed += await this.#removeFound(entry, progress);
    }
    return removed;
  }

  async #find(job: QueryJob): Promise<QueryProgress> {
    const result = await this.#options.executor.run(job);
    if (result.error !== undefined) throw fromErrorData(result.error);
    return result;
  }

  async #removeFound(entry: Entry, { places }: QueryProgress): Promise<number> {
    if (places === undefined) return 0;
    const { changes, cause } = this.#options;
    const errors = await changes.remove({ entry, ...places }, cause);
    // Records that are gone by now were removed by somebody else.
    const refusal = errors.find((error) => error !== null && error.status !== 404) ?? null;
    if (refusal !== null) throw refusal;
    return errors.filter((error) => error === null).length;
  }
}

function always(): boolean {
  return true;
}

function checkSpec(spec: QuerySpec): void {
  checkDeprecatedFilters(spec);
  readConditionDirectives(spec.whenText);
}

function isFiltered({ include, exclude, eachS, eachN, limit, whenText }: QuerySpec): boolean {
  const isSampled = eachS !== undefined || eachN !== undefined || limit !== undefined;
  return isSampled || include.length > 0 || exclude.length > 0 || whenText !== undefined;
}
