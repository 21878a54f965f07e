/**
 * Runs the slices of tasks to their end, one a task at a time, and draws the conclusions: what the store has to know, when
 * the task goes on. Main thread only.
 */
import { crashPoint } from '../crash/crash-points.ts';
import type { Position } from '../catalog/positions.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import { noteCompression } from './compression-note.ts';
import type { LetterRetry } from './letters/letter-retry.ts';
import type {
  ReplicationPool,
  SendJob,
  SendResult,
  SliceCounts,
  SliceFailure,
} from './messages.ts';
import type { PendingLimit } from './pending-limit.ts';
import type { TaskRange } from './ranges/range.ts';
import { takeRangeResult } from './ranges/range-turns.ts';
import { isAnswer, planRetry } from './retry-policy.ts';
import { newSendJob, runSlice } from './slice-job.ts';
import { takeCounts, takeLetters, takeResult } from './slice-report.ts';
import type { Task } from './task.ts';
import type { TaskWaits } from './task-waits.ts';
import type { TaskWriter } from './task-writer.ts';
import type { ReplicationSource } from './types.ts';

/** So long a task waits when something of it could not be stored. */
export const UNSAVED_WAIT_MS = 1_000;

const LOG_INTERVAL_MS = 30_000;

export interface SliceRunsOptions {
  readonly pool: ReplicationPool;
  readonly source: Pick<ReplicationSource, 'entryNames' | 'highestEntryId'>;
  readonly writer: TaskWriter;
  readonly logger: Logger;
  readonly waits: TaskWaits;
  readonly letters: LetterRetry;
  readonly limit: PendingLimit;
  /** Monotonic clock in ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Longest wait for a target that cannot be connected to. */
  readonly maxUnreachableMs: number;
  /** Number of the names of entries. */
  readonly namesEpoch: () => number;
  /** Sequence that the next block will get. */
  readonly head: () => number;
  /** End of the records of the task's bucket. */
  readonly bucketEnd: (task: Task) => Position;
  /** Looks which bucket the task reads now. */
  readonly resolve: (task: Task) => void;
  /** Brings the task to what it should be doing next. */
  readonly next: (task: Task) => void;
}

export class SliceRuns {
  readonly #options: SliceRunsOptions;

  constructor(options: SliceRunsOptions) {
    this.#options = options;
  }

