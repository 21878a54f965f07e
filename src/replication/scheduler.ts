/**
 * Decides when which task sends. Woken by events: a commit, the end of a slice, a timer, a change of settings. Per task
 * there is at most one slice at a time. Main thread only; nothing here takes time in the number of records.
 */
import type { RemovedRows } from '../catalog/removal-causes.ts';
import type { Logger } from '../logging/logger.ts';
import type { Position } from '../catalog/positions.ts';
import { countLosses } from './count-losses.ts';
import { LetterRetry } from './letters/letter-retry.ts';
import { IdleTasks } from './idle-tasks.ts';
import { LogHeads } from './log-heads.ts';
import { openGap, stopOf } from './log-ranges.ts';
import type { ReplicationPool } from './messages.ts';
import type { PendingLimit } from './pending-limit.ts';
import { PausedProbe } from './paused-probe.ts';
import { type FreshFirstLimits, leaveBehind, leavesBehind } from './ranges/fresh-first.ts';
import { RangePlanner } from './ranges/range-planner.ts';
import { nextTurn } from './ranges/range-turns.ts';
import { SliceRuns, UNSAVED_WAIT_MS } from './slice-runs.ts';
import type { Task } from './task.ts';
import { TaskWaits } from './task-waits.ts';
import type { TaskWriter } from './task-writer.ts';
import type { ReplicationSource, TaskStore } from './types.ts';

/** The cursor of an idle task is moved to the head this often, if the head has gone this far. */
const IDLE_SAVE_MS = 10_000;
const IDLE_SAVE_SEQUENCES = 10_000;

/** While so many dead letters could not be stored, the task sends nothing. */
const MAX_UNSAVED_LETTERS = 1_000;

/** Why ranges ended with their bucket. */
const REPLACED_TEXT = 'The source bucket was removed and another one of that name was created';

