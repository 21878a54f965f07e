/** When the live cursor of a task with `order: "newest"` leaves its backlog behind, and how. */
import type { Position } from '../../catalog/positions.ts';
import { type Place, recordsBetween } from '../log-ranges.ts';
import type { Task } from '../task.ts';

/** A backlog that is this old, or has this many records, is left behind. */
export interface FreshFirstLimits {
  readonly lagMs: number;
  readonly records: number;
}

export const DEFAULT_FRESH_FIRST: FreshFirstLimits = { lagMs: 5_000, records: 10_000 };

/** @param end of what is written. @param lagMs age of the oldest block behind the cursor. */
export function isLeftBehind(
  { position, gaps }: Place,
  end: Position,
  lagMs: number,
  limits: FreshFirstLimits,
): boolean {
  if (position.sequence >= end.sequence) return false;
  return lagMs >= limits.lagMs || recordsBetween(position, end, gaps) >= limits.records;
}

export interface Stretch {
  readonly from: Position;
  readonly end: Position;
}

/** The parts of the log between a place and `end`, without its gaps, ascending. */
export function stretchesOf({ position, gaps }: Place, end: Position): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let from = position;
  for (const gap of gaps) {
    if (gap.from.sequence > from.sequence) stretches.push({ from, end: gap.from });
    if (gap.resume === null) return stretches;
    if (gap.resume.sequence > from.sequence) from = gap.resume;
  }
  if (from.sequence < end.sequence) stretches.push({ from, end });
  return stretches;
}

/** @param end of what is written. @param lagMs age of the oldest block behind the cursor. */
export function leavesBehind(
  task: Task,
  end: Position,
  lagMs: number,
  limits: FreshFirstLimits,
): boolean {
  // What waits under former filters is sent before.
  if (task.settings.order !== 'newest' || task.pastFilters.length > 0) return false;
  return isLeftBehind(task, end, lagMs, limits);
}

/** The live cursor jumps to the end; what it had before it becomes segments. While no slice runs. @param nowMs wall clock. */
export function leaveBehind(task: Task, bucketId: number, end: Position, nowMs: number): void {
  const { filterState, resendSequence, ranges } = task;
  for (const stretch of stretchesOf(task, end)) {
    ranges.leaveBehind({ ...stretch, bucketId, filterState, resendSequence, nowMs });
  }
  task.moveLive(end);
}
