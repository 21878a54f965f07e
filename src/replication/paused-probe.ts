/** Asks the targets of paused tasks from time to time whether they are there (replication §3). */
import type { ReplicationPool } from './messages.ts';
import type { Task } from './task.ts';

const INTERVAL_MS = 5_000;
const JITTER = 0.2;

export class PausedProbe {
  readonly #pool: ReplicationPool;
  readonly #random: () => number;
  readonly #timers: Map<Task, NodeJS.Timeout> = new Map();

  constructor(pool: ReplicationPool, random: () => number) {
    this.#pool = pool;
    this.#random = random;
  }

  /** Asks now and goes on until `stop`. */
  start(task: Task): void {
    if (!this.#timers.has(task)) this.#schedule(task, 0);
  }

  stop(task: Task): void {
    clearTimeout(this.#timers.get(task));
    this.#timers.delete(task);
  }

  #schedule(task: Task, waitMs: number): void {
    const timer = setTimeout(() => void this.#ask(task, timer), waitMs);
    timer.unref();
    this.#timers.set(task, timer);
  }

  async #ask(task: Task, timer: NodeJS.Timeout): Promise<void> {
    const isAvailable = await this.#isAvailable(task);
    // Stopped, or stopped and started again meanwhile.
    if (this.#timers.get(task) !== timer) return;
    task.isAvailable = isAvailable;
    this.#schedule(task, INTERVAL_MS * (1 - JITTER + 2 * JITTER * this.#random()));
  }

  async #isAvailable(task: Task): Promise<boolean> {
    try {
      const result = await this.#pool.run({ kind: 'check', task: task.spec });
      if (result.kind !== 'check') return false;
      const { failure } = result;
      const nowMs = Date.now();
      if (failure === null) task.lastContactMs = nowMs;
      else task.fail(failure.key, failure.message, nowMs);
      return failure === null;
    } catch {
      return false;
    }
  }
}
