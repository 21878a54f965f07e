/**
 * How much of the log a task still has to send. What is sent is known exactly; what was not looked at yet is counted by a
 * scan without sending, when somebody asks, and goes on from where it stopped the last time.
 */
import type { Position } from '../catalog/positions.ts';
import { endOf, lowerStop, recordsBetween, skipGaps, stopOf } from './log-ranges.ts';
import type { CountResult, EntryNames, ReplicationPool, TaskSpec } from './messages.ts';
import type { Scheduler } from './scheduler.ts';
import type { CountState, Task } from './task.ts';
import { backlogRecords } from './ranges/range.ts';
import type { ReplicationSource } from './types.ts';

/** Slices of tasks that get on end after a quarter of this. */
const LONG_SLICE_MS = 1_000;

/** Longest count that nobody waits for. */
const BACKGROUND_COUNT_MS = 5_000;

export interface PendingFigures {
  readonly records: number;
  readonly bytes: number;
  /** False: part of it was not looked at, and all records of the bucket there are counted. */
  readonly isExact: boolean;
  /** Those of them that lie in ranges behind the live cursor. */
  readonly behind: BehindFigures;
}

/** What is sent behind the live cursor. */
export interface BehindFigures {
  /** Segments that the cursor has left behind, and their records at most. */
  readonly backlogSegments: number;
  readonly backlogRecords: number;
  /** Back-fills that are running or paused, and what they have left, as estimated from the index. */
  readonly backfills: number;
  readonly backfillRecords: number;
}

/** What the task has looked at: up to where, how much matched until there, how much of that is unanswered. */
interface Scanned {
  readonly position: Position;
  readonly records: number;
  readonly bytes: number;
  readonly openRecords: number;
  readonly openBytes: number;
}

export class PendingCounter {
  readonly #pool: ReplicationPool;
  readonly #source: ReplicationSource;
  readonly #scheduler: Scheduler;
  readonly #counting: Map<Task, Promise<void>> = new Map();

  constructor(pool: ReplicationPool, source: ReplicationSource, scheduler: Scheduler) {
    this.#pool = pool;
    this.#source = source;
    this.#scheduler = scheduler;
  }

  /** What is known now, ranges included. */
  figures(task: Task): PendingFigures {
    const live = this.#liveFigures(task);
    const behind = rangeFigures(task);
    const records = behind.backlogRecords + behind.backfillRecords;
    return {
      records: live.records + records,
      bytes: live.bytes + behind.bytes,
      isExact: live.isExact && records === 0,
      behind,
    };
  }

  #liveFigures(task: Task): Omit<PendingFigures, 'behind'> {
    const end = this.#endOf(task);
    const scanned = scannedBy(task);
    const { openRecords, openBytes } = scanned;
    if (scanned.position.sequence >= end.sequence) {
      return { records: openRecords, bytes: openBytes, isExact: true };
    }
    const count = countOf(task);
    const isAhead = count !== null && count.position.sequence > scanned.position.sequence;
    const from = isAhead ? count.position : scanned.position;
    const counted = isAhead ? Math.max(0, count.records - scanned.records) : 0;
    const countedBytes = isAhead ? Math.max(0, count.bytes - scanned.bytes) : 0;
    const isExact = from.sequence >= end.sequence;
    const unseen = isExact ? 0 : recordsBetween(from, end, task.gaps);
    return {
      records: openRecords + counted + unseen,
      bytes: openBytes + countedBytes + Math.round(unseen * meanBytes(task, count)),
      isExact,
    };
  }

  /**
   * Matching records that are known to be pending, without what was not looked at. Goes on counting, so that more is known
   * the next time. Between slices.
   */
  knownRecords(task: Task): number {
    const count = countOf(task);
    const { isExact } = this.#liveFigures(task);
    if (!isExact) void this.#countOnce(task, BACKGROUND_COUNT_MS);
    return count === null ? 0 : Math.max(0, count.records - task.passedRecords);
  }

  /**
   * Counts on for those of the tasks that do not get on; resolves when their figures are exact, or after `limitMs`. A task
   * that is sending looks at the rest of its log by itself, and counting would only slow it down.
   */
  async refresh(tasks: readonly Task[], limitMs: number): Promise<void> {
    const unknown = tasks.filter((task) => !isSending(task) && !this.#liveFigures(task).isExact);
    if (unknown.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    const counts = Promise.all(unknown.map((task) => this.#countOnce(task, limitMs)));
    await Promise.race([counts, limit]);
    clearTimeout(timer);
  }

  #endOf(task: Task): Position {
    return endOf(task.gaps, this.#scheduler.bucketEnd(task));
  }

  /** One count a task at a time, however many ask. */
  #countOnce(task: Task, budgetMs: number): Promise<void> {
    let counting = this.#counting.get(task);
    if (counting === undefined) {
      counting = this.#count(task, budgetMs).finally(() => this.#counting.delete(task));
      this.#counting.set(task, counting);
    }
    return counting;
  }

  async #count(task: Task, budgetMs: number): Promise<void> {
    const endMs = performance.now() + budgetMs;
    let entries: EntryNames | null = null;
    while (!task.isRemoved && task.bucketId !== null) {
      const leftMs = endMs - performance.now();
      const before = countOf(task) ?? startOf(task);
      const { position, gaps } = skipGaps({ position: before.position, gaps: task.gaps });
      const end = this.#endOf(task);
      if (leftMs <= 0 || position.sequence >= end.sequence) return;
      const from = { ...before, position };
      const result = await this.#run(task, from, stopOf(gaps), entries, leftMs);
      if (result === undefined) return;
      const { needsEntriesAfter } = result;
      const hasMoved = result.position.sequence > position.sequence;
      if (needsEntriesAfter === null && !hasMoved) return;
      entries = needsEntriesAfter === null ? null : this.#names(task, needsEntriesAfter);
    }
  }

  async #run(
    task: Task,
    before: CountState,
    stopSequence: number | null,
    entries: EntryNames | null,
    budgetMs: number,
  ): Promise<CountResult | undefined> {
    const { position, filterState } = before;
    const bucketId = task.bucketId ?? 0;
    const { namesEpoch } = this.#scheduler;
    const spec = task.specAt(position.sequence);
    const stop = lowerStop(stopSequence, spec.filtersUntil);
    const place = { bucketId, position, stopSequence: stop, filterState };
    const scan = { task: spec, ...place, entries, namesEpoch };
    try {
      const result = await this.#pool.run({ kind: 'count', ...scan, budgetMs, byEntryFrom: null });
      if (result.kind !== 'count') return undefined;
      const records = before.records + result.records;
      const bytes = before.bytes + result.bytes;
      task.count = {
        ...before,
        position: result.position,
        filterState: isPast(spec, result.position) ? null : result.filterState,
        records,
        bytes,
      };
      return result;
    } catch {
      // Figures only: the next request counts again.
      return undefined;
    }
  }

  #names(task: Task, afterId: number): EntryNames {
    const knownUpTo = this.#source.highestEntryId();
    return { names: this.#source.entryNames(task.bucketId ?? 0, afterId), knownUpTo };
  }
}

