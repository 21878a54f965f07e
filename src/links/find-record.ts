/** Whether a record is in the result of a query, without reading more than that takes. */
import type { Bucket, Entry } from '../catalog/model.ts';
import { ApiError, fromErrorData } from '../errors/errors.ts';
import { buildPlan, checkDeprecatedFilters, readConditionDirectives } from '../query/build-plan.ts';
import { compileEntrySelection } from '../query/entry-selection.ts';
import { encodePlan } from '../query/job.ts';
import type { QueryExecutor } from '../query/pool.ts';
import { resolveTimeRange } from '../query/time-range.ts';
import type { TimeRange } from '../query/time-range.ts';
import type { QuerySpec } from '../query/types.ts';
import type { Directives } from '../when/directives.ts';
import type { JsonValue } from '../wire/json.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { LinkDocument, LinkedRecordId } from './types.ts';

/** Only header lines are collected: bounded by their bytes. */
const LIMITS = {
  maxRecords: 1_000,
  maxBodyBytes: Number.MAX_SAFE_INTEGER,
  maxMetadataBytes: 256 * 1024,
};
const SLICE_MS = 100;

export interface RecordFinderOptions {
  readonly executor: QueryExecutor;
  /** Takes an id from the counter of queries. */
  readonly reserveId: () => number;
  /** Text of the 422 for a query that asks for extensions; undefined lets it pass. */
  readonly extensionRefusal: (ext: JsonValue, queryId: number) => string | undefined;
}

export interface FoundRecord {
  readonly entry: Entry;
  readonly ts: bigint;
  /** The only labels the query shows; undefined for all. */
  readonly selectedLabels: ReadonlySet<string> | undefined;
}

export class RecordFinder {
  readonly #options: RecordFinderOptions;

  constructor(options: RecordFinderOptions) {
    this.#options = options;
  }

  /**
   * Every entry of a query has a condition of its own, so only the entry of the record is read, and that only as far
   * as the record's own fate needs.
   * @param isWanted asked between slices of work; false ends the search with an error nobody gets.
   * @throws ApiError 404 `Record … not found in query result`, 409, and those of the query.
   */
  async find(
    bucket: Bucket,
    document: LinkDocument,
    record: LinkedRecordId,
    isWanted: () => boolean,
  ): Promise<FoundRecord> {
    const { spec } = document;
    checkDeprecatedFilters(spec);
    const directives = readConditionDirectives(spec.whenText);
    const queryId = this.#options.reserveId();
    this.#refuseExtensions(document, directives, queryId);
    const entry = selectedEntry(bucket, document, record);
    const range = entry === undefined ? undefined : rangeToRead(spec, entry, record.ts, directives);
    if (entry === undefined || range === undefined) throw notInResult(record);
    const isKept =
      keepsEverything(spec, entry) ||
      (await this.#scan(spec, entry, range, record, queryId, isWanted));
    if (!isKept) throw notInResult(record);
    return { entry, ts: record.ts, selectedLabels: directives?.selectLabels };
  }

  #refuseExtensions(
    { ext }: LinkDocument,
    directives: Directives | undefined,
    queryId: number,
  ): void {
    for (const asked of [ext, directives?.ext ?? null]) {
      const text = this.#options.extensionRefusal(asked, queryId);
      if (text !== undefined) throw new ApiError(422, text);
    }
  }

  async #scan(
    spec: QuerySpec,
    entry: Entry,
    range: TimeRange,
    { ts }: LinkedRecordId,
    queryId: number,
    isWanted: () => boolean,
  ): Promise<boolean> {
    const plan = encodePlan(buildPlan({ ...spec, continuous: false }, [{ entry, range }]));
    let cursor: Uint8Array | undefined;
    for (;;) {
      if (!isWanted()) return false;
      const result = await this.#options.executor.run({
        queryId,
        plan,
        cursor,
        output: 'v1',
        withBody: false,
        isInterleavingSafe: true,
        limits: LIMITS,
        sliceMs: SLICE_MS,
      });
      if (result.error !== undefined) throw fromErrorData(result.error);
      if (hasLineOf(result.headerLines, ts)) return true;
      // Results come in ascending order, so a later record means that this one is not among them.
      if (result.isFinished || lastTs(result.headerLines) > ts) return false;
      ({ cursor } = result);
    }
  }
}

/** @returns undefined when the query does not read the entry. @throws ApiError 409. */
function selectedEntry(
  bucket: Bucket,
  { patterns, entryName }: LinkDocument,
  record: LinkedRecordId,
): Entry | undefined {
  const wanted = patterns === undefined || patterns.length === 0 ? [entryName] : patterns;
  const entry = bucket.entries.get(record.entryName);
  if (entry?.isDurable !== true || !compileEntrySelection(wanted)(record.entryName))
    return undefined;
  if (entry.status === 'DELETING') {
    throw new ApiError(409, `Entry '${entry.name}' in bucket '${bucket.name}' is being deleted`);
  }
  return entry;
}

/** @returns undefined when the record lies outside of what the query reads. */
function rangeToRead(
  spec: QuerySpec,
  entry: Entry,
  ts: bigint,
  directives: Directives | undefined,
): TimeRange | undefined {
  const range = resolveTimeRange({ ...spec, continuous: false }, entry.stats);
  if (range === undefined || ts < range.firstTs || ts > range.lastTs) return undefined;
  // Only the context before a match depends on records that come later.
  return directives?.contextBefore === undefined ? { ...range, lastTs: ts } : range;
}

/** Every record of the range is a result. Attachments are not: removed ones are hidden. */
function keepsEverything(spec: QuerySpec, entry: Entry): boolean {
  const { include, exclude, eachS, eachN, limit, whenText } = spec;
  return (
    include.length === 0 &&
    exclude.length === 0 &&
    eachS === undefined &&
    eachN === undefined &&
    limit === undefined &&
    whenText === undefined &&
    !isMetaEntryName(entry.name)
  );
}

const LINE_PREFIX = 'x-reduct-time-';

/** @param lines of batch protocol v1. No value can hold a line break. */
function hasLineOf(lines: string, ts: bigint): boolean {
  const start = `${LINE_PREFIX}${ts}: `;
  return lines.startsWith(start) || lines.includes(`\r\n${start}`);
}

function lastTs(lines: string): bigint {
  const start = lines.lastIndexOf(`\r\n${LINE_PREFIX}`);
  const line = start === -1 ? lines : lines.slice(start + 2);
  return BigInt(/^x-reduct-time-(\d+): /.exec(line)?.[1] ?? 0);
}

export function notInResult({ entryName, ts }: LinkedRecordId): ApiError {
  return new ApiError(404, `Record ${entryName}/${ts} not found in query result`);
}
