/** The records of one entry that a query returns, in order of time, taken one at a time. */
import { ApiError } from '../../errors/errors.ts';
import { runAtOrBefore } from '../../store/run-index.ts';
import type { CompiledCondition } from '../../when/condition.ts';
import type { ConditionStream } from '../../when/evaluate/stream.ts';
import type { QueryPlan, SourceState } from '../job.ts';
import type { BlockStore } from './block-store.ts';
import { DeprecatedFilters } from './deprecated-filters.ts';
import { RunScanner } from './run-scanner.ts';
import type { LocatedRecord } from './scanned-record.ts';
import { ScannedRecord, UNLOCATED, unlocatedRecord } from './scanned-record.ts';
import type { ScanBudget } from './scan-budget.ts';

/**
 * Records that one condition may hold as context (`#ctx_before`) between two jobs. The client chooses how many it asks
 * for, and they are kept with the cursor.
 */
export const MAX_CONTEXT_RECORDS = 65_536;

/** What all sources of a job share. */
export interface SourceSettings {
  readonly store: BlockStore;
  readonly plan: QueryPlan;
  readonly condition: CompiledCondition | undefined;
  readonly budget: ScanBudget;
  /** Records that the job takes at most, over all entries. */
  readonly wantedRecords: number;
}

/** Position of a source, as the cursor keeps it. */
export interface SourcePosition {
  readonly nextTs: bigint;
  readonly isClosed: boolean;
  readonly state: SourceState | undefined;
}

/** The parts that work; made at the first step, because of many entries few may be reached by a batch. */
interface OpenParts {
  readonly scanner: RunScanner;
  readonly filters: DeprecatedFilters;
  stream: ConditionStream<ScannedRecord> | undefined;
}

export class EntrySource {
  /** Rank of the entry's name in the plan. */
  readonly ordinal: number;
  readonly #settings: SourceSettings;
  readonly #position: SourcePosition;
  readonly #entryId: number;
  readonly #lastTs: bigint;
  /** Whether every record is a result: it is the head as it comes, and nothing is remembered. */
  readonly #takesAll: boolean;
  #parts: OpenParts | undefined;
  #results: number;
  /** Accepted, not taken yet; the first of them is the head once it is located. */
  #accepted: ScannedRecord[];
  #head: LocatedRecord | undefined;
  #bound: bigint;
  #isClosed: boolean;
  #isAtEnd = false;

  constructor(settings: SourceSettings, ordinal: number, position: SourcePosition) {
    const { plan, condition } = settings;
    const { nextTs, state } = position;
    this.ordinal = ordinal;
    this.#settings = settings;
    this.#position = position;
    this.#entryId = plan.entryIds[ordinal] ?? 0;
    this.#lastTs = plan.lastTs[ordinal] ?? 0n;
    this.#takesAll = !isFiltered(plan, condition) && plan.limit === undefined;
    this.#results = state?.results ?? 0;
    this.#accepted = toRecords(state?.pendingTs);
    this.#isClosed = position.isClosed;
    this.#bound = state?.pendingTs[0] ?? state?.contextTs[0] ?? nextTs;
  }

  /** No later record of this source has a smaller timestamp. Exact while there is a head. */
  get bound(): bigint {
    return this.#bound;
  }

  /** The next record, once `step` has found it. */
  get head(): LocatedRecord | undefined {
    return this.#head;
  }

