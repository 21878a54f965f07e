/** Seams of replication: what the front asks of it, and what it asks of store and catalogue. Main thread only. */
import type { Position } from '../catalog/positions.ts';
import type { RowChange } from '../store/row-change.ts';
import type { DayUse } from './budget/budget-plan.ts';
import type { FilterState } from './filter-state.ts';
import type { RangeChange } from './ranges/range-list.ts';
import type { StoredRange } from './ranges/range.ts';
import type { Comparisons } from './compare/compare-service.ts';
import type { DeadLetters } from './letters/letter-service.ts';
import type { LetterStore } from './letters/letter-store.ts';
import type { PastFilters } from './past-filters.ts';
import type { ReplicationSettings, TokenSettings } from './settings.ts';
import type { LossCounts } from './source-losses.ts';

/**
 * Management of replication tasks as the front uses it (replication §1).
 *
 * Bodies are JSON texts in both directions: settings hold a `when` that must come back as it was sent, with member
 * order and integers beyond 2^53 kept, so nothing between socket and service parses them.
 */
export interface ReplicationService {
  readonly deadLetters: DeadLetters;
  readonly comparisons: Comparisons;

  /**
   * Answer of `GET /replications`, sorted by name. Waits up to about a second for exact pending counts of tasks that
   * do not send at the moment; otherwise it resolves at once.
   * @param isExtended adds the member `extended` (`?ext=1`).
   */
  list(isExtended: boolean): Promise<string>;

  /** Answer of `GET /replications/{name}`; waits like `list`. Rejects with ApiError 404. */
  detail(name: string, isExtended: boolean): Promise<string>;

  /**
   * Resolves when the task is durable and takes effect for every later write.
   * @throws ApiError 422 `Invalid JSON: …`, then the checks of replication §1.4 in their order.
   */
  create(name: string, bodyText: string): Promise<void>;

  /** Whole replacement with the exceptions of replication §1.6. @throws ApiError 404, 409, 422. */
  update(name: string, bodyText: string): Promise<void>;

  /** Body `{"mode": …}`. @throws ApiError 404, 422. */
  setMode(name: string, bodyText: string): Promise<void>;

  /**
   * Tries a target (docs/http-extensions.md). Body: settings as for create; empty: those of the task.
   * @throws ApiError 404, 422, 429.
   */
  check(name: string, bodyText: string): Promise<string>;

  /** Runs filters over the last records. Body: settings and `records`. @throws ApiError 404, 422, 429. */
  preview(name: string, bodyText: string): Promise<string>;

  /** Resolves when the task will never send again. @throws ApiError 404, 409. */
  remove(name: string): Promise<void>;

  /** Renames a bucket, and in the same commit the source of the tasks that read it. Rejects as `commit` does. */
  withRenamedSource(
    bucketName: string,
    newName: string,
    commit: (rows: readonly RowChange[]) => Promise<void>,
  ): Promise<void>;

  /** After entries of a bucket got other names: what is not sent yet goes out under them. */
  entriesRenamed(bucketName: string): void;

  readonly backfills: BackfillManagement;
}

/** Management of the back-fills of a task (docs/http-extensions.md); bodies and answers are JSON texts. */
export interface BackfillManagement {
  /** @throws ApiError 404. */
  list(taskName: string): string;
  /** @throws ApiError 404. */
  detail(taskName: string, id: string): string;
  /** Resolves when it is durable. @throws ApiError 404, 409, 422. */
  create(taskName: string, bodyText: string): Promise<string>;
  /** Body `{"state": "running" | "paused"}`. @throws ApiError 404, 409, 422. */
  setState(taskName: string, id: string, bodyText: string): Promise<string>;
  /** @throws ApiError 404, 409. */
  cancel(taskName: string, id: string): Promise<string>;
}

/** A task as it lies in the store. */
export interface StoredTask {
  /** Never reused, also not after a removal. */
  readonly id: number;
  readonly name: string;
  readonly settings: ReplicationSettings;
}

/** Part of the log that is not for a task, because it was disabled then: [from, resume). */
export interface LogGap {
  readonly from: Position;
  /** Where the task goes on; `null` while it is still disabled. */
  readonly resume: Position | null;
}

