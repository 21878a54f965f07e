/**
 * Everything that crosses between the main thread and replication workers. Plain data, cloned; only `line` is shared.
 * Nothing is transferred, payloads never cross.
 */
import type { Position } from '../catalog/positions.ts';
import type { SliceBudget } from './budget/pacer.ts';
import type { FailureKind } from './backoff.ts';
import type { CompareCounts, Difference } from './compare/types.ts';
import type { FilterState } from './filter-state.ts';
import type { PreviewRequest } from './probe/preview.ts';
import type { Finding, TargetTrial } from './probe/types.ts';
import type { ConditionErrors } from './scan/condition-filter.ts';
import type { RangeKind, RangeScope } from './ranges/range.ts';
import type { LetterOutcome } from './letters/letter.ts';
import type { ReplicationSettings } from './settings.ts';
import type { TargetInfo } from './transfer/target-info.ts';
import type { DeadLetter } from './types.ts';

/** Names of entries that a thread does not know yet. */
export interface EntryNames {
  readonly names: readonly (readonly [number, string])[];
  /** Ids up to this one that are not in `names`, and never were, belong to removed entries. */
  readonly knownUpTo: number;
}

/** What of a task a worker needs. */
export interface TaskSpec {
  readonly id: number;
  /** Changes with the settings. */
  readonly version: number;
  readonly settings: ReplicationSettings;
  /** The filters among the settings are former ones, for what lies before this sequence; `null`: they are those of now. */
  readonly filtersUntil: number | null;
}

interface ScanJob {
  readonly task: TaskSpec;
  readonly bucketId: number;
  readonly position: Position;
  /** The scan does not go beyond this sequence; `null`: up to the head. */
  readonly stopSequence: number | null;
  readonly filterState: FilterState | null;
  readonly entries: EntryNames | null;
  /** Changes when entries are renamed: what a thread knows of names under another number is void. */
  readonly namesEpoch: number;
}

/** What is special about sending a range behind the live cursor. */
export interface RangeScan {
  readonly kind: RangeKind;
  readonly scope: RangeScope;
  /** A window takes at most about so many records: what is begun is finished when live records come. */
  readonly windowRecords: number;
}

/** Go on from a position: scan, send, wait for answers. */
export interface SendJob extends ScanJob {
  readonly kind: 'send';
  readonly line: SharedArrayBuffer;
  /** False: ask for the bucket first, and create it if it is missing (replication §5.3). */
  readonly isTargetAvailable: boolean;
  /** What the target told when it was asked last; `null`: it was not, or the thread of that time is gone. */
  readonly target: TargetInfo | null;
  /** Try a mere connect first: the target was unreachable. */
  readonly probeFirst: boolean;
  /** Records below this sequence may have been sent before: changes of their labels follow in the log. */
  readonly resendSequence: number;
  /** Set for a range; `null`: the live cursor. */
  readonly range: RangeScan | null;
  /** Something else of the task waits: the slice ends when it has caught up, without waiting for more. */
  readonly isAwaited: boolean;
  /** `null`: the link is not limited. */
  readonly budget: SliceBudget | null;
  /** So many matching records from the position on are given up: more are pending than may be. */
  readonly dropRecords: number;
}

/** Look into the index for where a range begins and ends and how much it is. */
export interface PlanJob {
  readonly kind: 'plan';
  readonly task: TaskSpec;
  readonly bucketId: number;
  readonly scope: RangeScope;
  /** All entries of the bucket. */
  readonly entries: EntryNames;
  /** Blocks from this sequence on do not belong to it. */
  readonly endSequence: number;
}

/** Scan without sending, for the pending count. */
export interface CountJob extends ScanJob {
  readonly kind: 'count';
  readonly budgetMs: number;
  /** Tell what there is of each entry from this sequence on, too; `null`: not. */
  readonly byEntryFrom: number | null;
}

/** Ask for the bucket, nothing else: the probe of a paused task (replication §3). */
export interface CheckJob {
  readonly kind: 'check';
  readonly task: TaskSpec;
}

/** Try a target as a task would meet it. */
export interface TryJob {
  readonly kind: 'try';
  readonly trial: TargetTrial;
}

/** Run filters over the last records of a bucket. */
export interface PreviewJob {
  readonly kind: 'preview';
  readonly preview: PreviewRequest;
}

/** Jobs for people, of no task. */
export type TrialJob = TryJob | PreviewJob;

/** Where a record lies. */
export interface RecordPlace {
  readonly entryId: number;
  readonly ts: bigint;
}

/** A dead letter on its way. */
export interface LetterPlace extends RecordPlace {
  readonly id: number;
  /** As it is called now. */
  readonly entryName: string;
  readonly kind: 'write' | 'update';
}

/** Send records again that the target refused. */
export interface ResendJob {
  readonly kind: 'resend';
  readonly task: TaskSpec;
  /** Of the records; `null` while it is not known. */
  readonly bucketId: number | null;
  readonly line: SharedArrayBuffer;
  readonly letters: readonly LetterPlace[];
  /** No batch is begun once so many bytes went over the link; `null`: no limit. */
  readonly allowanceBytes: number | null;
}

/** Compare a piece of one entry with the target, and send what is missing. */
export interface CompareJob {
  readonly kind: 'compare';
  readonly task: TaskSpec;
  /** Source of the records; `null`: it is missing. */
  readonly bucketId: number | null;
  readonly line: SharedArrayBuffer;
  /** As it is called now. */
  readonly entry: { readonly id: number; readonly name: string };
  /** µs: [from, stop). */
  readonly fromTs: bigint;
  readonly stopTs: bigint;
  /** Read the contents of both sides, too. */
  readonly hashes: boolean;
  readonly repair: boolean;
  /** It ends about this time later, wherever it is. */
  readonly budgetMs: number;
  /** Differences told one by one; all are counted. */
  readonly maxDifferences: number;
}

