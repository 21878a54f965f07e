/** Hands cursors and dead letters to the store; what could not be written goes with a later cursor. */
import { crashPoint } from '../crash/crash-points.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import type { Task } from './task.ts';
import type { TaskStore } from './types.ts';

const LOG_INTERVAL_MS = 30_000;

export class ProgressSaver {
  readonly #store: TaskStore;
  readonly #logger: Logger;

  constructor(store: TaskStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Stores where the task is, unless the store knows it. Returns before it is durable. */
  save(task: Task): void {
    const letters = task.unsavedLetters;
    const { sequence } = task.position;
    if (letters.length === 0 && sequence === task.savedSequence) return;
    task.unsavedLetters = [];
    task.savedSequence = sequence;
    this.#store.saveProgress(task.id, task.cursor, letters).then(
      () => crashPoint('progress-stored'),
      (err: unknown) => {
        task.unsavedLetters = [...letters, ...task.unsavedLetters];
        task.savedSequence = -1;
        const limited = rateLimited(this.#logger, `save ${task.id}`, LOG_INTERVAL_MS);
        limited.error({ err, task: task.name }, 'the progress of a task could not be stored');
      },
    );
  }
}
