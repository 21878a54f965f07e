/** Tells people when bodies do not go out compressed as a task's settings ask (replication §5.4). */
import type { Logger } from '../logging/logger.ts';
import type { Task } from './task.ts';
import { chooseCoding } from './transfer/compression.ts';

/** After each slice: one warning for each reason, and not again when the target was away in between. */
export function noteCompression(task: Task, logger: Pick<Logger, 'warn'>): void {
  if (task.target === null) return;
  const { note } = chooseCoding(task.settings.compression, task.target);
  if (note === task.compressionNote) return;
  task.compressionNote = note;
  if (note !== null) logger.warn({ task: task.name }, note);
}
