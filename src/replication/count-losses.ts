/** Removals at the source as tasks see them. */
import type { RemovedRows } from '../catalog/removal-causes.ts';
import type { Task } from './task.ts';

/** What of the removed records the task has not answered for, it will not send. */
export function countLosses(task: Task, rows: readonly RemovedRows[]): void {
  const answered = Math.max(task.position.sequence, task.line.get('answeredSequence'));
  const segments = task.ranges.backlog().map(({ stored }) => stored);
  for (const { bucketId, sequence, records, cause } of rows) {
    if (bucketId !== task.bucketId) continue;
    const isBehind = segments.some(
      ({ position, end }) => sequence >= position.sequence && sequence < end.sequence,
    );
    if (sequence < answered && !isBehind) continue;
    task.losses.tell(cause, records);
    // Nobody comes to a place in a bucket that is gone.
    if (cause === 'bucket_removed') task.removedAtSource += records;
  }
}