  /** True when there is nothing more to take now. */
  get isDone(): boolean {
    if (this.#head !== undefined || this.#accepted.length > 0) return false;
    return this.#isClosed || this.#isAtEnd;
  }

  /**
   * Works towards the next record, until it is the head, or the source is done, or its bound exceeds `limitTs`
   * (undefined: no matter how far), or the budget is spent.
   * @throws ApiError in strict mode, when the condition fails.
   */
  step(limitTs: bigint | undefined): void {
    const parts = (this.#parts ??= this.#open());
    while (!this.#locateHead() && !this.isDone) {
      if (!this.#raiseBound(parts, limitTs)) return;
      if (this.#settings.budget.isSpent()) return;
      const record = parts.scanner.next();
      if (record === undefined) this.#reachEnd(parts);
      else this.#offer(parts, record);
    }
  }

  /** Takes the head away. */
  shift(): void {
    this.#head = undefined;
    if (this.#accepted.length > 0) this.#accepted.shift();
    const nextTs = this.#accepted[0]?.timestamp ?? this.#parts?.scanner.nextTs;
    if (nextTs !== undefined && nextTs > this.#bound) this.#bound = nextTs;
  }

  /**
   * Where a later job goes on, or undefined when nothing has changed.
   * @throws ApiError 422 when the condition holds too many records as context.
   */
  position(): SourcePosition | undefined {
    const parts = this.#parts;
    if (parts === undefined) return undefined;
    const { plan, condition } = this.#settings;
    const { scanner, filters, stream } = parts;
    if (!isStateful(plan, condition)) {
      // Nothing is remembered, so a record that was not taken is simply found again.
      const pendingTs = this.#head?.ts ?? this.#accepted[0]?.timestamp;
      const isClosed = this.#isClosed && pendingTs === undefined;
      return { nextTs: pendingTs ?? scanner.nextTs, isClosed, state: undefined };
    }
    const context = stream?.buffered() ?? [];
    if (context.length > MAX_CONTEXT_RECORDS) {
      const text = `#ctx_before must not hold more than ${MAX_CONTEXT_RECORDS} records`;
      throw new ApiError(422, text);
    }
    const state: SourceState = {
      ...filters.state(),
      results: this.#results,
      pendingTs: toTimestamps(this.#accepted),
      condition: stream?.snapshot(),
      contextTs: toTimestamps(context),
    };
    return { nextTs: scanner.nextTs, isClosed: this.#isClosed, state };
  }

  #open(): OpenParts {
    const { plan, store, condition, wantedRecords } = this.#settings;
    const { nextTs, state } = this.#position;
    const wanted = isFiltered(plan, condition) ? Infinity : wantedRecords;
    const stream = condition?.createStream<ScannedRecord>(plan.strict);
    if (state?.condition !== undefined) {
      stream?.restore(state.condition, toRecords(state.contextTs));
    }
    return {
      scanner: new RunScanner(store, this.#entryId, nextTs, this.#lastTs, wanted),
      filters: new DeprecatedFilters(plan, state),
      stream,
    };
  }

  /** Finds the block of the first accepted record; drops accepted records that were removed meanwhile. */
  #locateHead(): boolean {
    while (this.#head === undefined) {
      const record = this.#accepted[0];
      if (record === undefined) return false;
      this.#head = this.#locate(record);
      if (this.#head === undefined) this.#accepted.shift();
      else this.#bound = record.timestamp;
    }
    return true;
  }

  #locate(record: ScannedRecord): LocatedRecord | undefined {
    const { store } = this.#settings;
    const { timestamp: ts } = record;
    if (record.sequence !== UNLOCATED) {
      const block = store.block(record.sequence, this.#entryId);
      if (block === undefined || block.isRemoved(record.index)) return undefined;
      return { ts, block, index: record.index };
    }
    const run = runAtOrBefore(store.reader, this.#entryId, ts);
    if (run === undefined || run.lastTs < ts) return undefined;
    const block = store.block(run.sequence, this.#entryId);
    if (block === undefined) return undefined;
    const end = run.startIndex + run.count;
    const index = block.lowerBound(ts, run.startIndex, end);
    if (index >= end || block.ts(index) !== ts || block.isRemoved(index)) return undefined;
    return { ts, block, index };
  }

  /** @returns false when the next record lies behind `limitTs`. */
  #raiseBound({ scanner }: OpenParts, limitTs: bigint | undefined): boolean {
    // With context, a later match may return earlier records: the bound stays where it is.
    if (limitTs === undefined || this.#settings.condition?.directives.contextBefore !== undefined) {
      return true;
    }
    const bound = scanner.peekBound();
    if (bound !== undefined && bound > this.#bound) this.#bound = bound;
    return this.#bound <= limitTs;
  }

  #offer({ filters, stream }: OpenParts, located: LocatedRecord): void {
    if (located.ts === this.#lastTs) this.#isClosed = true;
    if (this.#takesAll) {
      this.#head = located;
      this.#bound = located.ts;
      return;
    }
    const record = ScannedRecord.of(located);
    if (!filters.accept(record)) return;
    if (stream === undefined) {
      this.#accept(record);
      return;
    }
    const { emit, stop } = stream.push(record);
    for (const emitted of emit) this.#accept(emitted);
    if (stop) this.#isClosed = true;
  }

  #accept(record: ScannedRecord): void {
    const { limit } = this.#settings.plan;
    if (limit !== undefined && this.#results >= limit) return;
    this.#results++;
    this.#accepted.push(record);
    if (this.#results === limit) this.#isClosed = true;
  }

  /** A continuous query looks again later, and its condition starts anew (when.md §10). */
  #reachEnd(parts: OpenParts): void {
    const { plan, condition } = this.#settings;
    this.#isAtEnd = true;
    if (plan.continuous) parts.stream = condition?.createStream(plan.strict);
    else this.#isClosed = true;
  }
}

function isFiltered(plan: QueryPlan, condition: CompiledCondition | undefined): boolean {
  const hasPairs = plan.include.length > 0 || plan.exclude.length > 0;
  return hasPairs || condition !== undefined || DeprecatedFilters.isStateful(plan);
}

function isStateful(plan: QueryPlan, condition: CompiledCondition | undefined): boolean {
  return condition !== undefined || plan.limit !== undefined || DeprecatedFilters.isStateful(plan);
}

function toRecords(timestamps: BigUint64Array | undefined): ScannedRecord[] {
  return timestamps === undefined ? [] : Array.from(timestamps, unlocatedRecord);
}

function toTimestamps(records: readonly ScannedRecord[]): BigUint64Array {
  return BigUint64Array.from(records, (record) => record.timestamp);
}
