/** Queries on the main thread: their state lives here, their work is done by the executor. See `QueryReader`. */
import type { Bucket, Entry } from '../catalog/model.ts';
import type { CommitListener } from '../commit/types.ts';
import { ApiError } from '../errors/errors.ts';
import type { JsonValue } from '../wire/json.ts';
import type { PlannedEntry } from './build-plan.ts';
import {
  batchLimits,
  buildPlan,
  checkDeprecatedFilters,
  readConditionDirectives,
} from './build-plan.ts';
import { CommitWaiters } from './commit-waiters.ts';
import { compileEntrySelection } from './entry-selection.ts';
import type { BatchLimits, QueryProgress } from './job.ts';
import { encodePlan } from './job.ts';
import type { QueryExecutor } from './pool.ts';
import { QueryReader, waitMs } from './query-reader.ts';
import type { QueryState } from './query-table.ts';
import { QueryTable } from './query-table.ts';
import { EMPTY_BATCH, toBatch, toRecord } from './read-results.ts';
import { ReadAhead } from './read-ahead.ts';
import type { ReadMemory } from './read-memory.ts';
import { rangeOrNothing, resolveTimeRange } from './time-range.ts';
import type { AdmitRead, Queries, QuerySpec, ReadBatch, RecordData } from './types.ts';

export interface QueryServiceOptions {
  readonly executor: QueryExecutor;
  readonly memory: Pick<ReadMemory, 'reserve' | 'tryReserve' | 'holdSpare'>;
  /** `RS_IO_BATCH_MAX_RECORDS`, `…_SIZE`, `…_METADATA_SIZE`. */
  readonly limits: BatchLimits;
  /** `RS_IO_BATCH_TIMEOUT`: how long a multi-entry read waits before it answers with an empty batch. */
  readonly batchTimeoutMs: number;
  readonly maxQueries: number;
  /** Bound for plans and cursors of all open queries. */
  readonly maxStateBytes: number;
  /** Text of the 422 for a condition with the directive `#ext`; undefined lets it pass (§5.6). */
  readonly extensionRefusal: (ext: JsonValue, queryId: number) => string | undefined;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

const SWEEP_MS = 1_000;

export class QueryService implements Queries, CommitListener {
  readonly #options: QueryServiceOptions;
  readonly #table: QueryTable;
  readonly #waiters = new CommitWaiters();
  readonly #reader: QueryReader;
  #latestId = 0;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(options: QueryServiceOptions) {
    const { executor, memory, maxQueries, maxStateBytes, nowMs } = options;
    this.#options = options;
    this.#table = new QueryTable({ maxQueries, maxBytes: maxStateBytes, nowMs });
    const [table, waiters] = [this.#table, this.#waiters];
    this.#reader = new QueryReader({ executor, memory, table, waiters, nowMs });
  }

  /** Open queries, for metrics. */
  get openQueries(): number {
    return this.#table.size;
  }

  /** Begins to drop expired queries. */
  start(): void {
    this.#sweepTimer ??= setInterval(() => this.#table.sweep(), SWEEP_MS);
    this.#sweepTimer.unref();
  }

