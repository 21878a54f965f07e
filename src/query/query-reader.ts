/** Reads of open queries: what earlier jobs found ahead, jobs of their own, and waits for what is written. */
import { fromErrorData, UnavailableError } from '../errors/errors.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import { bufferBytes } from './body-buffers.ts';
import type { CommitWaiters } from './commit-waiters.ts';
import type { BatchLimits, QueryJob, QueryOutput, QueryProgress } from './job.ts';
import type { QueryExecutor } from './pool.ts';
import type { QueryState, QueryTable } from './query-table.ts';
import type { AheadFetch, AheadRun } from './read-ahead.ts';
import type { ReadMemory } from './read-memory.ts';
import type { AdmitRead } from './types.ts';

/** A job that scans in vain ends after this long, so that other queries get the thread. */
const SLICE_MS = 100;

/** Longest wait of a drained continuous query for new records; the contract allows up to ttl/4 (§5.4). */
const MAX_WAIT_MS = 1_000;

/** Reads of one query that may wait for their turn. Clients read one after the other. */
const MAX_ACTIVE_READS = 16;

/** Jobs that wait for a thread at which none is added that no read waits for. */
const MAX_QUEUED_JOBS = 64;

/** What batches ahead may exceed their bound by: see `AheadLimits.maxBytes`. */
const AHEAD_MARGIN = 1.5;

export interface ReadRequest {
  readonly output: QueryOutput;
  readonly withBody: boolean;
  readonly isInterleavingSafe: boolean;
}

/** `idle`: a continuous query has nothing new, or a multi-entry query found nothing in time. */
export type ReadOutcome = QueryProgress | 'end' | 'idle';

export interface QueryReaderOptions {
  readonly executor: QueryExecutor;
  readonly memory: Pick<ReadMemory, 'reserve' | 'tryReserve' | 'holdSpare'>;
  readonly table: QueryTable;
  readonly waiters: CommitWaiters;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

export class QueryReader {
  readonly #options: QueryReaderOptions;

  constructor(options: QueryReaderOptions) {
    this.#options = options;
  }

  /** Waits for the reads of this query before it. */
  async read(
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
      let progress = this.#takeAhead(state, request, admit);
      if (progress === undefined && state.ahead.fetched !== undefined) {
        await state.ahead.fetched;
        progress = this.#takeAhead(state, request, admit);
      }
      progress ??= await this.#runJob(state, request, admit);
      if (progress.recordCount > 0) {
        state.lastAccessMs = nowMs();
        return progress;
      }
      if (state.isFinished) break;
      if (progress.isDrained) {
        const { id } = state.bucket;
        const isReady = (): boolean => hasNews(state, recordsWritten);
        const leftMs = deadlineMs - nowMs();
        if (!(await this.#options.waiters.wait(id, isReady, leftMs, fruitless++))) return 'idle';
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
    this.#fetchOn(state, request);
    return progress;
  }

  async #runJob(
    state: QueryState,
    request: ReadRequest,
    admit: AdmitRead | undefined,
  ): Promise<QueryProgress> {
    const { memory } = this.#options;
    const limits = limitsOf(state, request);
    const mostBytes = request.withBody ? mostBytesOf(request, limits) : 0;
    const release = mostBytes === 0 ? undefined : await memory.reserve(mostBytes);
    const ahead = state.ahead.begin(request);
    const releaseAhead = this.#reserveAhead(ahead);
    let result: QueryProgress;
    try {
      const isAhead = releaseAhead !== undefined;
      const job = jobOf(state, request, state.cursor);
      result = await this.#execute(state, { ...job, ahead: isAhead ? ahead.limits : undefined });
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
    state.ahead.keep(ahead, result.ahead ?? [], memory);
    return result;
  }

  /** Behind a read that was answered with what lay ahead: goes on before the reader has taken the rest. */
  #fetchOn(state: QueryState, request: ReadRequest): void {
    const { executor } = this.#options;
    if ((executor.queuedJobs ?? 0) >= MAX_QUEUED_JOBS) return;
    const fetch = state.ahead.beginFetch(request);
    if (fetch === undefined) return;
    const release = this.#reserveAhead(fetch);
    if (release === undefined) return;
    state.ahead.startFetch(fetch, () => this.#fetch(state, request, fetch, release));
  }

  /** What goes wrong is met again by the read that finds nothing ahead then. */
  async #fetch(
    state: QueryState,
    request: ReadRequest,
    fetch: AheadFetch,
    release: () => void,
  ): Promise<void> {
    const { executor, memory } = this.#options;
    const job = { ...jobOf(state, request, fetch.cursor), ahead: fetch.limits };
    const found = await executor.run(job).then(
      (result) => (result.error === undefined ? (result.ahead ?? []) : []),
      () => [],
    );
    release();
    state.ahead.keep(fetch, found, memory);
  }

  /** @returns undefined when nothing is to be found ahead. */
  #reserveAhead({ limits }: AheadRun): (() => void) | undefined {
    if (limits === undefined) return undefined;
    return this.#options.memory.tryReserve(AHEAD_MARGIN * limits.maxBytes);
  }

  #recycle(body: QueryProgress['body']): void {
    this.#options.executor.recycle?.(body);
  }

  #moveBehind(state: QueryState, progress: QueryProgress): void {
    this.#options.table.moveCursor(state, progress.cursor);
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

function limitsOf({ limits }: QueryState, { output }: ReadRequest): BatchLimits {
  return output === 'record' ? { ...limits, maxRecords: 1 } : limits;
}

function jobOf(
  state: QueryState,
  request: ReadRequest,
  cursor: Uint8Array | undefined,
): Omit<QueryJob, 'ahead'> {
  const { id: queryId, plan } = state;
  const limits = limitsOf(state, request);
  return { ...request, queryId, plan, cursor, limits, sliceMs: SLICE_MS };
}

/** What a body may hold: the record that exceeds its limit, too; larger ones are streamed. */
function mostBytesOf({ output }: ReadRequest, { maxBodyBytes }: BatchLimits): number {
  return output === 'record' ? CHUNK_BYTES : bufferBytes(maxBodyBytes + CHUNK_BYTES);
}

/** Longest wait of one read for new records. */
export function waitMs({ entry, ttlMs, batchTimeoutMs }: QueryState): number {
  return entry === undefined ? Math.min(batchTimeoutMs, ttlMs) : Math.min(MAX_WAIT_MS, ttlMs / 4);
}

/** Whether a drained continuous query may find something now. Exact for one entry, up to filters. */
function hasNews({ entry, bucket, nextTs }: QueryState, recordsWritten: number): boolean {
  if (entry === undefined) return bucket.recordsWritten !== recordsWritten;
  return entry.stats.recordCount > 0 && entry.stats.latestTs >= nextTs;
}

function ignore(): void {}
