/**
 * The one way in which tasks that run come into the store: one write of a task at a time, in the order in which they were
 * asked for. Every write holds the cursor as it is then together with all dead letters and ranges that the store does not
 * know, so that no cursor is stored without what belongs to it, and what was decided about a task (settings, mode,
 * ranges) is in memory before its next cursor is written. Main thread only.
 */
import { crashPoint } from '../crash/crash-points.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import type { RangeChange } from './ranges/range-list.ts';
import type { ReplicationSettings } from './settings.ts';
import type { Task } from './task.ts';
import type { TaskCursor, TaskProgress, TaskStore } from './types.ts';

const LOG_INTERVAL_MS = 30_000;

/** What a change wants stored, besides what the task has to store anyway. */
export interface TaskChange {
  /** Default: they stay as they are. */
  readonly settings?: ReplicationSettings;
  /** Default: where the task is. */
  readonly cursor?: TaskCursor;
  /** Rows as they will be after the change. */
  readonly ranges?: readonly RangeChange[];
}

interface Lane {
  /** The store does not know where the task is. */
  hasNews: boolean;
  readonly changes: (() => Promise<void>)[];
  drained: Promise<void>;
}

export class TaskWriter {
  readonly #store: Pick<TaskStore, 'save' | 'saveProgress' | 'saveBudgetUse'>;
  readonly #logger: Logger;
  /** Of the tasks that are being written. */
  readonly #lanes: Map<Task, Lane> = new Map();

  constructor(store: Pick<TaskStore, 'save' | 'saveProgress' | 'saveBudgetUse'>, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Stores where the task is, unless the store knows it. Returns before it is durable; what fails goes with a later cursor. */
  save(task: Task): void {
    const lane = this.#lanes.get(task);
    if (lane !== undefined) lane.hasNews = true;
    else if (hasNews(task)) this.#open(task, true, []);
  }

  /**
   * Stores a change of the task and lets it take effect.
   * @param decide is called when nothing of the task is being written; what it looks at is what the change is stored with.
   * @param apply is called when the change is durable, before anything else of the task is written.
   * Rejects with what `decide` or the store throws; nothing has changed then.
   */
  change(task: Task, decide: () => TaskChange, apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const change = (): Promise<void> => this.#change(task, decide, apply).then(resolve, reject);
      const lane = this.#lanes.get(task);
      if (lane === undefined) this.#open(task, false, [change]);
      else lane.changes.push(change);
    });
  }

  /** Stores what the task has used of its budget, unless the store knows it. Returns before it is durable. */
  saveBudgetUse(task: Task): void {
    if (task.budget.isUnsaved) void this.storeBudgetUse(task);
  }

  /** Stores what the task has used of its budget, and what is set aside. @returns whether it is durable now. */
  async storeBudgetUse(task: Task): Promise<boolean> {
    task.budget.isUnsaved = false;
    try {
      await this.#store.saveBudgetUse(task.id, task.budget.use);
      return true;
    } catch (err) {
      task.budget.isUnsaved = true;
      const limited = rateLimited(this.#logger, `budget ${task.id}`, LOG_INTERVAL_MS);
      limited.error({ err, task: task.name }, 'what a task used of its budget could not be stored');
      return false;
    }
  }

  /** Resolves when nothing of these tasks is being written. */
  async settled(tasks: Iterable<Task>): Promise<void> {
    for (const task of tasks) {
      for (let lane = this.#lanes.get(task); lane !== undefined; lane = this.#lanes.get(task)) {
        await lane.drained;
      }
    }
  }

  /** The first write is handed to the store before this returns. */
  #open(task: Task, isNews: boolean, changes: (() => Promise<void>)[]): void {
    const lane: Lane = { hasNews: isNews, changes, drained: Promise.resolve() };
    this.#lanes.set(task, lane);
    lane.drained = this.#drain(task, lane);
  }

  async #drain(task: Task, lane: Lane): Promise<void> {
    for (;;) {
      const change = lane.changes.shift();
      if (change !== undefined) await change();
      else if (lane.hasNews && !task.isRemoved) {
        lane.hasNews = false;
        if (hasNews(task)) await this.#writeProgress(task);
      } else break;
    }
    this.#lanes.delete(task);
  }

  async #writeProgress(task: Task): Promise<void> {
    try {
      await this.#write(task, {}, (progress) => this.#store.saveProgress(task.id, progress));
      crashPoint('progress-stored');
    } catch (err) {
      const limited = rateLimited(this.#logger, `save ${task.id}`, LOG_INTERVAL_MS);
      limited.error({ err, task: task.name }, 'the progress of a task could not be stored');
    }
  }

  async #change(task: Task, decide: () => TaskChange, apply: () => void): Promise<void> {
    const change = decide();
    const { settings } = change;
    const { id, name } = task;
    await this.#write(task, change, (progress) =>
      settings === undefined
        ? this.#store.saveProgress(id, progress)
        : this.#store.save({ id, name, settings }, progress),
    );
    crashPoint('task-changed');
    apply();
  }

  async #write(
    task: Task,
    change: TaskChange,
    store: (progress: TaskProgress) => Promise<void>,
  ): Promise<void> {
    const deadLetters = task.unsavedLetters;
    const unsaved = task.ranges.takeUnsaved();
    const cursor = change.cursor ?? task.cursor;
    task.unsavedLetters = [];
    task.savedSequence = cursor.position.sequence;
    task.savedIndex = cursor.position.index ?? 0;
    // Of two rows with one key the later one counts.
    const ranges = [...unsaved, ...(change.ranges ?? [])];
    try {
      await store({ cursor, deadLetters, ranges });
      if (ranges.length > 0) crashPoint('ranges-stored');
    } catch (error) {
      task.unsavedLetters = [...deadLetters, ...task.unsavedLetters];
      task.ranges.markUnsaved(unsaved);
      task.savedSequence = -1;
      throw error;
    }
  }
}

function hasNews({ unsavedLetters, ranges, position, savedSequence, savedIndex }: Task): boolean {
  if (unsavedLetters.length > 0 || ranges.hasUnsaved) return true;
  return position.sequence !== savedSequence || (position.index ?? 0) !== savedIndex;
}
