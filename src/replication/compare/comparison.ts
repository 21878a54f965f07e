/** One comparison of a task's source and target: what was asked for, and what is found so far. Plain bookkeeping. */
import { addCounts, type CompareCounts, type Difference, newCounts } from './types.ts';

/** Differences told one by one; all are counted. */
export const MAX_DIFFERENCES = 1_000;

/** Entries told one by one, those with differences first; all are in the totals. */
const MAX_ENTRIES = 1_000;

export interface CompareRequest {
  /** µs, inclusive and exclusive; `null`: no bound. */
  readonly startUs: bigint | null;
  readonly stopUs: bigint | null;
  readonly repair: boolean;
  readonly hashes: boolean;
}

export type ComparisonState = 'running' | 'done' | 'cancelled' | 'failed';

export interface EntryCounts {
  readonly name: string;
  readonly counts: CompareCounts;
}

export interface ComparisonStart {
  /** See `isExact` of `expectation.ts`. */
  readonly isExact: boolean;
  /** Records that wait to be sent at the start: they are missing at the target. */
  readonly pendingRecords: number;
  readonly entriesTotal: number;
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
}

export class Comparison {
  readonly request: CompareRequest;
  readonly isExact: boolean;
  readonly pendingRecords: number;
  readonly entriesTotal: number;
  readonly startedMs: number;
  state: ComparisonState = 'running';
  error: string | null = null;
  finishedMs: number | null = null;
  entriesDone = 0;
  /** Name of the entry that is being compared. */
  current: string | null = null;
  readonly totals: CompareCounts = newCounts();
  readonly differences: Difference[] = [];
  readonly #entries: EntryCounts[] = [];
  readonly #equalEntries: EntryCounts[] = [];

  constructor(request: CompareRequest, start: ComparisonStart) {
    this.request = request;
    this.isExact = start.isExact;
    this.pendingRecords = start.pendingRecords;
    this.entriesTotal = start.entriesTotal;
    this.startedMs = start.startedMs;
  }

  get entries(): readonly EntryCounts[] {
    const room = MAX_ENTRIES - this.#entries.length;
    return [...this.#entries, ...this.#equalEntries.slice(0, room)];
  }

  /** Entries that are in the totals only. */
  get entriesLeftOut(): number {
    return this.entriesDone - this.entries.length;
  }

  /** How many differences may still be told one by one. */
  get differencesLeft(): number {
    return MAX_DIFFERENCES - this.differences.length;
  }

  /** What a piece of an entry brought. */
  add(counts: CompareCounts, differences: readonly Difference[]): void {
    addCounts(this.totals, counts);
    this.differences.push(...differences.slice(0, this.differencesLeft));
  }

  endEntry(entry: EntryCounts): void {
    this.entriesDone++;
    const isEqual = Object.values(entry.counts.differences).every((count) => count === 0);
    const list = isEqual ? this.#equalEntries : this.#entries;
    if (list.length < MAX_ENTRIES) list.push(entry);
  }

  end(state: Exclude<ComparisonState, 'running'>, error: string | null, nowMs: number): void {
    this.state = state;
    this.error = error;
    this.finishedMs = nowMs;
    this.current = null;
  }
}
