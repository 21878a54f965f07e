/**
 * The bound on pending records that `RS_REPLICATION_LOG_SIZE` asks for. Without it nothing is ever given up that the source
 * still has.
 */
import type { Position } from '../catalog/positions.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import { recordsBetween } from './log-ranges.ts';
import type { Task } from './task.ts';

const LOG_INTERVAL_MS = 30_000;

export interface PendingLimitOptions {
  /** Matching records a task may have pending; `null`: any number. */
  readonly maxRecords: number | null;
  /** Matching records that are known to be pending; see `PendingCounter.knownRecords`. */
  readonly knownRecords: (task: Task) => number;
  readonly logger: Logger;
}

export class PendingLimit {
  readonly #options: PendingLimitOptions;

  constructor(options: PendingLimitOptions) {
    this.#options = options;
  }

  /**
   * How many of the task's oldest pending records are to be given up. Only what is known to pass its filters counts, so it is
   * rather too few. Between slices. @param end of what is written.
   */
  excess(task: Task, end: Position): number {
    const { maxRecords, knownRecords, logger } = this.#options;
    // What lies in the log is as much as can be pending, and costs nothing to know.
    if (maxRecords === null || recordsBetween(task.position, end, task.gaps) <= maxRecords)
      return 0;
    const excess = Math.max(0, knownRecords(task) - maxRecords);
    if (excess > 0) {
      const limited = rateLimited(logger, `overflow ${task.id}`, LOG_INTERVAL_MS);
      const text = 'more records are pending than RS_REPLICATION_LOG_SIZE: the oldest are dropped';
      limited.warn({ task: task.name, records: excess }, text);
    }
    return excess;
  }
}
