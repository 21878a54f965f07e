/** What of each entry a task still has to send, found by a scan of its log in a worker when somebody asks. */
import { lowerStop, skipGaps, stopOf } from '../log-ranges.ts';
import type { CountJob, CountResult, EntryNames, ReplicationPool } from '../messages.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Task } from '../task.ts';
import type { ReplicationSource } from '../types.ts';

export interface EntryLagFigures {
  /** Those whose oldest pending record has waited longest, first. */
  readonly entries: readonly EntryLag[];
  readonly otherEntries: number;
  readonly otherRecords: number;
  readonly otherBytes: number;
  /** False: the scan did not come to the end of the log in time, so that there is more. */
  readonly isExact: boolean;
}

export interface EntryLag {
  readonly name: string;
  readonly records: number;
  readonly bytes: number;
  /** Since the commit of the oldest one. */
  readonly ageMs: number;
}

const NOTHING: EntryLagFigures = {
  entries: [],
  otherEntries: 0,
  otherRecords: 0,
  otherBytes: 0,
  isExact: true,
};

export class EntryLags {
  readonly #pool: ReplicationPool;
  readonly #source: ReplicationSource;
  readonly #scheduler: Scheduler;
  readonly #running: Map<Task, Promise<EntryLagFigures>> = new Map();

  constructor(pool: ReplicationPool, source: ReplicationSource, scheduler: Scheduler) {
    this.#pool = pool;
    this.#source = source;
    this.#scheduler = scheduler;
  }

  /** One scan a task at a time, however many ask. @param limitMs of the scan. */
  of(task: Task, limitMs: number): Promise<EntryLagFigures> {
    let running = this.#running.get(task);
    if (running === undefined) {
      running = this.#scan(task, limitMs).finally(() => this.#running.delete(task));
      this.#running.set(task, running);
    }
    return running;
  }

  async #scan(task: Task, limitMs: number): Promise<EntryLagFigures> {
    const end = this.#scheduler.bucketEnd(task);
    const canScan = task.bucketId !== null && task.loadError === null && !task.isSourceMissing;
    if (!canScan || answeredBy(task) >= end.sequence) return { ...NOTHING, isExact: canScan };
    let result = await this.#run(task, limitMs, null);
    const missing = result?.needsEntriesAfter ?? null;
    if (missing !== null) {
      // From the start again, this time with the names it lacked.
      const names = this.#source.entryNames(task.bucketId ?? 0, missing);
      const knownUpTo = this.#source.highestEntryId();
      result = await this.#run(task, limitMs, { names, knownUpTo });
    }
    return result === undefined ? { ...NOTHING, isExact: false } : this.#figures(task, result);
  }

  #figures(task: Task, { entries, position, needsEntriesAfter }: CountResult): EntryLagFigures {
    const { told = [], otherEntries = 0, otherRecords = 0, otherBytes = 0 } = entries ?? {};
    const end = this.#scheduler.bucketEnd(task);
    const isExact = needsEntriesAfter === null && position.sequence >= end.sequence;
    const lags = told.map(({ name, records, bytes, sequence }) => {
      return { name, records, bytes, ageMs: this.#scheduler.ageMs(sequence) };
    });
    return { entries: lags, otherEntries, otherRecords, otherBytes, isExact };
  }

  async #run(
    task: Task,
    budgetMs: number,
    entries: EntryNames | null,
  ): Promise<CountResult | undefined> {
    const { position, gaps } = skipGaps({ position: task.position, gaps: task.gaps });
    const spec = task.specAt(position.sequence);
    const job: CountJob = {
      kind: 'count',
      task: spec,
      bucketId: task.bucketId ?? 0,
      position,
      stopSequence: lowerStop(stopOf(gaps), spec.filtersUntil),
      filterState: task.filterState,
      entries,
      namesEpoch: this.#scheduler.namesEpoch,
      budgetMs,
      byEntryFrom: answeredBy(task),
    };
    try {
      const result = await this.#pool.run(job);
      return result.kind === 'count' ? result : undefined;
    } catch {
      // Figures only: without them the answer says that they are not exact.
      return undefined;
    }
  }
}

/** Of a running slice it is known how far its answers go, before its end moves the position. */
function answeredBy({ position, line }: Task): number {
  return Math.max(position.sequence, line.get('answeredSequence'));
}
