/** Rows of one run. */
import type { Run } from '../catalog/model.ts';
import type { BlockView } from '../store/block.ts';

/**
 * What remains of a run, ascending, with its size shared out by count.
 * @param removed row numbers, ascending.
 */
export function keptParts(
  run: Run,
  block: BlockView,
  removed: readonly number[],
  keptBytes: number,
): Run[] {
  const ranges: [start: number, stop: number][] = [];
  let start = run.startIndex;
  for (const index of [...removed, run.startIndex + run.count]) {
    if (index > start) ranges.push([start, index]);
    start = index + 1;
  }
  const kept = run.count - removed.length;
  let leftBytes = keptBytes;
  return ranges.map(([from, stop], at) => {
    const isLast = at === ranges.length - 1;
    const share = Math.floor((keptBytes * (stop - from)) / kept);
    const sizeBytes = isLast ? leftBytes : share;
    leftBytes -= sizeBytes;
    return {
      ...run,
      firstTs: block.ts(from),
      lastTs: block.ts(stop - 1),
      startIndex: from,
      count: stop - from,
      // Several parts lie in one block now.
      whole: run.whole && ranges.length === 1,
      sizeBytes,
    };
  });
}

/** The row of a run with this timestamp, or undefined. */
export function rowOf(block: BlockView, run: Run, ts: bigint): number | undefined {
  const end = run.startIndex + run.count;
  const index = block.lowerBound(ts, run.startIndex, end);
  return index < end && block.ts(index) === ts ? index : undefined;
}
