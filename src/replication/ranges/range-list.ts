/**
 * The ranges of one task, behind its live cursor: which comes next, which are to be stored, and how a jump of the cursor
 * becomes a segment. Pure bookkeeping; every change is marked as unsaved until `takeUnsaved`.
 */
import type { Position } from '../../catalog/positions.ts';
import type { FilterState } from '../filter-state.ts';
import {
  backlogRecords,
  isAtEnd,
  isUnfinished,
  type StoredRange,
  TaskRange,
  WHOLE_SCOPE,
} from './range.ts';

/** Backlog segments of a task; beyond it neighbours are merged. */
export const MAX_BACKLOG_SEGMENTS = 16;

/** Finished back-fills that are remembered to be looked at; policy when there are more: `forget_oldest`. */
export const MAX_FINISHED_BACKFILLS = 16;

/** A row to be written, or (`null`) removed. */
export interface RangeChange {
  readonly id: number;
  readonly range: StoredRange | null;
}

/** A stretch of the log that the live cursor leaves behind. */
export interface LeftBehind {
  readonly bucketId: number;
  readonly from: Position;
  readonly end: Position;
  /** State of the task's filters at `from`. */
  readonly filterState: FilterState | null;
  /** Records below this sequence may have been sent before. */
  readonly resendSequence: number;
  /** Wall clock. */
  readonly nowMs: number;
}

export class TaskRanges {
  /** Ascending by id. */
  readonly #ranges: Map<number, TaskRange> = new Map();
  readonly #unsaved: Set<number> = new Set();
  #lastId = 0;

  /** @param resendSequences how far behind its position each range may have been sent before. */
  constructor(stored: readonly StoredRange[] = [], resendSequences = 0) {
    for (const range of stored) {
      const { position, end } = range;
      const resend = Math.min(end.sequence, position.sequence + resendSequences);
      this.#ranges.set(range.id, new TaskRange(range, resend));
    }
  }

