/** Records that a target cannot update, because it does not have them: read from the store and written in full. */
import type { BlockView } from '../../store/block.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { readBlock, runAtOrBefore } from '../../store/run-index.ts';
import type { Batch, BatchLimits } from '../scan/batch.ts';
import { BatchBuilder } from '../scan/batch-builder.ts';
import type { MetaCache } from '../scan/meta-cache.ts';

export interface FullWrite {
  /** In ascending order of time. */
  readonly batches: readonly Batch[];
  /** Timestamps of records that the source no longer has, µs. */
  readonly missing: readonly bigint[];
}

/**
 * Reads the records behind an update as they are now.
 * @param wanted their timestamps, µs.
 */
export function readFullRecords(
  store: RocksReader,
  metas: MetaCache,
  limits: BatchLimits,
  batch: Batch,
  wanted: readonly bigint[],
): FullWrite {
  const builder = new BatchBuilder(metas, limits);
  builder.enter({ id: batch.entryId, name: batch.entryName, path: batch.entryPath });
  const missing: bigint[] = [];
  for (const ts of wanted.toSorted((a, b) => (a < b ? -1 : 1))) {
    const found = findRecord(store, batch.entryId, ts);
    if (found === undefined) missing.push(ts);
    else builder.append(found.view, found.index, found.index + 1);
  }
  return { batches: builder.finish(), missing };
}

/** A record as it is now; undefined when it is gone. @param ts its timestamp, µs. */
export function findRecord(
  store: RocksReader,
  entryId: number,
  ts: bigint,
): { readonly view: BlockView; readonly index: number } | undefined {
  const run = runAtOrBefore(store, entryId, ts);
  if (run === undefined || run.lastTs < ts) return undefined;
  const view = readBlock(store, run.sequence);
  if (view === undefined) return undefined;
  const end = run.startIndex + run.count;
  const index = view.lowerBound(ts, run.startIndex, end);
  const isThere = index < end && view.ts(index) === ts && !view.isRemoved(index);
  return isThere ? { view, index } : undefined;
}
