/** Records of one entry in the order of time, from the index, with little memory. Runs in workers. */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import type { Run } from '../../catalog/model.ts';
import type { BlockView } from '../../store/block.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { readBlock, runAtOrBefore, runsFrom } from '../../store/run-index.ts';
import type { MetaCache, MetaInfo } from '../scan/meta-cache.ts';

/** Index rows read at a time. */
const RUNS_A_PAGE = 256;
/** Blocks read before others get their turn. */
const BLOCKS_A_TURN = 8;

export interface SourceRecord {
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly view: BlockView;
  readonly index: number;
  readonly meta: MetaInfo;
}

/**
 * @param fromTs µs, inclusive. @param stopTs µs, exclusive.
 */
export async function* sourceRecords(
  store: RocksReader,
  metas: MetaCache,
  entryId: number,
  fromTs: bigint,
  stopTs: bigint,
): AsyncGenerator<SourceRecord> {
  // The run that contains the first timestamp begins before it.
  const before = runAtOrBefore(store, entryId, fromTs);
  let next = before !== undefined && before.lastTs >= fromTs ? before.firstTs : fromTs;
  let view: BlockView | undefined;
  let blocks = 0;
  for (;;) {
    const runs = runsFrom(store, entryId, next, RUNS_A_PAGE);
    for (const run of runs) {
      if (run.firstTs >= stopTs) return;
      if (view?.sequence !== run.sequence) {
        if (++blocks % BLOCKS_A_TURN === 0) await yieldToLoop();
        view = readBlock(store, run.sequence);
      }
      // Removed since the index was read.
      if (view !== undefined) yield* recordsOf(view, run, metas, fromTs, stopTs);
    }
    const last = runs.at(-1);
    if (last === undefined || runs.length < RUNS_A_PAGE) return;
    next = last.firstTs + 1n;
  }
}

function* recordsOf(
  view: BlockView,
  { startIndex, count }: Run,
  metas: MetaCache,
  fromTs: bigint,
  stopTs: bigint,
): Generator<SourceRecord> {
  const end = Math.min(startIndex + count, view.recordCount);
  for (let index = startIndex; index < end; index++) {
    const ts = view.ts(index);
    if (ts >= stopTs) return;
    if (ts < fromTs || view.isRemoved(index)) continue;
    const meta = metas.of(view, view.metaIndex(index));
    yield { ts, lengthBytes: view.length(index), view, index, meta };
  }
}
