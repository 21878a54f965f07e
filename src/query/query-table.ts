/** The open queries: bounded in number and in bytes, forgotten when their time to live is over. */
import type { Bucket, Entry } from '../catalog/model.ts';
import { UnavailableError } from '../errors/errors.ts';
import type { BatchLimits } from './job.ts';
import type { ReadAhead } from './read-ahead.ts';

/** What of a query lies on the main thread besides its plan and cursor, counted towards the bound. */
const STATE_BYTES = 1024;

/** A table that is full looks for queries to drop at most this often. */
const MIN_SWEEP_GAP_MS = 250;

/** Clients read a finished query once more, to see its end; after this long they have. */
const FINISHED_GRACE_MS = 1_000;

/** A query that is not read for so long keeps nothing ahead. */
const AHEAD_IDLE_MS = 2_000;

/** One open query. */
export interface QueryState {
  readonly id: number;
  readonly bucket: Bucket;
  /** Undefined for a query over several entries. */
  readonly entry: Entry | undefined;
  readonly ttlMs: number;
  readonly continuous: boolean;
  readonly limits: BatchLimits;
  /** How long a multi-entry read waits before it answers with an empty batch. */
  readonly batchTimeoutMs: number;
  /** Encoded `QueryPlan` in shared memory. */
  readonly plan: Uint8Array;
  /** Encoded `QueryCursor`; undefined before the first job. Changed through `QueryTable.moveCursor`. */
  cursor: Uint8Array | undefined;
  /** Behind the cursor. */
  readonly ahead: ReadAhead;
  /** Position in the (first) entry, µs. */
  nextTs: bigint;
  /** No record will be found any more. */
  isFinished: boolean;
  /** A single read was told the end, or an error that ended the query. */
  isEndTold: boolean;
  lastAccessMs: number;
  /** Reads that run or wait for their turn. Such a query does not expire. */
  activeReads: number;
  /** Settled when the read before is done: reads of one query take turns. */
  turn: Promise<void>;
}

export interface QueryTableOptions {
  readonly maxQueries: number;
  readonly maxBytes: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

export class QueryTable {
  readonly #options: QueryTableOptions;
  readonly #queries = new Map<number, QueryState>();
  #bytes = 0;
  #sweptMs = -Infinity;

  constructor(options: QueryTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#queries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Makes room by dropping expired queries, then finished ones that were not read for a second. Queries with more to
   * read are never dropped for a new one.
   * @throws UnavailableError 503 when there is none.
   */
  add(state: QueryState): void {
    if (!this.#hasRoomFor(state)) this.#makeRoomFor(state);
    if (!this.#hasRoomFor(state)) {
      throw new UnavailableError('Too many open queries', {
        hint: 'Read queries to their end, or give them a shorter ttl.',
      });
    }
    this.#queries.set(state.id, state);
    this.#bytes += bytesOf(state);
  }

  /** The query unless it has expired. Does not count as an access. */
  find(id: number): QueryState | undefined {
    const state = this.#queries.get(id);
    if (state === undefined || !this.#isExpired(state)) return state;
    this.remove(state);
    return undefined;
  }

  remove(state: QueryState): void {
    if (this.#queries.delete(state.id)) this.#bytes -= bytesOf(state);
    state.ahead.close();
  }

  /** @throws UnavailableError 503 when all cursors together are too large; the query is dropped then. */
  moveCursor(state: QueryState, cursor: Uint8Array): void {
    const isListed = this.#queries.has(state.id);
    if (isListed) this.#bytes -= bytesOf(state);
    state.cursor = cursor;
    if (!isListed) return;
    this.#bytes += bytesOf(state);
    if (this.#bytes <= this.#options.maxBytes) return;
    this.remove(state);
    throw new UnavailableError('The memory for open queries is used up', {
      hint: 'Conditions with much context (#ctx_before) need the most.',
    });
  }

  /** Drops expired queries, and what idle ones hold ahead. Costs time in the number of queries; to be called about once a second. */
  sweep(): void {
    const nowMs = this.#options.nowMs();
    this.#sweptMs = nowMs;
    for (const state of this.#queries.values()) {
      if (this.#isExpired(state)) this.remove(state);
      else if (nowMs - state.lastAccessMs >= AHEAD_IDLE_MS) state.ahead.drop();
    }
  }

  #makeRoomFor(state: QueryState): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#sweptMs < MIN_SWEEP_GAP_MS) return;
    this.sweep();
    if (this.#hasRoomFor(state)) return;
    for (const other of this.#queries.values()) {
      const isIdle = other.activeReads === 0 && nowMs - other.lastAccessMs >= FINISHED_GRACE_MS;
      if (other.isFinished && isIdle) this.remove(other);
    }
  }

  #hasRoomFor(state: QueryState): boolean {
    const { maxQueries, maxBytes } = this.#options;
    return this.#queries.size < maxQueries && this.#bytes + bytesOf(state) <= maxBytes;
  }

  #isExpired(state: QueryState): boolean {
    if (state.activeReads > 0) return false;
    return this.#options.nowMs() - state.lastAccessMs >= state.ttlMs;
  }
}

function bytesOf(state: QueryState): number {
  return STATE_BYTES + state.plan.length + (state.cursor?.length ?? 0);
}
