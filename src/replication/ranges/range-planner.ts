/** Has the extent of new back-fills looked up in the index, once each. Main thread only; never holds up a task. */
import type { Logger } from '../../logging/logger.ts';
import type { ReplicationPool } from '../messages.ts';
import type { Task } from '../task.ts';
import type { ReplicationSource } from '../types.ts';
import type { TaskRange } from './range.ts';

/** After a failure, which is a bug or the end of a thread. */
const RETRY_MS = 1_000;

export class RangePlanner {
  readonly #pool: ReplicationPool;
  readonly #source: ReplicationSource;
  readonly #logger: Logger;
  readonly #onPlanned: (task: Task) => void;

  /** @param onPlanned after the extent of a range became known, or when it is time to look again. */
  constructor(
    pool: ReplicationPool,
    source: ReplicationSource,
    logger: Logger,
    onPlanned: (task: Task) => void,
  ) {
    this.#pool = pool;
    this.#source = source;
    this.#logger = logger;
    this.#onPlanned = onPlanned;
  }

  /** Begins with every back-fill that needs it. */
  start(task: Task): void {
    for (const range of task.ranges.unplanned()) {
      range.isPlanning = true;
      void this.#plan(task, range);
    }
  }

  async #plan(task: Task, range: TaskRange): Promise<void> {
    try {
      await this.#run(task, range);
      range.isPlanning = false;
    } catch (err) {
      this.#logger.error({ err, task: task.name }, 'a back-fill could not be planned');
      await new Promise<void>((resolve) => {
        setTimeout(resolve, RETRY_MS).unref();
      });
      range.isPlanning = false;
    }
    this.#onPlanned(task);
  }

  async #run(task: Task, range: TaskRange): Promise<void> {
    const { bucketId, scope, end } = range.stored;
    const knownUpTo = this.#source.highestEntryId();
    const names = this.#source.entryNames(bucketId, 0);
    const result = await this.#pool.run({
      kind: 'plan',
      task: task.spec,
      bucketId,
      scope,
      entries: { names, knownUpTo },
      endSequence: end.sequence,
    });
    if (result.kind !== 'plan' || task.isRemoved || !range.isUnfinished) return;
    const { fromSequence, toSequence, records, bytes } = result;
    const position = { ...range.stored.position, sequence: fromSequence };
    const changes = {
      isPlanned: true,
      position,
      end: { ...end, sequence: toSequence },
      totalRecords: records,
      totalBytes: bytes,
    };
    range.resendSequence = fromSequence;
    task.ranges.change(range, changes, Date.now());
  }
}
