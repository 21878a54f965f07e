/** A back-fill as the API shows it (docs/http-extensions.md). */
import type { Task } from '../task.ts';
import type { TaskRange } from './range.ts';

/** Why nothing of a running back-fill is sent at the moment. */
export type WaitReason =
  | 'task_mode'
  | 'planning'
  | 'source_bucket'
  | 'target'
  | 'live_records'
  | 'other_ranges';

export interface BackfillView {
  readonly task: Task;
  readonly range: TaskRange;
  readonly waitsFor: WaitReason | null;
  /** Monotonic and wall clock, ms. */
  readonly monotonicMs: number;
  readonly nowMs: number;
}

export function backfillJson(view: BackfillView): object {
  const { range, waitsFor, monotonicMs, nowMs } = view;
  const { stored, waitingSinceMs } = range;
  const { scope, doneRecords, doneBytes } = stored;
  // What is in the index is an estimate: records may go, and shares of runs are guessed.
  const isDone = stored.state === 'done';
  const totalRecords = isDone ? doneRecords : Math.max(doneRecords, stored.totalRecords);
  const totalBytes = isDone ? doneBytes : Math.max(doneBytes, stored.totalBytes);
  const isRunning = stored.state === 'running';
  const rate = isRunning ? range.rate.rate(monotonicMs) : { recordsPerS: 0, bytesPerS: 0 };
  const left = totalRecords - doneRecords;
  const hasEstimate = isRunning && stored.isPlanned && rate.recordsPerS > 0;
  return {
    id: stored.id,
    state: stored.state,
    reason: stored.reason,
    waiting_for: waitsFor,
    waiting_seconds:
      waitsFor === 'live_records' && waitingSinceMs !== null
        ? Math.round(monotonicMs - waitingSinceMs) / 1000
        : null,
    start: scope.startUs === null ? null : Number(scope.startUs),
    stop: scope.stopUs === null ? null : Number(scope.stopUs),
    entries: scope.entries,
    progress: {
      done_records: doneRecords,
      total_records: stored.isPlanned ? totalRecords : null,
      done_bytes: doneBytes,
      total_bytes: stored.isPlanned ? totalBytes : null,
    },
    sent_records: stored.sentRecords,
    sent_bytes: stored.sentBytes,
    duplicates: stored.duplicates,
    dead_letters: stored.deadLetters,
    records_per_second: rounded(rate.recordsPerS),
    bytes_per_second: rounded(rate.bytesPerS),
    estimated_end: hasEstimate ? isoTime(nowMs + (left / rate.recordsPerS) * 1000) : null,
    created_at: isoTime(stored.createdAtMs),
    finished_at: isoTime(stored.finishedAtMs),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** `null` also for what lies beyond the calendar. */
function isoTime(ms: number | null): string | null {
  const MAX_DATE_MS = 8.64e15;
  return ms === null || ms > MAX_DATE_MS ? null : new Date(ms).toISOString();
}
