/** When the threads of a pool have loaded their modules. */
import type { EventEmitter } from 'node:events';

/** What a worker entry posts once it has loaded everything. */
export const THREAD_STARTED = 'started';

/** A thread that has not started by then has died, or hangs. */
const MAX_WAIT_MS = 10_000;

/**
 * A thread must not be terminated while it loads its modules: Node 20 then ends the whole process (`IsGraphAsync must be
 * used on an instantiated module`). So a pool that is stopped right after its start waits for its threads first.
 */
export class ThreadStarts {
  readonly #all: Promise<void>;

  /** @param pool just made. @param threads it was made with. */
  constructor(pool: Pick<EventEmitter, 'on' | 'off'>, threads: number) {
    this.#all = new Promise((resolve) => {
      let missing = threads;
      const onMessage = (message: unknown): void => {
        if (message !== THREAD_STARTED || --missing > 0) return;
        pool.off('message', onMessage);
        resolve();
      };
      pool.on('message', onMessage);
    });
  }

  /** Resolves when all threads the pool began with have started, or it is no use to wait any longer. */
  async settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, MAX_WAIT_MS);
    });
    await Promise.race([this.#all, tooLong]);
    clearTimeout(timer);
  }
}