/** Filters begin to count where those before them end. */
function isPast({ filtersUntil }: TaskSpec, { sequence }: Position): boolean {
  return filtersUntil !== null && sequence >= filtersUntil;
}

/** A slice much longer than others is waiting for its target. */
function isSending({ running, sliceStartMs }: Task): boolean {
  return running !== null && performance.now() - sliceStartMs < LONG_SLICE_MS;
}

/** The count so far, unless it belongs to other settings or another place, or the task has passed it. */
function countOf(task: Task): CountState | null {
  const { count } = task;
  const isValid = count?.version === task.version && count.epoch === task.epoch;
  return isValid && count.position.sequence >= task.position.sequence ? count : null;
}

function startOf(task: Task): CountState {
  const { version, epoch, position, filterState, passedRecords, passedBytes } = task;
  return { version, epoch, position, filterState, records: passedRecords, bytes: passedBytes };
}

function scannedBy(task: Task): Scanned {
  const { line, position, passedRecords, passedBytes } = task;
  const sequence = line.get('scannedSequence');
  if (task.running === null || sequence < position.sequence) {
    return {
      position,
      records: passedRecords,
      bytes: passedBytes,
      openRecords: 0,
      openBytes: 0,
    };
  }
  return {
    position: { partition: 0, sequence, bucketOrdinal: line.get('scannedOrdinal') },
    records: passedRecords + line.get('matchedRecords'),
    bytes: passedBytes + line.get('matchedBytes'),
    openRecords: line.get('openRecords'),
    openBytes: line.get('openBytes'),
  };
}

/**
 * What the ranges have left, at most: records of backlog segments before filters, and what the index says about back-fills.
 */
function rangeFigures(task: Task): BehindFigures & { readonly bytes: number } {
  const sum = { backlogSegments: 0, backlogRecords: 0, backfills: 0, backfillRecords: 0, bytes: 0 };
  for (const { stored, isUnfinished } of task.ranges.all()) {
    if (!isUnfinished) continue;
    if (stored.kind === 'backfill') {
      sum.backfills++;
      sum.backfillRecords += Math.max(0, stored.totalRecords - stored.doneRecords);
      sum.bytes += Math.max(0, stored.totalBytes - stored.doneBytes);
    } else {
      const records = backlogRecords(stored);
      sum.backlogSegments++;
      sum.backlogRecords += records;
      sum.bytes += Math.round(records * meanBytes(task, task.count));
    }
  }
  return sum;
}

function meanBytes({ passedRecords, passedBytes }: Task, count: CountState | null): number {
  const records = count?.records ?? passedRecords;
  return records === 0 ? 0 : (count?.bytes ?? passedBytes) / records;
}
