/**
 * Hands cursors, ranges and dead letters to the store; what could not be written goes with a later cursor. One write of a
 * task at a time: if the one before could fail after a later cursor was written, that cursor would say that its letters and
 * ranges are stored.
 */
import { crashPoint } from '../crash/crash-points.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import type { Task } from './task.ts';
import type { TaskStore } from './types.ts';

const LOG_INTERVAL_MS = 30_000;

interface Saving {
  readonly written: Promise<void>;
  /** There is more to write by now. */
  again: boolean;
}

export class ProgressSaver {
  readonly #store: TaskStore;
  readonly #logger: Logger;
  readonly #saving: Map<Task, Saving> = new Map();

  constructor(store: TaskStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Stores where the task is, unless the store knows it. Returns before it is durable. */
  save(task: Task): void {
    const running = this.#saving.get(task);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const { sequence } = task.position;
    const hasNews = task.unsavedLetters.length > 0 || task.ranges.hasUnsaved;
    if (!hasNews && sequence === task.savedSequence) return;
    const saving = { written: this.#write(task), again: false };
    this.#saving.set(task, saving);
    void saving.written.then(() => {
      this.#saving.delete(task);
      if (saving.again && !task.isRemoved) this.save(task);
    });
  }

  /**
   * Stores what the task has used of its budget. Returns before it is durable: a crash forgets one slice at most, because
   * the next one is behind this in the order of commits.
   */
  saveBudgetUse(task: Task): void {
    if (!task.budget.isUnsaved) return;
    task.budget.isUnsaved = false;
    this.#store.saveBudgetUse(task.id, task.budget.use).catch((err: unknown) => {
      task.budget.isUnsaved = true;
      const limited = rateLimited(this.#logger, `budget ${task.id}`, LOG_INTERVAL_MS);
      limited.error({ err, task: task.name }, 'what a task used of its budget could not be stored');
    });
  }

  /** Resolves when nothing of these tasks is being written. */
  async settled(tasks: Iterable<Task>): Promise<void> {
    for (const task of tasks) {
      for (;;) {
        const saving = this.#saving.get(task);
        if (saving === undefined) break;
        await saving.written;
        // Behind what follows a write.
        await Promise.resolve();
      }
    }
  }

  async #write(task: Task): Promise<void> {
    const letters = task.unsavedLetters;
    const ranges = task.ranges.takeUnsaved();
    task.unsavedLetters = [];
    task.savedSequence = task.position.sequence;
    try {
      await this.#store.saveProgress(task.id, task.cursor, letters, ranges);
      crashPoint('progress-stored');
    } catch (err) {
      task.unsavedLetters = [...letters, ...task.unsavedLetters];
      task.ranges.markUnsaved(ranges);
      task.savedSequence = -1;
      const limited = rateLimited(this.#logger, `save ${task.id}`, LOG_INTERVAL_MS);
      limited.error({ err, task: task.name }, 'the progress of a task could not be stored');
    }
  }
}
