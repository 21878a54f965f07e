/** One task as the main thread has it. Only the scheduler changes its progress. */
import type { Position } from '../catalog/positions.ts';
import { type BackoffState, NO_BACKOFF } from './backoff.ts';
import { HourlyDiagnostics } from './diagnostics.ts';
import type { DayUse } from './budget/budget-plan.ts';
import { TaskBudget } from './budget/task-budget.ts';
import { MinuteRate } from './lag/minute-rate.ts';
import { TaskPace } from './lag/task-pace.ts';
import type { FilterState } from './filter-state.ts';
import type { EntryNames, TaskSpec } from './messages.ts';
import { skipGaps } from './log-ranges.ts';
import { type PastFilters, pastFiltersAt } from './past-filters.ts';
import { TaskRanges } from './ranges/range-list.ts';
import type { StoredRange } from './ranges/range.ts';
import type { ReplicationSettings } from './settings.ts';
import { SourceLosses } from './source-losses.ts';
import { TaskLine } from './task-line.ts';
import type { TargetInfo } from './transfer/target-info.ts';
import type { DeadLetter, LogGap, StoredTask, TaskCursor } from './types.ts';

/** Counted since the start of the process or the last change of settings. */
export interface TaskTotals {
  sentRecords: number;
  sentBytes: number;
  /** Time of its slices together. */
  busyMs: number;
  batches: number;
  duplicates: number;
  /** Records that came from the target, and were not sent back. */
  looped: number;
  /** Records that the condition could not be evaluated for, and that were left out for it. */
  conditionErrors: number;
  /** Content bytes of requests that went out compressed, before and after. */
  plainBytes: number;
  compressedBytes: number;
  /** Attempts after a failure. */
  retries: number;
  readonly failuresByKey: Map<number, number>;
}

/** How far the pending count has looked. */
export interface CountState {
  readonly version: number;
  readonly epoch: number;
  readonly position: Position;
  readonly filterState: FilterState | null;
  /** Matching records and bytes up to `position`, counted like `Task.passedRecords`. */
  readonly records: number;
  readonly bytes: number;
}

export interface TaskError {
  readonly key: number;
  readonly message: string;
  readonly atMs: number;
}

export class Task {
  readonly id: number;
  readonly name: string;
  settings: ReplicationSettings;
  /** Changes with the settings. */
  version = 1;
  /** Changes when the position jumps to another part of the log. */
  epoch = 1;
  isProvisioned = false;
  isRemoved = false;
  /** Nothing may begin: a change is on its way. */
  isHeld = false;
  /** The task cannot run, whatever its mode; the reason. */
  loadError: string | null = null;

  position: Position;
  bucketId: number | null;
  gaps: readonly LogGap[];
  pastFilters: readonly PastFilters[];
  filterState: FilterState | null;
  removedAtSource: number;
  /** Why those were removed. */
  losses: SourceLosses;
  droppedRecords: number;
  /** Position of the last cursor given to the store. */
  savedSequence: number;
  savedIndex: number;
  /** Matching records and bytes before `position`, since `epoch` began. */
  passedRecords = 0;
  passedBytes = 0;
  /** Records below this sequence may have been sent before. */
  resendSequence: number;
  unsavedLetters: readonly DeadLetter[] = [];
  count: CountState | null = null;

  /** What is sent behind the live cursor. */
  readonly ranges: TaskRanges;

  readonly line: TaskLine = new TaskLine();
  /** The line of the slice that sends a range; like `line`, never both at once. */
  readonly rangeLine: TaskLine = new TaskLine();
  running: Promise<void> | null = null;
  /** When the running slice began, `performance.now()`. */
  sliceStartMs = 0;
  timer: NodeJS.Timeout | undefined;
  entries: EntryNames | null = null;

  /** The flag behind `is_active` (replication §1.3). */
  isAvailable: boolean;
  isTargetAvailable = false;
  readonly budget: TaskBudget;
  /** What the target took in the last minute. */
  readonly rate: MinuteRate = new MinuteRate(performance.now());
  readonly pace: TaskPace = new TaskPace();
  /** What the target told when it was asked last; `null`: it never answered. */
  target: TargetInfo | null = null;
  /** Why bodies do not go out compressed as the settings ask; `null`: they do. */
  compressionNote: string | null = null;
  isSourceMissing = false;
  backoff: BackoffState = NO_BACKOFF;
  /** Times in a row that the target sent the task back to asking for the bucket. */
  rechecks = 0;
  /** Failed connects in a row. */
  unreachable = 0;
  lastContactMs: number | null = null;
  lastSuccessMs: number | null = null;
  lastError: TaskError | null = null;
  diagnostics: HourlyDiagnostics;
  totals: TaskTotals = newTotals();

