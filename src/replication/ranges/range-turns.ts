/**
 * Whose turn it is: the live cursor or a range. Live records go first. So that a back-fill does not stand still for ever
 * beside a stream that never pauses, it gets a short turn from time to time, but only while live records keep up.
 */
import type { RangeScan, SendJob, SendResult, SliceCounts } from '../messages.ts';
import { MAX_WINDOW_RECORDS } from '../scan/window-scan.ts';
import type { Task } from '../task.ts';
import type { TaskRange } from './range.ts';

/** A range that has waited for so long gets a turn of one window, */
const PATIENCE_MS = 1_000;
/** unless the live cursor is this far behind. */
const MAX_LIVE_LAG_MS = 1_000;

/** Records of a window while live records keep coming: what is begun is finished before them. */
const SMALL_WINDOW_RECORDS = 256;

export type Turn =
  | { readonly kind: 'none' | 'live' }
  /** `isBrief`: live records wait, one window and no more. */
  | { readonly kind: 'range'; readonly range: TaskRange; readonly isBrief: boolean };

/** @param nowMs monotonic. @param liveLagMs age of the oldest live record that waits; unused without live work. */
export function nextTurn(task: Task, hasLiveWork: boolean, liveLagMs: number, nowMs: number): Turn {
  const range = task.ranges.next();
  if (range === undefined) return { kind: hasLiveWork ? 'live' : 'none' };
  if (!hasLiveWork) return { kind: 'range', range, isBrief: false };
  range.waitingSinceMs ??= nowMs;
  const isPatient = nowMs - range.waitingSinceMs < PATIENCE_MS || liveLagMs >= MAX_LIVE_LAG_MS;
  return isPatient ? { kind: 'live' } : { kind: 'range', range, isBrief: true };
}

/** What a job needs to know of the range. */
export function scanOf({ stored, makesWay }: TaskRange, isBrief: boolean): RangeScan {
  const { kind, scope } = stored;
  const windowRecords = isBrief || makesWay ? SMALL_WINDOW_RECORDS : MAX_WINDOW_RECORDS;
  return { kind, scope, windowRecords };
}

/** Takes what a slice did into its range. @param nowMs wall clock. @param monotonicMs for the rate. */
export function takeRangeResult(
  task: Task,
  range: TaskRange,
  job: SendJob,
  result: SendResult,
  isSameVersion: boolean,
  nowMs: number,
  monotonicMs: number,
): void {
  const { counts, position } = result;
  const attempted = Math.max(result.attemptedSequence, job.resendSequence);
  range.resendSequence = Math.max(range.resendSequence, attempted);
  range.makesWay = task.rangeLine.makesWay();
  range.waitingSinceMs = null;
  range.passedRecords += counts.passedRecords;
  range.passedBytes += counts.passedBytes;
  task.removedAtSource += counts.removedAtSource;
  // A back-fill that was cancelled meanwhile stays so, and keeps what is known of it.
  const changes = countsOf(range, counts, result.deadLetters.length);
  const filterState = isSameVersion ? result.filterState : range.stored.filterState;
  task.ranges.change(
    range,
    range.isUnfinished ? { ...changes, position, filterState } : changes,
    nowMs,
  );
  const { doneRecords, doneBytes } = range.stored;
  range.rate.add(monotonicMs, doneRecords, doneBytes);
}

function countsOf(
  { stored }: TaskRange,
  counts: SliceCounts,
  letters: number,
): Partial<TaskRange['stored']> {
  return {
    doneRecords: stored.doneRecords + counts.seenRecords,
    doneBytes: stored.doneBytes + counts.seenBytes,
    sentRecords: stored.sentRecords + counts.records,
    sentBytes: stored.sentBytes + counts.bytes,
    duplicates: stored.duplicates + counts.duplicates,
    deadLetters: stored.deadLetters + letters,
  };
}