  /** Sends dead letters again. */
  async letters(task: Task): Promise<void> {
    task.line.rearm();
    task.line.clearFigures();
    if (!(await this.#hasGrant(task))) return;
    task.sliceStartMs = performance.now();
    await this.#options.letters.run(task);
    task.budget.release();
    task.running = null;
    if (!task.isRemoved) this.#options.writer.saveBudgetUse(task);
    this.#options.next(task);
  }

  /**
   * What the slice may use of the day is stored as used before it begins.
   * @returns false when that failed: the task waits, and nothing of it runs.
   */
  async #hasGrant(task: Task): Promise<boolean> {
    const { budget } = task.settings;
    if (budget === null || !task.budget.grant(budget, Date.now())) return true;
    if (await this.#options.writer.storeBudgetUse(task)) return true;
    task.budget.release();
    task.running = null;
    this.#options.waits.wait(task, UNSAVED_WAIT_MS);
    return false;
  }

  /** Sends what the live cursor comes to. */
  async live(task: Task, bucketId: number): Promise<void> {
    task.line.rearm();
    task.line.clearFigures();
    if (task.settings.budget !== null && !(await this.#hasGrant(task))) return;
    const { version, epoch } = task;
    const dropRecords = this.#options.limit.excess(task, this.#options.bucketEnd(task));
    const job = newSendJob(task, bucketId, this.#options.namesEpoch(), null, false, dropRecords);
    const result = await runSlice(this.#options.pool, task, job, this.#options.head);
    takeResult(task, job, result, { version, epoch }, Date.now());
    task.line.clearFigures();
    this.#conclude(task, job, result, version);
  }

  /** Sends what lies behind the live cursor. @param isBrief live records wait already. */
  async range(task: Task, range: TaskRange, isBrief: boolean): Promise<void> {
    task.rangeLine.rearm();
    task.rangeLine.clearFigures();
    if (task.settings.budget !== null && !(await this.#hasGrant(task))) return;
    const { version } = task;
    const { nowMs } = this.#options;
    const job = newSendJob(task, range.stored.bucketId, this.#options.namesEpoch(), range, isBrief);
    if (isBrief) task.rangeLine.makeWay();
    range.rate.begin(nowMs(), range.stored.doneRecords, range.stored.doneBytes);
    const result = await runSlice(this.#options.pool, task, job, this.#options.head);
    const isSame = version === task.version;
    if (isSame) takeCounts(task, result, Date.now());
    takeLetters(task, result);
    takeRangeResult(task, range, job, result, isSame, Date.now(), nowMs());
    this.#logEnd(task, range);
    task.rangeLine.clearFigures();
    crashPoint('range-taken');
    this.#conclude(task, job, result, version);
  }

  /** Whoever asked for a back-fill reads in the log, and in `$system`, that it is over. */
  #logEnd({ name }: Task, { stored }: TaskRange): void {
    if (stored.kind !== 'backfill' || stored.state !== 'done') return;
    const { id, doneRecords, sentRecords, duplicates, deadLetters } = stored;
    const fields = { task: name, backfill: id, doneRecords, sentRecords, duplicates, deadLetters };
    this.#options.logger.info(fields, 'a back-fill is done');
  }

  /** @param version of the settings under which the slice ran. */
  #conclude(task: Task, job: SendJob, result: SendResult, version: number): void {
    crashPoint('result-taken');
    if (task.isRemoved) return;
    // Before the cursor is stored: the bucket may be another one by now.
    this.#options.resolve(task);
    this.#options.writer.saveBudgetUse(task);
    this.#options.writer.save(task);
    if (result.needsEntriesAfter !== null) this.#fetchNames(task, job.bucketId, result);
    if (version === task.version) this.#afterSlice(task, job, result);
    this.#options.next(task);
  }

  #fetchNames(task: Task, bucketId: number, { needsEntriesAfter }: SendResult): void {
    const { source } = this.#options;
    const knownUpTo = source.highestEntryId();
    const names = source.entryNames(bucketId, needsEntriesAfter ?? 0);
    task.entries = { names, knownUpTo };
  }

  #afterSlice(task: Task, job: SendJob, { failure, counts, isTargetAvailable }: SendResult): void {
    const wasReached = counts.batches > 0 || (isTargetAvailable && !job.isTargetAvailable);
    if (wasReached || isAnswer(failure)) this.#options.waits.openGate(task);
    if (counts.batches > 0) task.resetBackoff();
    noteCompression(task, this.#options.logger);
    this.#logConditionErrors(task, counts.conditionErrors);
    if (failure === null) {
      this.#showAvailable(task);
      return;
    }
    if (failure.kind === 'stopped') return;
    const { random, maxUnreachableMs } = this.#options;
    const next = planRetry(task, failure, random, maxUnreachableMs);
    if (next.when === 'now') return;
    task.isAvailable = false;
    task.totals.retries++;
    task.fail(failure.key, failure.message, Date.now());
    this.#logFailure(task, failure, next.waitMs);
    if (next.when === 'gate') this.#options.waits.waitAtGate(task, next.waitMs);
    else this.#options.waits.wait(task, next.waitMs);
  }

  #showAvailable(task: Task): void {
    if (task.isAvailable) return;
    task.isAvailable = true;
    rateLimited(this.#options.logger, `task ${task.id}`, LOG_INTERVAL_MS).reset();
    this.#options.logger.info({ task: task.name }, 'the target answers again');
  }

  #logFailure(task: Task, { kind, key, message }: SliceFailure, waitMs: number): void {
    const { logger } = this.#options;
    const fields = { task: task.name, kind, key, waitMs };
    rateLimited(logger, `task ${task.id}`, LOG_INTERVAL_MS).warn(fields, message);
  }

  /** Such records are left out, which is easily mistaken for what the condition was to do (replication §2.5). */
  #logConditionErrors({ id, name }: Task, errors: SliceCounts['conditionErrors']): void {
    if (errors === null) return;
    const limited = rateLimited(this.#options.logger, `condition ${id}`, LOG_INTERVAL_MS);
    const fields = { task: name, records: errors.records, reason: errors.message };
    limited.warn(fields, 'records are not replicated: the condition cannot be evaluated for them');
  }
}
