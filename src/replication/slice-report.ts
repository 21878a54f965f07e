/** Takes the result of a slice into its task: counts, position, dead letters. */
import type { SendJob, SendResult, SliceCounts } from './messages.ts';
import type { Task } from './task.ts';

/** What of the task was as it is now when the slice began. */
export interface SliceOrigin {
  readonly version: number;
  readonly epoch: number;
}

/** @param nowMs wall clock. */
export function takeResult(
  task: Task,
  job: SendJob,
  result: SendResult,
  origin: SliceOrigin,
  nowMs: number,
): void {
  // Answers to requests under older settings say nothing about the present target.
  if (origin.version === task.version) takeCounts(task, result, nowMs);
  takeLetters(task, result);
  if (origin.epoch === task.epoch) takePosition(task, job, result, origin);
}

export function takeLetters(task: Task, { deadLetters }: SendResult): void {
  if (deadLetters.length === 0) return;
  task.unsavedLetters = [...task.unsavedLetters, ...deadLetters];
}

function takePosition(task: Task, job: SendJob, result: SendResult, origin: SliceOrigin): void {
  const { counts, position } = result;
  task.position = position;
  // State counted under older settings ended with them.
  if (origin.version === task.version) task.filterState = result.filterState;
  task.passedRecords += counts.passedRecords;
  task.passedBytes += counts.passedBytes;
  task.removedAtSource += counts.removedAtSource;
  task.droppedRecords += counts.droppedRecords;
  const attempted = Math.max(result.attemptedSequence, job.resendSequence);
  task.resendSequence = Math.max(task.resendSequence, attempted);
}

/** @param nowMs wall clock. */
export function takeCounts(task: Task, result: SendResult, nowMs: number): void {
  const { counts, failure } = result;
  task.totals.busyMs += performance.now() - task.sliceStartMs;
  countTraffic(task, counts, nowMs);
  if (isAnswered(counts, failure)) task.lastContactMs = nowMs;
  if (counts.records > 0) task.rechecks = 0;
  task.isTargetAvailable = result.isTargetAvailable;
  task.target = result.target;
}

/** What was sent and what failed, of the log or beside it. @param nowMs wall clock. */
export function countTraffic(task: Task, counts: SliceCounts, nowMs: number): void {
  const { totals, diagnostics } = task;
  totals.sentRecords += counts.records;
  totals.sentBytes += counts.bytes;
  totals.batches += counts.batches;
  totals.duplicates += counts.duplicates;
  if (counts.records > 0) diagnostics.countOk(counts.records);
  task.rate.add(performance.now(), counts.records, counts.bytes);
  for (const { key, count, message } of counts.errors) {
    diagnostics.countError(key, message, count);
    totals.failuresByKey.set(key, (totals.failuresByKey.get(key) ?? 0) + count);
    task.fail(key, message, nowMs);
  }
  if (counts.batches > 0) {
    task.lastContactMs = nowMs;
    task.lastSuccessMs = nowMs;
  }
  totals.conditionErrors += counts.conditionErrors?.records ?? 0;
  totals.looped += counts.looped;
  totals.plainBytes += counts.plainBytes;
  totals.compressedBytes += counts.compressedBytes;
}

function isAnswered({ batches }: SliceCounts, failure: SendResult['failure']): boolean {
  return batches > 0 || (failure !== null && failure.key > 0);
}

/** The worker or the pool is gone: nothing is known of what was sent. */
export function failedResult(job: SendJob, error: unknown, head: number): SendResult {
  const message = error instanceof Error ? error.message : String(error);
  return {
    kind: 'send',
    position: job.position,
    filterState: job.filterState,
    isCaughtUp: false,
    attemptedSequence: head,
    isTargetAvailable: false,
    target: job.target,
    counts: {
      records: 0,
      bytes: 0,
      batches: 0,
      duplicates: 0,
      looped: 0,
      plainBytes: 0,
      compressedBytes: 0,
      removedAtSource: 0,
      errors: [],
      passedRecords: 0,
      passedBytes: 0,
      droppedRecords: 0,
      seenRecords: 0,
      seenBytes: 0,
      // Perhaps all of it went over the link.
      wireBytes: job.budget?.allowanceBytes ?? 0,
      conditionErrors: null,
    },
    deadLetters: [],
    failure: { kind: 'bug', key: -1, message, retryAfterMs: null },
    needsEntriesAfter: null,
    busyUntilMs: job.budget?.busyUntilMs ?? 0,
  };
}
