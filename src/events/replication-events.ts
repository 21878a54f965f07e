/**
 * The family `replications`: what a task delivered or failed to, one running sum per status (replication §6.3). Told by
 * the counters of the tasks, which are looked at several times a second.
 *
 * Tasks that send `$system` itself are left out: each event of theirs would be a record for them to send.
 */
import type { TaskFigures } from '../replication/service.ts';
import type { TaskTotals } from '../replication/task.ts';
import { SYSTEM_BUCKET } from './entry-name.ts';
import type { EventClock } from './event-clock.ts';
import { secondsOf } from './seconds.ts';
import type { EventSink } from './types.ts';

/** A sum is written when its status changes, after so long without new results, and at the latest after the next one. */
export const SETTLED_MS = 5_000;
export const MAX_SUM_MS = 60_000;

const SUCCESS = 200;

/** Where the counters of a task stood. */
interface Seen {
  /** Another object after the settings of the task changed: its counters begin anew. */
  readonly totals: TaskTotals;
  readonly records: number;
  readonly bytes: number;
  readonly busyMs: number;
  readonly failures: ReadonlyMap<number, number>;
}

/** Results of one status. */
interface Sum {
  readonly status: number;
  readonly timestampUs: number;
  readonly firstMs: number;
  lastMs: number;
  message: string;
  writtenRecords: number;
  failedRecords: number;
  bytes: number;
  busyMs: number;
}

interface Followed {
  /** As of the last look. */
  figures: TaskFigures;
  seen: Seen;
  sum: Sum | undefined;
}

/** What came between two looks. */
interface Results {
  readonly records: number;
  readonly bytes: number;
  readonly busyMs: number;
  readonly failures: readonly (readonly [status: number, records: number])[];
}

export interface ReplicationEventsOptions {
  /** All tasks. */
  readonly figures: () => readonly TaskFigures[];
  readonly clock: EventClock;
  readonly sink: EventSink;
}

export class ReplicationEvents {
  readonly #options: ReplicationEventsOptions;
  /** By the name of the task. */
  readonly #followed = new Map<string, Followed>();

  constructor(options: ReplicationEventsOptions) {
    this.#options = options;
  }

  /** Looks at all tasks. @param nowMs a monotonic clock. */
  tick(nowMs: number): void {
    const names = new Set<string>();
    for (const figures of this.#options.figures()) {
      const { task } = figures;
      if (task.settings.srcBucket === SYSTEM_BUCKET) continue;
      names.add(task.name);
      this.#look(figures, nowMs);
    }
    for (const [name, followed] of this.#followed) {
      if (names.has(name)) continue;
      this.#write(followed);
      this.#followed.delete(name);
    }
  }

  /** Writes all sums as they are. */
  flushAll(nowMs: number): void {
    this.tick(nowMs);
    for (const followed of this.#followed.values()) this.#write(followed);
  }

  #look(figures: TaskFigures, nowMs: number): void {
    const { task } = figures;
    let followed = this.#followed.get(task.name);
    if (followed === undefined) {
      followed = { figures, seen: nothingSeen(task.totals), sum: undefined };
      this.#followed.set(task.name, followed);
    }
    followed.figures = figures;
    const results = newResults(followed.seen, task.totals);
    if (isNews(results)) {
      followed.seen = seenNow(task.totals);
      this.#add(followed, results, nowMs);
    }
    const { sum } = followed;
    if (sum === undefined) return;
    const isDue = nowMs - sum.lastMs >= SETTLED_MS || nowMs - sum.firstMs >= MAX_SUM_MS;
    if (isDue) this.#write(followed);
  }

  /** Of results of one look it is only known which kind was the last. */
  #add(followed: Followed, results: Results, nowMs: number): void {
    const { lastError, lastSuccessMs } = followed.figures.task;
    const isSuccessLast = (lastSuccessMs ?? 0) >= (lastError?.atMs ?? 0);
    if (!isSuccessLast) this.#addSuccess(followed, results, nowMs);
    for (const [status, records] of results.failures) {
      const sum = this.#sumOf(followed, status, nowMs);
      sum.failedRecords += records;
      if (lastError?.key === status) sum.message = lastError.message;
    }
    if (isSuccessLast) this.#addSuccess(followed, results, nowMs);
    if (followed.sum !== undefined) followed.sum.busyMs += results.busyMs;
  }

  #addSuccess(followed: Followed, results: Results, nowMs: number): void {
    if (results.records === 0) return;
    const sum = this.#sumOf(followed, SUCCESS, nowMs);
    sum.writtenRecords += results.records;
    sum.bytes += results.bytes;
  }

  /** The running sum of this status; one of another status ends. */
  #sumOf(followed: Followed, status: number, nowMs: number): Sum {
    if (followed.sum !== undefined && followed.sum.status !== status) {
      this.#write(followed);
    }
    followed.sum ??= {
      status,
      timestampUs: this.#options.clock.nextUs(),
      firstMs: nowMs,
      lastMs: nowMs,
      message: '',
      writtenRecords: 0,
      failedRecords: 0,
      bytes: 0,
      busyMs: 0,
    };
    followed.sum.lastMs = nowMs;
    return followed.sum;
  }

  #write(followed: Followed): void {
    const { sum, figures } = followed;
    if (sum === undefined) return;
    const { task, pending, lagMs, catchUpS } = figures;
    followed.sum = undefined;
    this.#options.sink.emit({
      family: 'replications',
      name: task.name,
      timestampUs: sum.timestampUs,
      status: sum.status,
      message: sum.message,
      fields: {
        pending_records: pending.records,
        written_records: sum.writtenRecords,
        failed_records: sum.failedRecords,
        replicated_data_size: sum.bytes,
        duration: secondsOf(sum.busyMs),
        pending_bytes: pending.bytes,
        lag_seconds: lagMs / 1000,
        catch_up_seconds: catchUpS,
        backlog_records: pending.behind.backlogRecords,
        backfills: pending.behind.backfills,
        backfill_records: pending.behind.backfillRecords,
      },
    });
  }
}

function nothingSeen(totals: TaskTotals): Seen {
  return { totals, records: 0, bytes: 0, busyMs: 0, failures: new Map() };
}

function seenNow(totals: TaskTotals): Seen {
  const { sentRecords, sentBytes, busyMs, failuresByKey } = totals;
  return {
    totals,
    records: sentRecords,
    bytes: sentBytes,
    busyMs,
    failures: new Map(failuresByKey),
  };
}

function newResults(seen: Seen, totals: TaskTotals): Results {
  const before = seen.totals === totals ? seen : nothingSeen(totals);
  const failures: [number, number][] = [];
  for (const [status, count] of totals.failuresByKey) {
    const records = count - (before.failures.get(status) ?? 0);
    if (records > 0) failures.push([status, records]);
  }
  return {
    records: totals.sentRecords - before.records,
    bytes: totals.sentBytes - before.bytes,
    busyMs: totals.busyMs - before.busyMs,
    failures,
  };
}

function isNews({ records, failures }: Results): boolean {
  return records > 0 || failures.length > 0;
}