  all(): readonly TaskRange[] {
    return [...this.#ranges.values()];
  }

  /** In the order in which they were asked for. */
  backfills(): readonly TaskRange[] {
    return this.all().filter(({ stored }) => stored.kind === 'backfill');
  }

  /** Ascending by position. */
  backlog(): readonly TaskRange[] {
    return this.all()
      .filter(({ stored }) => stored.kind === 'backlog')
      .toSorted((a, b) => a.stored.position.sequence - b.stored.position.sequence);
  }

  backfill(id: number): TaskRange | undefined {
    const range = this.#ranges.get(id);
    return range?.stored.kind === 'backfill' ? range : undefined;
  }

  /** Above every id in use or given out. The newest back-fill is never forgotten, so its id does not come again. */
  takeId(): number {
    this.#lastId = Math.max(this.#lastId, ...this.#ranges.keys()) + 1;
    return this.#lastId;
  }

  add(stored: StoredRange): TaskRange {
    const range = new TaskRange(stored);
    this.#ranges.set(stored.id, range);
    this.#unsaved.add(stored.id);
    return range;
  }

  /** It is as if it had never been. */
  remove(range: TaskRange): void {
    this.#ranges.delete(range.stored.id);
    this.#unsaved.add(range.stored.id);
  }

  /** The range that is to be sent next: the newest segment, then the back-fills in their order. */
  next(): TaskRange | undefined {
    return (
      this.backlog().at(-1) ??
      this.backfills().find(({ stored }) => stored.state === 'running' && stored.isPlanned)
    );
  }

  /** Back-fills whose extent is not known yet. */
  unplanned(): readonly TaskRange[] {
    return this.backfills().filter(
      ({ stored, isPlanning }) => stored.state === 'running' && !stored.isPlanned && !isPlanning,
    );
  }

  /** The live cursor goes on behind this stretch. While no range of the task is being sent. */
  leaveBehind({ bucketId, from, end, filterState, resendSequence, nowMs }: LeftBehind): void {
    if (from.sequence >= end.sequence) return;
    const segment = this.add({
      id: this.takeId(),
      kind: 'backlog',
      bucketId,
      scope: WHOLE_SCOPE,
      state: 'running',
      reason: null,
      isPlanned: true,
      position: from,
      end,
      filterState,
      totalRecords: 0,
      totalBytes: 0,
      doneRecords: 0,
      doneBytes: 0,
      sentRecords: 0,
      sentBytes: 0,
      duplicates: 0,
      deadLetters: 0,
      createdAtMs: nowMs,
      finishedAtMs: null,
    });
    segment.resendSequence = Math.max(from.sequence, Math.min(end.sequence, resendSequence));
    while (this.backlog().length > MAX_BACKLOG_SEGMENTS) this.#mergeCheapest();
  }

  /** Changes what is stored of a range. One that has come to its end is finished. @param nowMs wall clock. */
  change(range: TaskRange, changes: Partial<StoredRange>, nowMs: number): void {
    range.change(changed(range.stored, changes, nowMs));
    const { id, kind } = range.stored;
    if (kind === 'backlog' && !range.isUnfinished) this.#ranges.delete(id);
    this.#unsaved.add(id);
    this.#forgetFinished();
  }

  /** The row as it would be after `change`. */
  rowAfter(range: TaskRange, changes: Partial<StoredRange>, nowMs: number): RangeChange {
    return { id: range.stored.id, range: changed(range.stored, changes, nowMs) };
  }

  /** Counters of filters are void: the settings have changed. */
  forgetFilterStates(): void {
    for (const range of this.#ranges.values()) {
      if (range.stored.filterState === null) continue;
      range.change({ filterState: null });
      this.#unsaved.add(range.stored.id);
    }
  }

  /** The rows as they would be after `forgetFilterStates`. */
  statelessRows(): readonly RangeChange[] {
    return [...this.#ranges.values()]
      .filter(({ stored }) => stored.filterState !== null)
      .map(({ stored }) => ({ id: stored.id, range: { ...stored, filterState: null } }));
  }

  /** What the ranges would be about is gone, or no longer the task's. @param nowMs wall clock. */
  abandon(reason: string, nowMs: number): void {
    for (const range of this.all()) {
      if (range.isUnfinished) this.change(range, { state: 'failed', reason }, nowMs);
    }
  }

  /** The rows as they would be after `abandon`. */
  abandonedRows(reason: string, nowMs: number): readonly RangeChange[] {
    const after = new TaskRanges(this.all().map(({ stored }) => stored));
    after.abandon(reason, nowMs);
    return after.rows();
  }

  /** All rows as they are now, removed ones included; for a write that must not depend on earlier ones. */
  rows(): readonly RangeChange[] {
    const ids = new Set([...this.#ranges.keys(), ...this.#unsaved]);
    return [...ids].map((id) => this.#rowOf(id));
  }

  get hasUnsaved(): boolean {
    return this.#unsaved.size > 0;
  }

  /** Rows that changed since the last time. When they could not be written, give them back with `markUnsaved`. */
  takeUnsaved(): readonly RangeChange[] {
    const rows = [...this.#unsaved].map((id) => this.#rowOf(id));
    this.#unsaved.clear();
    return rows;
  }

  markUnsaved(rows: readonly RangeChange[]): void {
    for (const { id } of rows) this.#unsaved.add(id);
  }

  /** Where the oldest record lies that the live cursor has left behind; `null` when there is none. */
  get oldestBacklogSequence(): number | null {
    return this.backlog()[0]?.stored.position.sequence ?? null;
  }

  #rowOf(id: number): RangeChange {
    return { id, range: this.#ranges.get(id)?.stored ?? null };
  }

  /**
   * Merges the two neighbours for which least has to be sent again, and among those the two smallest. The older one goes on
   * where it is, with its filter state, to the end of the younger one.
   */
  #mergeCheapest(): void {
    const segments = this.backlog();
    let best: { older: TaskRange; younger: TaskRange; hole: number; records: number } | undefined;
    for (let i = 0; i + 1 < segments.length; i++) {
      const [older, younger] = [segments[i], segments[i + 1]];
      if (older === undefined || younger === undefined) continue;
      const hole = Math.max(0, younger.stored.position.sequence - older.stored.end.sequence);
      const records = backlogRecords(older.stored) + backlogRecords(younger.stored);
      const isBetter =
        best === undefined || hole < best.hole || (hole === best.hole && records < best.records);
      if (isBetter) best = { older, younger, hole, records };
    }
    if (best === undefined) return;
    const { older, younger } = best;
    older.change({ end: younger.stored.end });
    older.count = null;
    older.resendSequence = Math.max(older.resendSequence, younger.resendSequence);
    this.#ranges.delete(younger.stored.id);
    this.#unsaved.add(older.stored.id);
    this.#unsaved.add(younger.stored.id);
  }

  #forgetFinished(): void {
    const finished = this.backfills().filter((range) => !range.isUnfinished);
    for (const { stored } of finished.slice(0, -MAX_FINISHED_BACKFILLS)) {
      this.#ranges.delete(stored.id);
      this.#unsaved.add(stored.id);
    }
  }
}

function changed(before: StoredRange, changes: Partial<StoredRange>, nowMs: number): StoredRange {
  const after = { ...before, ...changes };
  if (after.state === 'running' && isAtEnd(after)) after.state = 'done';
  if (isUnfinished(after) || after.finishedAtMs !== null) return after;
  return { ...after, finishedAtMs: nowMs, filterState: null };
}