export interface SchedulerOptions {
  readonly pool: ReplicationPool;
  readonly source: ReplicationSource;
  readonly store: TaskStore;
  readonly writer: TaskWriter;
  readonly logger: Logger;
  /** Monotonic clock in ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly freshFirst: FreshFirstLimits;
  readonly limit: PendingLimit;
  /** Longest wait for a target that cannot be connected to (`RS_REPLICATION_TIMEOUT`). */
  readonly maxUnreachableMs: number;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #tasks: Set<Task> = new Set();
  readonly #idle: IdleTasks = new IdleTasks();
  readonly #heads: LogHeads;
  readonly #waits: TaskWaits = new TaskWaits((task) => this.#wake(task));
  readonly #probe: PausedProbe;
  readonly #writer: TaskWriter;
  readonly #planner: RangePlanner;
  readonly #letters: LetterRetry;
  readonly #runs: SliceRuns;
  readonly #woken: Set<Task> = new Set();
  readonly #idleTimer: NodeJS.Timeout;
  #namesEpoch = 0;
  #isStopping = false;
  #stopped: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    const { source, store, logger, nowMs, pool, random, writer } = options;
    this.#options = options;
    this.#heads = new LogHeads(source.headSequence(), nowMs);
    this.#probe = new PausedProbe(pool, random);
    this.#writer = writer;
    this.#planner = new RangePlanner(pool, source, logger, (task) => {
      this.#writer.save(task);
      this.#wake(task);
    });
    const wake = (task: Task): void => this.#wake(task);
    const { letters } = store;
    this.#letters = new LetterRetry({ pool, source, store: letters, logger, nowMs, random, wake });
    this.#runs = new SliceRuns({
      ...options,
      waits: this.#waits,
      letters: this.#letters,
      namesEpoch: () => this.#namesEpoch,
      head: () => this.#heads.head,
      bucketEnd: (task) => this.bucketEnd(task),
      resolve: (task) => {
        this.#resolve(task);
      },
      next: (task) => this.#evaluate(task),
    });
    this.#idleTimer = setInterval(() => this.#saveIdle(), IDLE_SAVE_MS);
    this.#idleTimer.unref();
  }

  /** Where the log is now, for a task of this bucket: cursors of new tasks begin here. */
  headOf(bucketName: string): { readonly bucketId: number | null; readonly position: Position } {
    const bucket = this.#options.source.bucket(bucketName);
    const sequence = this.#options.source.headSequence();
    const bucketOrdinal = bucket?.recordsWritten ?? 0;
    return { bucketId: bucket?.id ?? null, position: { partition: 0, sequence, bucketOrdinal } };
  }

  /** End of the records of the task's bucket: behind this sequence there is nothing of it. */
  bucketEnd(task: Task): Position {
    const bucket = this.#options.source.bucket(task.settings.srcBucket);
    const sequence = bucket === undefined ? 0 : this.#heads.lastOf(bucket.id);
    return { partition: 0, sequence, bucketOrdinal: bucket?.recordsWritten ?? 0 };
  }

  /**
   * For how long the oldest block that the task has to look at has been there, in ms; 0 when there is none. What the live
   * cursor left behind counts, what a back-fill sends does not.
   */
  lagMs(task: Task): number {
    const backlog = task.ranges.oldestBacklogSequence;
    return backlog === null ? this.#liveLagMs(task) : this.#heads.ageMs(backlog);
  }

  /** For how long the block at this sequence has been there, ms. */
  ageMs(sequence: number): number {
    return this.#heads.ageMs(sequence);
  }

  #liveLagMs(task: Task): number {
    const sequence = Math.max(task.position.sequence, task.line.get('answeredSequence'));
    if (sequence >= this.bucketEnd(task).sequence) return 0;
    return this.#heads.ageMs(sequence);
  }

  /** The commit path after each commit, before writers are told. @param head sequence that the next block will get. */
  onCommitted(head: number, buckets: ReadonlySet<number>): void {
    const before = this.#heads.commit(head, buckets);
    for (const bucketId of buckets) {
      const idle = this.#idle.of(bucketId) ?? this.#adopt(bucketId);
      for (const task of idle) {
        // Nothing of the bucket lies between what the task has seen and this commit.
        if (task.position.sequence < before) {
          task.position = { ...task.position, sequence: before };
        }
        if (task.running !== null) task.rangeLine.makeWay();
        this.#wake(task);
      }
      idle.clear();
    }
  }

  /** Records were removed: what of them a task has not answered for, it will not send. */
  onRemoved(rows: readonly RemovedRows[]): void {
    for (const task of this.#tasks) if (task.mode !== 'disabled') countLosses(task, rows);
  }

  /** Number of the names of entries, for jobs. */
  get namesEpoch(): number {
    return this.#namesEpoch;
  }

  /** Entries of a bucket have new names: what is not sent yet goes out under them, also what was read already. */
  entriesRenamed(bucketId: number): void {
    this.#namesEpoch++;
    for (const task of this.#tasks) {
      if (task.bucketId === bucketId && task.running !== null) task.stopSlice();
    }
  }

  get letters(): LetterRetry {
    return this.#letters;
  }

  /** Looks again what the task should be doing. */
  recheck(task: Task): void {
    this.#wake(task);
  }

  add(task: Task): void {
    this.#tasks.add(task);
    this.#idle.forgetEmpty();
    this.#evaluate(task);
  }

  /** Resolves when the task will never send again. */
  async remove(task: Task): Promise<void> {
    task.isRemoved = true;
    this.#tasks.delete(task);
    this.#interrupt(task);
    await task.running;
    await this.#writer.settled([task]);
  }

  /** Resolves when the task does nothing any more; it stays so until `changed`. */
  async hold(task: Task): Promise<void> {
    task.isHeld = true;
    this.#interrupt(task);
    await task.running;
    await this.#writer.settled([task]);
  }

  /** Settings or mode are new: what the task is doing ends, and it goes on as they say. */
  changed(task: Task): void {
    task.isHeld = false;
    this.#interrupt(task);
    task.resetContact();
    this.#letters.reset(task);
    this.#idle.forgetEmpty();
    this.#evaluate(task);
  }

  /**
   * Starts no further slice, lets running ones come to their end and cuts them off then. Idempotent.
   * @param graceMs for requests in flight.
   */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#idleTimer);
    const cutOff = setTimeout(() => {
      for (const task of this.#tasks) task.stopSlice();
    }, graceMs);
    for (const task of this.#tasks) {
      this.#waits.clear(task);
      this.#probe.stop(task);
    }
    await Promise.all(Array.from(this.#tasks, (task) => task.running ?? Promise.resolve()));
    clearTimeout(cutOff);
    this.#saveIdle();
    await this.#writer.settled(this.#tasks);
  }

  #interrupt(task: Task): void {
    this.#waits.clear(task);
    this.#probe.stop(task);
    this.#idle.delete(task);
    this.#woken.delete(task);
    if (task.running !== null) task.stopSlice();
  }

  #wake(task: Task): void {
    if (this.#woken.size === 0) setImmediate(() => this.#runWoken());
    this.#woken.add(task);
  }

  #runWoken(): void {
    const woken = [...this.#woken];
    this.#woken.clear();
    for (const task of woken) this.#evaluate(task);
  }

  /** A bucket without a known task received records: it may be new, or come back under its name. */
  #adopt(bucketId: number): Set<Task> {
    const idle = this.#idle.begin(bucketId);
    for (const task of this.#tasks) {
      const bucket = this.#options.source.bucket(task.settings.srcBucket);
      if (bucket?.id === bucketId && task.bucketId !== bucketId) this.#wake(task);
    }
    return idle;
  }

  /** Brings the task to what it should be doing now. */
  #evaluate(task: Task): void {
    const isBusy = task.running !== null || task.timer !== undefined || task.isHeld;
    if (isBusy || task.isRemoved || this.#isStopping) return;
    this.#idle.delete(task);
    const bucket = this.#resolve(task);
    if (task.loadError !== null || task.mode === 'disabled' || bucket === undefined) return;
    task.settlePlace();
    const budgetWaitMs = this.#budgetWaitMs(task);
    if (budgetWaitMs > 0) {
      this.#waits.wait(task, budgetWaitMs);
      return;
    }
    if (task.mode === 'paused') {
      // Where bytes count, nobody asks how the target is.
      if (task.settings.budget === null) this.#probe.start(task);
      return;
    }
    if (task.unsavedLetters.length > MAX_UNSAVED_LETTERS) {
      this.#writer.save(task);
      this.#waits.wait(task, UNSAVED_WAIT_MS);
      return;
    }
    this.#planner.start(task);
    const end = this.bucketEnd(task);
    if (leavesBehind(task, end, this.#liveLagMs(task), this.#options.freshFirst)) {
      leaveBehind(task, bucket.id, end, Date.now());
      this.#writer.save(task);
    }
    this.#begin(task, bucket.id);
  }

  /** How long the budget of the task lets nothing go out, ms. */
  #budgetWaitMs(task: Task): number {
    const { budget } = task.settings;
    return budget === null ? 0 : Math.ceil(task.budget.waitMs(budget, Date.now()));
  }

  /** Begins the slice that is next, if there is anything to send. */
  #begin(task: Task, bucketId: number): void {
    const hasLiveWork = this.#hasWork(task, bucketId);
    if (this.#letters.takesTurn(task, hasLiveWork || task.ranges.next() !== undefined)) {
      if (!hasLiveWork) this.#idle.add(task);
      task.running = this.#runs.letters(task);
      return;
    }
    const turn = nextTurn(task, hasLiveWork, this.#liveLagMs(task), this.#options.nowMs());
    // Commits call an idle task, also one that sends a range meanwhile.
    if (!hasLiveWork) this.#idle.add(task);
    if (turn.kind === 'live') task.running = this.#runs.live(task, bucketId);
    else if (turn.kind === 'range') {
      task.running = this.#runs.range(task, turn.range, turn.isBrief);
    }
  }

  #resolve(task: Task): { readonly id: number } | undefined {
    const bucket = this.#options.source.bucket(task.settings.srcBucket);
    task.isSourceMissing = bucket === undefined;
    if (bucket === undefined || bucket.id === task.bucketId) return bucket;
    // Another bucket of that name, with ordinals of its own. A slice for the former one may have passed its first records.
    const sequence = Math.min(task.position.sequence, this.#heads.firstOf(bucket.id));
    const position: Position = { partition: 0, sequence, bucketOrdinal: 0 };
    const gaps = task.mode === 'disabled' ? openGap([], position) : [];
    task.moveTo({ ...task.cursor, bucketId: bucket.id, position, gaps, pastFilters: [] });
    task.ranges.abandon(REPLACED_TEXT, Date.now());
    return bucket;
  }

  #hasWork(task: Task, bucketId: number): boolean {
    const stop = stopOf(task.gaps) ?? Number.POSITIVE_INFINITY;
    return task.position.sequence < Math.min(stop, this.#heads.lastOf(bucketId));
  }

  #saveIdle(): void {
    for (const task of this.#idle.all()) {
      const isFar = this.#heads.head - task.savedSequence > IDLE_SAVE_SEQUENCES;
      if (!isFar && !this.#isStopping) continue;
      // An idle task has seen everything of its bucket up to the head.
      task.position = { ...task.position, sequence: this.#heads.head };
      this.#writer.save(task);
    }
  }
}
