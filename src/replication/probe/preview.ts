/** What a task's filters would do with the last records of its bucket. Runs in workers. */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import type { BlockView } from '../../store/block.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { readBlock } from '../../store/run-index.ts';
import type { ReplicationSettings } from '../settings.ts';
import { ExplainFilter } from './explain-filter.ts';
import { newestRows } from './newest-runs.ts';
import { PreviewTally } from './preview-tally.ts';

export interface PreviewRequest {
  readonly settings: ReplicationSettings;
  /** Of the source bucket. */
  readonly entries: readonly (readonly [id: number, name: string])[];
  readonly maxRecords: number;
  /** After this time it ends with what it has, ms. */
  readonly budgetMs: number;
}

/**
 * Runs the filters forwards over the last records of the bucket, in the order of the log and with counters that begin there.
 * @returns the answer as JSON text. @throws ApiError 422 or JsonSyntaxError when the condition cannot be compiled.
 */
export async function previewFilters(store: RocksReader, request: PreviewRequest): Promise<string> {
  const { settings, maxRecords, budgetMs } = request;
  const startMs = performance.now();
  const isOver = (): boolean => performance.now() - startMs > budgetMs;
  const names = new Map(request.entries);
  const tally = new PreviewTally(names);
  const filter = new ExplainFilter(settings, (view, index) => tally.passedLater(view, index));
  const { rows, isComplete } = newestRows(store, [...names.keys()], maxRecords, isOver);
  let isWhole = isComplete;
  let view: BlockView | undefined;
  for (const { entryId, sequence, startIndex, count } of rows) {
    if (isOver()) {
      isWhole = false;
      break;
    }
    if (view?.sequence !== sequence) {
      // One block a turn: the slices of tasks go on between.
      await yieldToLoop();
      view = readBlock(store, sequence);
    }
    // Removed since the index was read.
    if (view === undefined) continue;
    const entryName = names.get(entryId) ?? '';
    const end = Math.min(startIndex + count, view.recordCount);
    for (let i = startIndex; i < end; i++) {
      if (view.isRemoved(i)) continue;
      const { labels } = view.metaOf(i);
      tally.add(view, i, labels, filter.explain(view, i, entryName, labels));
    }
  }
  return tally.toJson(isWhole, performance.now() - startMs);
}
