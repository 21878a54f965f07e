/** Enabled tasks with nothing live to send, by bucket: a commit to it calls them. Pure bookkeeping. */
import type { Task } from './task.ts';

export class IdleTasks {
  /** By bucket id; an empty set stands for a bucket without tasks. */
  readonly #idle: Map<number, Set<Task>> = new Map();

  /** Undefined for a bucket that nothing is known of. */
  of(bucketId: number): Set<Task> | undefined {
    return this.#idle.get(bucketId);
  }

  /** The tasks of a bucket that nothing was known of: none so far. */
  begin(bucketId: number): Set<Task> {
    const idle = new Set<Task>();
    this.#idle.set(bucketId, idle);
    return idle;
  }

  add(task: Task): void {
    const { bucketId } = task;
    if (bucketId !== null) (this.#idle.get(bucketId) ?? this.begin(bucketId)).add(task);
  }

  delete(task: Task): void {
    if (task.bucketId !== null) this.#idle.get(task.bucketId)?.delete(task);
  }

  /** Buckets without tasks may have one now. */
  forgetEmpty(): void {
    for (const [bucketId, idle] of this.#idle) if (idle.size === 0) this.#idle.delete(bucketId);
  }

  *all(): Iterable<Task> {
    for (const idle of this.#idle.values()) yield* idle;
  }
}