  /** Ends all waits. Reads in flight end with the executor, which is stopped apart. Idempotent. */
  stop(): void {
    clearInterval(this.#sweepTimer);
    this.#sweepTimer = undefined;
    this.#waiters.releaseAll();
  }

  /** Called after every commit; wakes reads that wait for records of these buckets. */
  onCommitted(_headSequence: number, buckets: ReadonlySet<number>): void {
    this.#waiters.onCommitted(buckets);
  }

  reserveId(): number {
    return ++this.#latestId;
  }

  create(bucket: Bucket, entry: Entry, spec: QuerySpec): number {
    checkDeprecatedFilters(spec);
    const range = resolveTimeRange(spec, entry.stats);
    const planned = range === undefined ? [] : [{ entry, range }];
    return this.#open(bucket, entry, spec, planned, this.reserveId());
  }

  createMulti(bucket: Bucket, patterns: readonly string[] | undefined, spec: QuerySpec): number {
    checkDeprecatedFilters(spec);
    const isSelected = compileEntrySelection(patterns);
    const planned: PlannedEntry[] = [];
    const id = this.reserveId();
    for (const entry of bucket.entries.values()) {
      if (!entry.isDurable || !isSelected(entry.name)) continue;
      if (entry.status === 'DELETING') {
        throw new ApiError(
          409,
          `Entry '${entry.name}' in bucket '${bucket.name}' is being deleted`,
        );
      }
      // The contract counts one id for each sub-query (§5.1).
      this.reserveId();
      const range = rangeOrNothing(spec, entry.stats);
      if (range !== undefined) planned.push({ entry, range });
    }
    return this.#open(bucket, undefined, spec, planned, id);
  }

  #open(
    bucket: Bucket,
    entry: Entry | undefined,
    spec: QuerySpec,
    planned: readonly PlannedEntry[],
    id: number,
  ): number {
    const directives = readConditionDirectives(spec.whenText);
    const refusal = this.#options.extensionRefusal(directives?.ext ?? null, id);
    if (refusal !== undefined) throw new ApiError(422, refusal);
    this.#table.add({
      id,
      bucket,
      entry,
      ttlMs: spec.ttlMs,
      continuous: spec.continuous,
      limits: batchLimits(this.#options.limits, directives),
      batchTimeoutMs: directives?.batchTimeoutMs ?? this.#options.batchTimeoutMs,
      plan: encodePlan(buildPlan(spec, planned)),
      cursor: undefined,
      ahead: new ReadAhead(bucket, entry, isOpenEnded(spec, planned), (body) =>
        this.#recycle(body),
      ),
      nextTs: planned[0]?.range.firstTs ?? 0n,
      isFinished: false,
      isEndTold: false,
      lastAccessMs: this.#options.nowMs(),
      activeReads: 0,
      turn: Promise.resolve(),
    });
    return id;
  }

  async readBatch(
    bucket: Bucket,
    entry: Entry,
    queryId: bigint,
    withBody: boolean,
    admit?: AdmitRead,
  ): Promise<ReadBatch | undefined> {
    const state = this.#find(bucket, entry, queryId);
    const request = { output: 'v1', withBody, isInterleavingSafe: true } as const;
    const outcome = await this.#reader.read(state, request, admit);
    return typeof outcome === 'string' ? undefined : toBatch(outcome, outcome.isDrained);
  }

  async readRecord(
    bucket: Bucket,
    entry: Entry,
    queryId: bigint,
    withBody: boolean,
    admit?: AdmitRead,
  ): Promise<RecordData | undefined> {
    const state = this.#find(bucket, entry, queryId);
    const request = { output: 'record', withBody, isInterleavingSafe: true } as const;
    const outcome = await this.#reader.read(state, request, admit);
    if (typeof outcome !== 'string') return toRecord(outcome, withBody);
    if (outcome === 'idle') return undefined;
    if (state.isEndTold) {
      const path = `${bucket.name}/${entry.name}/${queryId}`;
      throw new ApiError(400, `Query'${path}' was closed: broken channel`);
    }
    state.isEndTold = true;
    return undefined;
  }

  async readMulti(
    bucket: Bucket,
    queryId: bigint,
    withBody: boolean,
    isInterleavingSafe: boolean,
    admit?: AdmitRead,
  ): Promise<ReadBatch | undefined> {
    const state = this.#find(bucket, undefined, queryId);
    const request = { output: 'v2', withBody, isInterleavingSafe } as const;
    const outcome = await this.#reader.read(state, request, admit);
    if (outcome === 'end') return undefined;
    if (outcome !== 'idle') return toBatch(outcome, outcome.isDrained && !state.continuous);
    if (waitMs(state) < state.ttlMs) return EMPTY_BATCH;
    // It has waited until the time to live ran out (§6.3).
    if (state.activeReads === 0) this.#table.remove(state);
    return undefined;
  }

  recycle({ body }: ReadBatch): void {
    this.#recycle(body);
  }

  #recycle(body: QueryProgress['body']): void {
    this.#options.executor.recycle?.(body);
  }

  /** The query, if it is one of this entry (undefined: of several) and bucket; refreshes its last access. */
  #find(bucket: Bucket, entry: Entry | undefined, queryId: bigint): QueryState {
    const state = this.#table.find(Number(queryId));
    if (state === undefined || state.bucket.id !== bucket.id || state.entry?.id !== entry?.id) {
      throw new ApiError(
        404,
        `Query ${queryId} not found and it might have expired. Check TTL in your query request.`,
      );
    }
    state.lastAccessMs = this.#options.nowMs();
    return state;
  }
}

/** Whether records that are later than all their entry has lie in the range. */
function isOpenEnded({ continuous }: QuerySpec, planned: readonly PlannedEntry[]): boolean {
  return (
    continuous ||
    planned.some(({ entry: { stats }, range }) => {
      return stats.recordCount === 0 || range.lastTs > stats.latestTs;
    })
  );
}