  /**
   * @param nowMs wall clock, for diagnostics.
   * @param resendSequences so far behind its place each range may have been sent by a former process.
   */
  constructor(
    { id, name, settings }: StoredTask,
    cursor: TaskCursor,
    nowMs: () => number,
    ranges: readonly StoredRange[] = [],
    resendSequences = 0,
    budgetUse: DayUse | null = null,
  ) {
    this.budget = new TaskBudget(budgetUse);
    this.ranges = new TaskRanges(ranges, resendSequences);
    this.id = id;
    this.name = name;
    this.settings = settings;
    this.isAvailable = settings.mode === 'enabled';
    this.diagnostics = new HourlyDiagnostics(nowMs);
    this.position = cursor.position;
    this.bucketId = cursor.bucketId;
    this.gaps = cursor.gaps;
    this.pastFilters = cursor.pastFilters;
    this.filterState = cursor.filterState;
    this.removedAtSource = cursor.removedAtSource;
    this.losses = new SourceLosses(cursor.removedAtSource, cursor.removedByCause);
    this.droppedRecords = cursor.droppedRecords;
    this.savedSequence = cursor.position.sequence;
    this.savedIndex = cursor.position.index ?? 0;
    this.resendSequence = cursor.position.sequence;
  }

  get mode(): ReplicationSettings['mode'] {
    return this.settings.mode;
  }

  get isActive(): boolean {
    const canRun = this.loadError === null && !this.isSourceMissing;
    return this.mode !== 'disabled' && this.isAvailable && canRun;
  }

  /** With the filters of now. */
  get spec(): TaskSpec {
    const { id, version, settings } = this;
    return { id, version, settings, filtersUntil: null };
  }

  /** With the filters for what lies at a sequence of the log. */
  specAt(sequence: number): TaskSpec {
    const { id, version, settings } = this;
    const past = pastFiltersAt(this.pastFilters, sequence);
    if (past === undefined) return this.spec;
    return { id, version, settings: { ...settings, ...past.filters }, filtersUntil: past.until };
  }

  /** Puts the position behind gaps that it has come to, and forgets filters that nothing waits for any more. */
  settlePlace(): void {
    const { position, gaps } = skipGaps(this);
    this.position = position;
    this.gaps = gaps;
    const past = this.pastFilters.filter(({ until }) => until > position.sequence);
    if (past.length === this.pastFilters.length) return;
    this.pastFilters = past;
    // The next filters begin to count here.
    this.filterState = null;
  }

  get cursor(): TaskCursor {
    const { position, bucketId, gaps, pastFilters, filterState } = this;
    const { removedAtSource, droppedRecords } = this;
    const removedByCause = this.losses.byCause(removedAtSource);
    const counts = { removedAtSource, removedByCause, droppedRecords };
    return { position, bucketId, gaps, pastFilters, filterState, ...counts };
  }

  /**
   * Takes new settings: everything learnt under the old ones is void, the position stays.
   * @param pastFilters for what waits; counters of the first of them go on, others begin anew.
   */
  changeSettings(
    settings: ReplicationSettings,
    nowMs: () => number,
    pastFilters: readonly PastFilters[] = [],
  ): void {
    this.settings = settings;
    this.version++;
    this.loadError = null;
    this.pastFilters = pastFilters;
    if (pastFilters.length === 0) this.filterState = null;
    this.ranges.forgetFilterStates();
    this.isAvailable = settings.mode === 'enabled';
    this.diagnostics = new HourlyDiagnostics(nowMs);
    this.totals = newTotals();
    this.lastError = null;
    this.compressionNote = null;
    this.resetContact();
  }

  /** Puts the task to another place of the log. */
  moveTo(cursor: TaskCursor): void {
    this.epoch++;
    this.position = cursor.position;
    this.bucketId = cursor.bucketId;
    this.gaps = cursor.gaps;
    this.pastFilters = cursor.pastFilters;
    this.filterState = cursor.filterState;
    if (cursor.removedAtSource !== this.removedAtSource) {
      this.losses = new SourceLosses(cursor.removedAtSource, cursor.removedByCause);
    }
    this.removedAtSource = cursor.removedAtSource;
    this.droppedRecords = cursor.droppedRecords;
    this.passedRecords = 0;
    this.passedBytes = 0;
    this.resendSequence = cursor.position.sequence;
    this.count = null;
  }

  /** The live cursor jumps forward within its bucket; what it leaves behind is in the ranges. */
  moveLive(position: Position): void {
    this.moveTo({ ...this.cursor, position, gaps: [], pastFilters: [] });
  }

  /** The running slice, if any, ends now and gives up its requests. */
  stopSlice(): void {
    this.line.stop();
    this.rangeLine.stop();
  }

  resetContact(): void {
    this.isTargetAvailable = false;
    this.target = null;
    this.rechecks = 0;
    this.resetBackoff();
  }

  resetBackoff(): void {
    this.backoff = NO_BACKOFF;
    this.unreachable = 0;
  }

  fail(key: number, message: string, atMs: number): void {
    this.lastError = { key, message, atMs };
  }
}

function newTotals(): TaskTotals {
  return {
    sentRecords: 0,
    sentBytes: 0,
    busyMs: 0,
    batches: 0,
    duplicates: 0,
    looped: 0,
    conditionErrors: 0,
    plainBytes: 0,
    compressedBytes: 0,
    retries: 0,
    failuresByKey: new Map(),
  };
}
