/** Queries on the main thread: their state lives here, their work is done by the executor. */
import type { Bucket, Entry } from '../catalog/model.ts';
import type { CommitListener } from '../commit/types.ts';
import { ApiError, fromErrorData, UnavailableError } from '../errors/errors.ts';
import type { JsonValue } from '../wire/json.ts';
import type { PlannedEntry } from './build-plan.ts';
import {
  batchLimits,
  buildPlan,
  checkDeprecatedFilters,
  readConditionDirectives,
} from './build-plan.ts';
import { bufferBytes } from './body-buffers.ts';
import { CommitWaiters } from './commit-waiters.ts';
import { compileEntrySelection } from './entry-selection.ts';
import type { BatchLimits, QueryOutput, QueryProgress } from './job.ts';
import { encodePlan } from './job.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import type { QueryExecutor } from './pool.ts';
import type { QueryState } from './query-table.ts';
import { QueryTable } from './query-table.ts';
import { EMPTY_BATCH, toBatch, toRecord } from './read-results.ts';
import { AHEAD_BYTES, ReadAhead } from './read-ahead.ts';
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

/** A job that scans in vain ends after this long, so that other queries get the thread. */
const SLICE_MS = 100;

/** Longest wait of a drained continuous query for new records; the contract allows up to ttl/4 (§5.4). */
const MAX_WAIT_MS = 1_000;

/** Reads of one query that may wait for their turn. Clients read one after the other. */
const MAX_ACTIVE_READS = 16;

const SWEEP_MS = 1_000;

interface ReadRequest {
  readonly output: QueryOutput;
  readonly withBody: boolean;
  readonly isInterleavingSafe: boolean;
}

/** `idle`: a continuous query has nothing new, or a multi-entry query found nothing in time. */
type ReadOutcome = QueryProgress | 'end' | 'idle';

export class QueryService implements Queries, CommitListener {
  readonly #options: QueryServiceOptions;
  readonly #table: QueryTable;
  readonly #waiters = new CommitWaiters();
  #latestId = 0;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(options: QueryServiceOptions) {
    const { maxQueries, maxStateBytes, nowMs } = options;
    this.#options = options;
    this.#table = new QueryTable({ maxQueries, maxBytes: maxStateBytes, nowMs });
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
      ahead: new ReadAhead(bucket, entry, (body) => this.#recycle(body)),
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
    const outcome = await this.#read(state, request, admit);
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
    const outcome = await this.#read(state, request, admit);
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
    const outcome = await this.#read(state, request, admit);
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

  /** Waits for the reads of this query before it. */
  async #read(
    state: QueryState,
    request: ReadRequest,
    admit: AdmitRead | undefined,
  ): Promise<ReadOutcome> {
    if (state.activeReads >= MAX_ACTIVE_READS) {
      throw new UnavailableError(`Query ${state.id} is being read by too many requests`);
    }
    state.activeReads++;
    const reading = state.turn.then(() => this.#readOn(state, request, admit));
    // A failed read does not concern the one after it.
    state.turn = reading.then(ignore, ignore);
    try {
      return await reading;
    } finally {
      state.activeReads--;
    }
  }

  async #readOn(
    state: QueryState,
    request: ReadRequest,
    admit: AdmitRead | undefined,
  ): Promise<ReadOutcome> {
    const { nowMs } = this.#options;
    const deadlineMs = nowMs() + waitMs(state);
    let fruitless = 0;
    while (!state.isFinished) {
      const { recordsWritten } = state.bucket;
      const progress =
        this.#takeAhead(state, request, admit) ?? (await this.#runJob(state, request, admit));
      if (progress.recordCount > 0) {
        state.lastAccessMs = nowMs();
        return progress;
      }
      if (state.isFinished) break;
      if (progress.isDrained) {
        const { id } = state.bucket;
        const isReady = (): boolean => hasNews(state, recordsWritten);
        const leftMs = deadlineMs - nowMs();
        if (!(await this.#waiters.wait(id, isReady, leftMs, fruitless++))) return 'idle';
      } else if (state.entry === undefined && nowMs() >= deadlineMs) {
        return 'idle';
      }
    }
    return 'end';
  }

  /** What an earlier job found for this read. */
  #takeAhead(
    state: QueryState,
    request: ReadRequest,
    admit: AdmitRead | undefined,
  ): QueryProgress | undefined {
    const progress = state.ahead.peek(request);
    if (progress === undefined) return undefined;
    if (progress.recordCount > 0) admit?.(progress.bodyBytes);
    // Before the cursor moves: that may end the query, and what lies ahead then is recycled.
    state.ahead.shift();
    this.#moveBehind(state, progress);
    return progress;
  }

  async #runJob(
    state: QueryState,
    request: ReadRequest,
    admit: AdmitRead | undefined,
  ): Promise<QueryProgress> {
    const limits = request.output === 'record' ? { ...state.limits, maxRecords: 1 } : state.limits;
    const { memory } = this.#options;
    const mostBytes = request.withBody ? mostBytesOf(request, limits) : 0;
    const release = mostBytes === 0 ? undefined : await memory.reserve(mostBytes);
    const ahead = state.ahead.begin(request);
    const releaseAhead =
      ahead === undefined ? undefined : memory.tryReserve(AHEAD_BYTES + mostBytes);
    let result: QueryProgress;
    try {
      const { id: queryId, plan, cursor } = state;
      result = await this.#execute(state, {
        ...request,
        queryId,
        plan,
        cursor,
        limits,
        sliceMs: SLICE_MS,
        ahead: releaseAhead === undefined ? undefined : ahead,
      });
    } finally {
      release?.();
      releaseAhead?.();
    }
    try {
      if (result.recordCount > 0) admit?.(result.bodyBytes);
    } catch (error) {
      for (const { body } of [result, ...(result.ahead ?? [])]) this.#recycle(body);
      throw error;
    }
    this.#moveBehind(state, result);
    state.ahead.keep(request, result.ahead ?? [], memory);
    return result;
  }

  #moveBehind(state: QueryState, progress: QueryProgress): void {
    this.#table.moveCursor(state, progress.cursor);
    state.nextTs = progress.nextTs;
    state.isFinished = progress.isFinished;
  }

  /** An error ends the query, except when the job was refused before it ran: then the read may be repeated. */
  async #execute(
    state: QueryState,
    job: Parameters<QueryExecutor['run']>[0],
  ): Promise<QueryProgress> {
    try {
      const result = await this.#options.executor.run(job);
      if (result.error === undefined) return result;
      throw fromErrorData(result.error);
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      state.isFinished = true;
      state.isEndTold = true;
      throw error;
    }
  }
}

/** What a body may hold: the record that exceeds its limit, too; larger ones are streamed. */
function mostBytesOf({ output }: ReadRequest, { maxBodyBytes }: BatchLimits): number {
  return output === 'record' ? CHUNK_BYTES : bufferBytes(maxBodyBytes + CHUNK_BYTES);
}

/** Longest wait of one read for new records. */
function waitMs({ entry, ttlMs, batchTimeoutMs }: QueryState): number {
  return entry === undefined ? Math.min(batchTimeoutMs, ttlMs) : Math.min(MAX_WAIT_MS, ttlMs / 4);
}

/** Whether a drained continuous query may find something now. Exact for one entry, up to filters. */
function hasNews({ entry, bucket, nextTs }: QueryState, recordsWritten: number): boolean {
  if (entry === undefined) return bucket.recordsWritten !== recordsWritten;
  return entry.stats.recordCount > 0 && entry.stats.latestTs >= nextTs;
}

function ignore(): void {}