/** How far a task is. "Everything before `position` has been answered for." */
export interface TaskCursor {
  readonly position: Position;
  /** The bucket that `position.bucketOrdinal` counts; `null` while the source bucket has never been seen. */
  readonly bucketId: number | null;
  /** Ascending; all of them behind `position`. */
  readonly gaps: readonly LogGap[];
  /** Filters of former settings, for what was written under them and lies behind `position`; ascending. */
  readonly pastFilters: readonly PastFilters[];
  /** Counters of stateful filters, as they are at `position`; `null` at the start and for stateless filters. */
  readonly filterState: FilterState | null;
  /** Records of the bucket that were removed before the task had seen them. */
  readonly removedAtSource: number;
  /** Why, as far as that is known; absent: it is not. */
  readonly removedByCause?: LossCounts;
  /** Records given up because more were pending than `RS_REPLICATION_LOG_SIZE`. */
  readonly droppedRecords: number;
}

/** A record that the target refused for good, on its own; kept until a human decides. */
export interface DeadLetter {
  /** Entry ids are never used again. */
  readonly entryId: number;
  /** Its name when the record was refused. */
  readonly entryName: string;
  readonly ts: bigint;
  /** What was refused: the record, or new labels for it. */
  readonly kind: 'write' | 'update';
  /** `conflict`: the target has another record of that timestamp. */
  readonly reason: 'refused' | 'conflict';
  /** The target's status, or 422 when the record cannot be expressed in HTTP headers. */
  readonly status: number;
  readonly message: string;
  /** Content of the record; 0 for labels. */
  readonly lengthBytes: number;
  /** The last time, in milliseconds since the Unix epoch. */
  readonly refusedAtMs: number;
  /** Times that it was sent on its own and refused. */
  readonly attempts: number;
  /** It is to be sent again; absent: it is not. */
  readonly isQueued?: boolean;
}

/** A cursor, and what has to be stored when it is: never one without the other. */
export interface TaskProgress {
  readonly cursor: TaskCursor;
  /** New ones, of records before the cursor. */
  readonly deadLetters: readonly DeadLetter[];
  /** Those that changed. */
  readonly ranges: readonly RangeChange[];
}

export interface LoadedTask {
  readonly task: StoredTask;
  readonly cursor: TaskCursor;
  /** Ascending by id. */
  readonly ranges: readonly StoredRange[];
  /** What of its link budget was used when it was stored last. */
  readonly budgetUse: DayUse | null;
  /** The token lies in the store in a form that has to go: save the task again. */
  readonly isStale: boolean;
}

/** Where tasks are kept; every write is part of a commit group. Encode rows with `task-codec.ts`. */
export interface TaskStore {
  readonly letters: LetterStore;
  /** All tasks with their cursors; called once, at the start. */
  load(): readonly LoadedTask[];
  /** A task id that was never used; durable at the latest with the `save` that uses it. */
  allocateId(): number;
  /** Settings and progress in one atomic write; resolves when it is durable. Through `TaskWriter`, once the task runs. */
  save(task: StoredTask, progress: TaskProgress): Promise<void>;
  /** The rows of a task's settings, for a commit of somebody else. @throws UnavailableError like `save`. */
  rowsOf(task: StoredTask): readonly RowChange[];
  /** The task's token for another target: locked, unless it was given for that. @throws UnavailableError like `save`. */
  tokenForHost(task: StoredTask, dstHost: string): TokenSettings;
  /**
   * In one atomic write of the next commit group. May reject (disk full): the caller keeps letters and ranges and writes them
   * with a later cursor. Through `TaskWriter`.
   */
  saveProgress(taskId: number, progress: TaskProgress): Promise<void>;
  /** What a task has used of its link budget; resolves when it is durable. May reject (disk full). */
  saveBudgetUse(taskId: number, use: DayUse): Promise<void>;
  /** Removes task, cursor, dead letters and ranges; resolves when that is durable. */
  remove(taskId: number): Promise<void>;
}

/** The source side as the scheduler sees it. All of it returns at once. */
export interface ReplicationSource {
  /** Undefined while there is no such bucket, or while it is being deleted. */
  bucket(name: string): { readonly id: number; readonly recordsWritten: number } | undefined;
  /** Names of durable entries of a bucket with an id above `afterId`. O(entries of the bucket). */
  entryNames(bucketId: number, afterId: number): readonly (readonly [number, string])[];
  /** A durable entry by its id: of whatever bucket, as it is called now; undefined when it was removed. */
  entry(entryId: number): { readonly id: number; readonly name: string } | undefined;
  /** The durable entry of this name. */
  findEntry(bucketName: string, entryName: string): { readonly id: number } | undefined;
  /** The highest entry id given out so far, over all buckets. */
  highestEntryId(): number;
  /** Sequence that the next block will get. */
  headSequence(): number;
}
