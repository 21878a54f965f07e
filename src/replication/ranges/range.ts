/**
 * A range: a part of the log that a task sends behind its live cursor. A back-fill is one that was asked for; a backlog
 * segment is one that the live cursor left behind when it jumped to the head (`order: "newest"`).
 */
import type { Position } from '../../catalog/positions.ts';
import type { FilterState } from '../filter-state.ts';
import type { CountState } from '../task.ts';
import { RateMeter } from './rate-meter.ts';

export type RangeKind = 'backfill' | 'backlog';

export const RANGE_STATES = ['running', 'paused', 'done', 'cancelled', 'failed'] as const;
export type RangeState = (typeof RANGE_STATES)[number];

/** What of the log a range is about, besides the filters of its task. Plain data. */
export interface RangeScope {
  /** Record time [startUs, stopUs), µs since the Unix epoch; `null`: no bound. */
  readonly startUs: bigint | null;
  readonly stopUs: bigint | null;
  /** Patterns of `compileEntryPatterns`; empty: every entry. Names count as they are when a record is sent. */
  readonly entries: readonly string[];
}

export const WHOLE_SCOPE: RangeScope = { startUs: null, stopUs: null, entries: [] };

/** A range as it lies in the store. */
export interface StoredRange {
  /** Within its task. */
  readonly id: number;
  readonly kind: RangeKind;
  readonly bucketId: number;
  readonly scope: RangeScope;
  readonly state: RangeState;
  /** Why it failed; else `null`. */
  readonly reason: string | null;
  /** A back-fill looks into the index once, for where it begins and ends and how much it is. */
  readonly isPlanned: boolean;
  /** Everything of the range before this has been answered for. */
  readonly position: Position;
  /** The first position that does not belong to the range. */
  readonly end: Position;
  /** As in a cursor: counters of stateful filters at `position`. */
  readonly filterState: FilterState | null;
  /**
   * What was found in the index for a back-fill: records of its entries and times, before label filters; and how many of
   * them were looked at and answered for. Unused for backlog segments.
   */
  readonly totalRecords: number;
  readonly totalBytes: number;
  readonly doneRecords: number;
  readonly doneBytes: number;
  /** What the target has of it, duplicates included. */
  readonly sentRecords: number;
  readonly sentBytes: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
}

/** A range as the main thread has it. */
export class TaskRange {
  /** As the store has it, or will have it. */
  stored: StoredRange;
  /** Records below this sequence may have been sent before. */
  resendSequence: number;
  /** Since when it waits to be sent, monotonic ms; `null` while it is being sent. */
  waitingSinceMs: number | null = null;
  /** The last slice had to make way for live records: the next one takes small steps. */
  makesWay = false;
  isPlanning = false;
  readonly rate: RateMeter = new RateMeter();
  /** Matching records and bytes that were passed since the process started, for `count`. */
  passedRecords = 0;
  passedBytes = 0;
  /** How far its pending records have been counted. */
  count: CountState | null = null;

  constructor(stored: StoredRange, resendSequence: number = stored.position.sequence) {
    this.stored = stored;
    this.resendSequence = resendSequence;
  }

  get isUnfinished(): boolean {
    return isUnfinished(this.stored);
  }

  change(changes: Partial<StoredRange>): void {
    this.stored = { ...this.stored, ...changes };
  }
}

export function isAtEnd({ isPlanned, position, end }: StoredRange): boolean {
  return isPlanned && position.sequence >= end.sequence;
}

export function isUnfinished({ state }: StoredRange): boolean {
  return state === 'running' || state === 'paused';
}

/** Records of the bucket that lie in what is left of a backlog segment. */
export function backlogRecords({ position, end }: StoredRange): number {
  return Math.max(0, end.bucketOrdinal - position.bucketOrdinal);
}
