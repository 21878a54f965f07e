/** Finds out from the index where a back-fill begins and ends, without reading a record. Runs in workers. */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import { COLUMN_INDEX } from '../../store/format.ts';
import { indexEnd, indexKey } from '../../store/keys.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { decodeRun, runAtOrBefore } from '../../store/run-index.ts';
import type { Run } from '../../catalog/model.ts';
import { compileEntryPatterns } from '../entry-pattern.ts';
import type { PlanJob, PlanResult } from '../messages.ts';
import type { RangeScope } from './range.ts';

/** Index rows read at a time: well below a millisecond, then others get their turn. */
const PAGE_ROWS = 1024;

class Extent {
  from: number = Number.POSITIVE_INFINITY;
  to = 0;
  records = 0;
  bytes = 0;
  readonly #scope: RangeScope;
  readonly #endSequence: number;

  constructor(scope: RangeScope, endSequence: number) {
    this.#scope = scope;
    this.#endSequence = endSequence;
  }

  add(run: Run): void {
    const { startUs, stopUs } = this.#scope;
    const isOutside =
      run.sequence >= this.#endSequence ||
      (startUs !== null && run.lastTs < startUs) ||
      (stopUs !== null && run.firstTs >= stopUs);
    if (isOutside) return;
    this.from = Math.min(this.from, run.sequence);
    this.to = Math.max(this.to, run.sequence + 1);
    const share = shareWithin(run, this.#scope);
    this.records += Math.max(1, Math.round(run.count * share));
    this.bytes += Math.round(run.sizeBytes * share);
  }
}

/** How much of a run lies within the times, as if its records were evenly spread. */
function shareWithin({ firstTs, lastTs, count }: Run, { startUs, stopUs }: RangeScope): number {
  if (count === 1 || lastTs === firstTs) return 1;
  const from = startUs !== null && startUs > firstTs ? startUs : firstTs;
  const to = stopUs !== null && stopUs <= lastTs ? stopUs : lastTs;
  return Math.max(0, Number(to - from)) / Number(lastTs - firstTs);
}

export async function planRange(store: RocksReader, job: PlanJob): Promise<PlanResult> {
  const { task, scope, entries, endSequence } = job;
  const isInTask = compileEntryPatterns(task.settings.entries);
  const isInScope = compileEntryPatterns(scope.entries);
  const extent = new Extent(scope, endSequence);
  for (const [entryId, name] of entries.names) {
    if (isInTask(name) && isInScope(name)) await addEntry(store, entryId, scope, extent);
  }
  const { records, bytes } = extent;
  const isEmpty = extent.from >= extent.to;
  const fromSequence = isEmpty ? endSequence : extent.from;
  const toSequence = isEmpty ? endSequence : extent.to;
  return { kind: 'plan', fromSequence, toSequence, records, bytes };
}

async function addEntry(
  store: RocksReader,
  entryId: number,
  { startUs, stopUs }: RangeScope,
  extent: Extent,
): Promise<void> {
  // The run in which the range begins starts before it.
  const first = startUs === null ? undefined : runAtOrBefore(store, entryId, startUs);
  const end = stopUs === null ? indexEnd(entryId) : indexKey(entryId, stopUs);
  let from: Buffer | undefined = indexKey(entryId, first?.firstTs ?? startUs ?? 0n);
  while (from !== undefined) {
    from = addPage(store, from, end, extent);
    await yieldToLoop();
  }
}

/** @returns where the next page begins; undefined after the last one. */
function addPage(store: RocksReader, gte: Buffer, lt: Buffer, extent: Extent): Buffer | undefined {
  if (Buffer.compare(gte, lt) >= 0) return undefined;
  const iterator = store.iterate(COLUMN_INDEX, { gte, lt });
  try {
    const { rows, finished } = iterator.next(PAGE_ROWS);
    let last: Buffer | undefined;
    for (let i = 0; i + 1 < rows.length; i += 2) {
      const key = rows[i];
      const value = rows[i + 1];
      if (key === undefined || value === undefined) continue;
      extent.add(decodeRun(key, value));
      last = key;
    }
    if (last === undefined || finished) return undefined;
    // The smallest key above the last one.
    return Buffer.concat([last, Buffer.from([0])]);
  } finally {
    iterator.close();
  }
}
