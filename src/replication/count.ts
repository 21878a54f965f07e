/** The pending count of a task: the same scan as for sending, without sending. Runs in workers. */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import type { BlockView } from '../store/block.ts';
import { BLOCK_KIND_UPDATES } from '../store/format.ts';
import type { CountJob, CountResult } from './messages.ts';
import type { BatchLimits } from './scan/batch.ts';
import { EntryTally } from './lag/entry-tally.ts';
import type { BatchEntry } from './scan/batch-builder.ts';
import type { TaskFilter } from './scan/task-filter.ts';
import { type ScanContext, type WindowSink, WindowSource } from './scan/window-source.ts';

/** Counts what passes. */
class CountingSink implements WindowSink {
  records = 0;
  bytes = 0;
  readonly removed = 0;
  readonly retainedBytes = 0;
  readonly #tally: EntryTally | null;
  #entryName = '';

  constructor(tally: EntryTally | null) {
    this.#tally = tally;
  }

  enter({ name }: BatchEntry): void {
    this.#entryName = name;
  }

  append(view: BlockView, from: number, to: number): void {
    let records = 0;
    let bytes = 0;
    for (let i = from; i < to; i++) {
      if (view.isRemoved(i)) continue;
      records++;
      if (view.kind !== BLOCK_KIND_UPDATES) bytes += view.length(i);
    }
    this.records += records;
    this.bytes += bytes;
    this.#tally?.add(this.#entryName, view.sequence, records, bytes);
  }

  finish(): readonly never[] {
    return [];
  }
}

/**
 * Counts matching records from the job's position on, for at most `budgetMs`.
 * @param filter of its own, not that of the task's slices.
 */
export async function countPending(
  scan: ScanContext,
  job: CountJob,
  filter: TaskFilter,
  limits: BatchLimits,
): Promise<CountResult> {
  const { bucketId, stopSequence, task, budgetMs } = job;
  const { dstPrefix } = task.settings;
  filter.restore(job.filterState);
  const tally = job.byEntryFrom === null ? null : new EntryTally(job.byEntryFrom);
  const source = new WindowSource(
    scan,
    { bucketId, filter, dstPrefix, limits, signature: null, stopSequence },
    () => new CountingSink(tally),
  );
  const endMs = scan.nowMs() + budgetMs;
  let { position, filterState } = job;
  let records = 0;
  let bytes = 0;
  let needsEntriesAfter: number | null = null;
  while (needsEntriesAfter === null && scan.nowMs() < endMs) {
    const window = source.next(position);
    if (window === undefined) break;
    records += window.records;
    bytes += window.bytes;
    ({ to: position, filterState, needsEntriesAfter } = window);
    if (window.end === 'head' || window.end === 'stop') break;
    await yieldToLoop();
  }
  const entries = tally === null ? null : tally.toCounts();
  return { kind: 'count', position, filterState, records, bytes, entries, needsEntriesAfter };
}