/** Which records are still there? */
export interface InspectJob {
  readonly kind: 'inspect';
  readonly places: readonly RecordPlace[];
}

export type ReplicationJob =
  | SendJob
  | CountJob
  | CheckJob
  | PlanJob
  | TrialJob
  | ResendJob
  | InspectJob
  | CompareJob;

/**
 * Why a slice could not go on. Besides the kinds of `backOff`: `auth` waits for `retryAfterMs` or new settings,
 * `recheck` goes back to asking for the bucket (at once, the first time in a row), `stopped` was asked for, `bug` is
 * ours.
 */
export interface SliceFailure {
  readonly kind: FailureKind | 'auth' | 'recheck' | 'stopped' | 'bug';
  /** Key of the hourly diagnostics. */
  readonly key: number;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

export interface ErrorCount {
  readonly key: number;
  readonly count: number;
  readonly message: string;
}

export interface SliceCounts {
  /** Records that the target has now, duplicates included. */
  readonly records: number;
  readonly bytes: number;
  /** Requests that were answered with success. */
  readonly batches: number;
  readonly duplicates: number;
  /** Records that came from the target, and are not sent back. */
  readonly looped: number;
  /** Content bytes of requests that went out compressed, before and after. */
  readonly plainBytes: number;
  readonly compressedBytes: number;
  /** Records of the bucket that were gone from the log. */
  readonly removedAtSource: number;
  readonly errors: readonly ErrorCount[];
  /** Matching records (and their bytes) between the old and the new position. */
  readonly passedRecords: number;
  readonly passedBytes: number;
  /** Those of them that were given up, see `SendJob.dropRecords`. */
  readonly droppedRecords: number;
  /** Records of the range's scope there, whether they match or not; 0 for the live cursor. */
  readonly seenRecords: number;
  readonly seenBytes: number;
  /** What went over the link of a task with a budget, in both directions. */
  readonly wireBytes: number;
  /** Records that the condition could not be evaluated for, which left them out; `null`: none. */
  readonly conditionErrors: ConditionErrors | null;
}

export interface SendResult {
  readonly kind: 'send';
  /** First position with anything not answered. */
  readonly position: Position;
  readonly filterState: FilterState | null;
  /** Nothing was left up to the head (or `stopSequence`) when the slice ended. */
  readonly isCaughtUp: boolean;
  /** Nothing at or above this sequence has ever been sent by this slice. */
  readonly attemptedSequence: number;
  readonly isTargetAvailable: boolean;
  /** What the target told when it was asked last; `null`: it never answered. */
  readonly target: TargetInfo | null;
  readonly counts: SliceCounts;
  readonly deadLetters: readonly DeadLetter[];
  readonly failure: SliceFailure | null;
  /** Names of entries with ids above this one are needed to go on. */
  readonly needsEntriesAfter: number | null;
  /** Until when (wall clock, ms) what was sent uses up the rate of the budget; 0 without one. */
  readonly busyUntilMs: number;
}

export interface CountResult {
  readonly kind: 'count';
  readonly position: Position;
  readonly filterState: FilterState | null;
  readonly records: number;
  readonly bytes: number;
  /** Set where it was asked for. */
  readonly entries: EntryCounts | null;
  readonly needsEntriesAfter: number | null;
}

/** Records of one entry that pass, and the block of the first of them. */
export interface EntryCount {
  readonly name: string;
  readonly records: number;
  readonly bytes: number;
  readonly sequence: number;
}

/** Some entries one by one, all others in one sum. */
export interface EntryCounts {
  readonly told: readonly EntryCount[];
  readonly otherEntries: number;
  readonly otherRecords: number;
  readonly otherBytes: number;
}

export interface CheckResult {
  readonly kind: 'check';
  readonly failure: SliceFailure | null;
}

/** Sequences [from, to) hold everything; `records` and `bytes` are before label filters. `from` is `to` when there is none. */
export interface PlanResult {
  readonly kind: 'plan';
  readonly fromSequence: number;
  readonly toSequence: number;
  readonly records: number;
  readonly bytes: number;
}

export interface TryResult {
  readonly kind: 'try';
  readonly findings: readonly Finding[];
}

export interface PreviewResult {
  readonly kind: 'preview';
  /** Body of the answer. */
  readonly json: string;
}

/** Letters that are not named stay as they are. */
export interface ResendResult {
  readonly kind: 'resend';
  readonly outcomes: readonly LetterOutcome[];
  readonly counts: SliceCounts;
  /** Why the rest was not sent. */
  readonly failure: SliceFailure | null;
}

export interface CompareResult {
  readonly kind: 'compare';
  /** Everything before is looked at; `null`: all of the entry. */
  readonly nextTs: bigint | null;
  readonly counts: CompareCounts;
  readonly differences: readonly Difference[];
  /** What repairing sent. */
  readonly traffic: SliceCounts;
  /** Why it ended before its time. */
  readonly failure: SliceFailure | null;
}

export interface InspectResult {
  readonly kind: 'inspect';
  /** In the order of the places. */
  readonly isThere: readonly boolean[];
}

export type ReplicationResult =
  | SendResult
  | CountResult
  | CheckResult
  | PlanResult
  | TryResult
  | PreviewResult
  | ResendResult
  | InspectResult
  | CompareResult;

/** Runs jobs, in worker threads or (in tests) in this one. */
export interface ReplicationPool {
  /** Rejects only when the worker or the pool is gone. */
  run(job: ReplicationJob): Promise<ReplicationResult>;
  close(): Promise<void>;
}
