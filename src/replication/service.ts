/** Management of replication tasks (replication §1.3–1.8). Main thread only. */
import type { ProvisionedReplication } from '../config/replication-variables.ts';
import { ApiError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import type { RowChange } from '../store/row-change.ts';
import { CompareService } from './compare/compare-service.ts';
import type { EntryLags } from './lag/entry-lag.ts';
import type { MinuteFigures } from './lag/minute-rate.ts';
import type { LetterFigures } from './letters/letter.ts';
import { LetterService } from './letters/letter-service.ts';
import type { ReplicationPool } from './messages.ts';
import { type PendingCounter, type PendingFigures } from './pending.ts';
import { provisionTask } from './provisioning.ts';
import { BackfillService } from './ranges/backfill-service.ts';
import type { Scheduler } from './scheduler.ts';
import { detailJson, listJson, type TaskView } from './service-json.ts';
import { checkReplicationName, type ServerIdentity } from './settings-checks.ts';
import type { ReplicationSettings } from './settings.ts';
import { Task } from './task.ts';
import { rangesBefore, TaskChanges } from './task-changes.ts';
import { TaskLocks } from './task-locks.ts';
import type { TaskWriter } from './task-writer.ts';
import type { Trials } from './trials.ts';
import type { ReplicationService, ReplicationSource, TaskStore } from './types.ts';

/**
 * After a start, so many blocks behind the stored cursor may have been sent by the former process: cursors are stored after
 * each slice, and a slice does not get further. Labels of such records may be newer here than at the target: their update
 * follows in the log.
 */
const RESEND_SEQUENCES = 65_536;

/** How long an answer waits for exact pending counts. */
const COUNT_LIMIT_MS = 1_000;

export interface ServiceOptions {
  readonly pool: ReplicationPool;
  readonly scheduler: Scheduler;
  readonly pending: PendingCounter;
  readonly entryLags: EntryLags;
  readonly source: ReplicationSource;
  readonly store: TaskStore;
  readonly writer: TaskWriter;
  readonly logger: Logger;
  readonly identity: ServerIdentity;
  readonly trials: Trials;
  /** Why the files with certificates for targets cannot be used as they are; `null`: they can. */
  readonly certificateProblem?: (() => Promise<string | null>) | undefined;
}

/** Figures of one task for metrics; counters count since the task was started or its settings changed. */
export interface TaskFigures {
  readonly task: Task;
  readonly pending: PendingFigures;
  readonly lagMs: number;
  readonly rate: MinuteFigures;
  /** Seconds until the task has caught up; `null`: not foreseeable. */
  readonly catchUpS: number | null;
  /** Including the slice that runs now. */
  readonly sentRecords: number;
  readonly sentBytes: number;
  readonly letters: LetterFigures;
}

export class TaskService implements ReplicationService {
  readonly deadLetters: LetterService;
  readonly comparisons: CompareService;
  readonly backfills: BackfillService;
  readonly #options: ServiceOptions;
  readonly #tasks: Map<string, Task> = new Map();
  readonly #changes: TaskChanges;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { pool, scheduler, store, writer, source, logger, pending } = options;
    const existing = (name: string): Task => this.#existing(name);
    const locks = new TaskLocks();
    this.deadLetters = new LetterService({ pool, scheduler, store: store.letters, existing });
    this.comparisons = new CompareService({
      pool,
      source,
      logger,
      existing,
      pendingRecords: (task) => pending.figures(task).records,
      onBudgetUsed: (task) => writer.saveBudgetUse(task),
      random: Math.random,
    });
    this.backfills = new BackfillService({
      scheduler,
      writer,
      locks,
      existing,
      nowMs: () => performance.now(),
    });
    this.#changes = new TaskChanges({
      tasks: this.#tasks,
      locks,
      scheduler,
      writer,
      store,
      source,
      identity: options.identity,
      comparisons: this.comparisons,
      logger,
      existing,
      certificateProblem: options.certificateProblem,
    });
  }

  /**
   * Starts all stored tasks, and those of the environment. One whose settings cannot be used is loaded and stands still,
   * with its error shown. Resolves when the store has what the environment wants.
   */
  async start(provisioned: readonly ProvisionedReplication[] = []): Promise<void> {
    const { scheduler } = this.#options;
    this.#load();
    const provisioning = provisioned.map((wanted) => this.#provision(wanted));
    for (const task of this.#tasks.values()) {
      this.#changes.stopIfUnusable(task);
      scheduler.add(task);
    }
    await Promise.all(provisioning);
  }

  #load(): void {
    const { store, source } = this.#options;
    for (const { task: stored, cursor, ranges, budgetUse, isStale } of store.load()) {
      const task = new Task(stored, cursor, Date.now, ranges, RESEND_SEQUENCES, budgetUse);
      const { sequence } = cursor.position;
      task.resendSequence = Math.min(source.headSequence(), sequence + RESEND_SEQUENCES);
      this.#tasks.set(task.name, task);
      if (isStale) this.#saveAgain(task);
    }
  }

  #provision(wanted: ProvisionedReplication): Promise<void> {
    const { store, writer, logger } = this.#options;
    const changes = this.#changes;
    const deps = {
      tasks: this.#tasks,
      store,
      writer,
      logger,
      check: (name: string, settings: ReplicationSettings) => {
        if (!this.#tasks.has(name)) checkReplicationName(name);
        changes.check(name, settings);
      },
      cursorAtHead: (settings: ReplicationSettings) => changes.cursorAtHead(settings),
      cursorUnder: (task: Task, settings: ReplicationSettings) =>
        changes.cursorUnder(task, settings),
      rangesBefore,
    };
    return provisionTask(deps, wanted);
  }

  #saveAgain(task: Task): void {
    const { writer, logger } = this.#options;
    const { settings, name } = task;
    writer
      .change(
        task,
        () => ({ settings }),
        () => logger.info({ task: name }, 'the token of a task is encrypted with the present key'),
      )
      .catch((err: unknown) => {
        const text = 'the token of a task could not be encrypted anew; the next start tries again';
        logger.error({ err, task: name }, text);
      });
  }

  async list(isExtended: boolean): Promise<string> {
    const tasks = [...this.#tasks.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    await this.#options.pending.refresh(tasks, COUNT_LIMIT_MS);
    const views = tasks.filter((task) => !task.isRemoved).map((task) => this.#viewOf(task));
    return listJson(views, isExtended);
  }

  async detail(name: string, isExtended: boolean): Promise<string> {
    const task = this.#existing(name);
    const { pending, entryLags } = this.#options;
    const [, entries] = await Promise.all([
      pending.refresh([task], COUNT_LIMIT_MS),
      isExtended ? entryLags.of(task, COUNT_LIMIT_MS) : null,
    ]);
    return detailJson(this.#viewOf(task), isExtended, entries);
  }

  tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  /** Figures of all tasks as they are known now; `refreshFigures` makes the pending ones exact. */
  figures(): readonly TaskFigures[] {
    return [...this.#tasks.values()].map((task) => ({
      ...this.#viewOf(task),
      sentRecords:
        task.totals.sentRecords + task.line.get('sentRecords') + task.rangeLine.get('sentRecords'),
      sentBytes:
        task.totals.sentBytes + task.line.get('sentBytes') + task.rangeLine.get('sentBytes'),
    }));
  }

  /** @param limitMs after this time it resolves with what is known. */
  refreshFigures(limitMs: number): Promise<void> {
    return this.#options.pending.refresh([...this.#tasks.values()], limitMs);
  }

  create(name: string, bodyText: string): Promise<void> {
    return this.#changes.create(name, bodyText);
  }

  update(name: string, bodyText: string): Promise<void> {
    return this.#changes.update(name, bodyText);
  }

  setMode(name: string, bodyText: string): Promise<void> {
    return this.#changes.setMode(name, bodyText);
  }

  remove(name: string): Promise<void> {
    return this.#changes.remove(name);
  }

  withRenamedSource(
    bucketName: string,
    newName: string,
    commit: (rows: readonly RowChange[]) => Promise<void>,
  ): Promise<void> {
    return this.#changes.renameSource(bucketName, newName, commit);
  }

  check(name: string, bodyText: string): Promise<string> {
    return this.#options.trials.check(name, bodyText, this.#tasks.get(name)?.settings);
  }

  preview(name: string, bodyText: string): Promise<string> {
    return this.#options.trials.preview(name, bodyText, this.#tasks.get(name)?.settings);
  }

  entriesRenamed(bucketName: string): void {
    const { scheduler, source } = this.#options;
    const bucket = source.bucket(bucketName);
    if (bucket !== undefined) scheduler.entriesRenamed(bucket.id);
  }

  #existing(name: string): Task {
    const task = this.#tasks.get(name);
    if (task === undefined) throw new ApiError(404, `Replication '${name}' does not exist`);
    return task;
  }

  #viewOf(task: Task): TaskView {
    const { pending, scheduler, source, store } = this.#options;
    task.isSourceMissing = source.bucket(task.settings.srcBucket) === undefined;
    const nowMs = performance.now();
    task.pace.sample(nowMs, {
      epoch: task.epoch,
      passed: task.position.bucketOrdinal,
      written: scheduler.bucketEnd(task).bucketOrdinal,
    });
    const figures = pending.figures(task);
    return {
      task,
      rate: task.rate.rate(nowMs),
      catchUpS: catchUpS(task, figures, nowMs),
      pending: figures,
      lagMs: scheduler.lagMs(task),
      letters: store.letters.figures(task.id),
    };
  }
}

/** What the cursor left behind is not foreseen. */
function catchUpS(task: Task, pending: PendingFigures, nowMs: number): number | null {
  if (pending.records === 0) return 0;
  return pending.behind.backlogSegments === 0 ? task.pace.catchUpS(nowMs) : null;
}
