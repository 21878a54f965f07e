/** The store behind `EntryView`, with the newest runs of active entries kept in memory. */
import type { Entry, EntryStats, Extent, Run } from '../catalog/model.ts';
import { BugError } from '../errors/errors.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { metaKey64 } from '../store/keys.ts';
import { readBlock, runAtOrBefore, runsFrom } from '../store/run-index.ts';
import type { RocksReader } from '../store/rocks.ts';
import { decodeExtent } from '../catalog/rows.ts';
import type { EntryView, PlannedRun } from './apply.ts';

/** Bounds of what one entry keeps in memory: slightly late records, the usual case, then cost no look-up. */
const TAIL_MAX_RUNS = 64;
const TAIL_MAX_RECORDS = 2048;

/**
 * The newest runs of an entry, ascending, without a hole up to the latest record. Records later than the first of
 * them need no read of the store.
 */
export class RunTail {
  #runs: PlannedRun[] = [];
  #records = 0;

  /** True when every record at or after `ts` is known here. */
  covers(ts: bigint): boolean {
    const first = this.#runs[0];
    return first !== undefined && first.run.firstTs <= ts;
  }

  atOrBefore(ts: bigint): PlannedRun | undefined {
    return this.#runs[this.#upperBound(ts) - 1];
  }

  after(ts: bigint): PlannedRun | undefined {
    return this.#runs[this.#upperBound(ts)];
  }

  /**
   * Takes over the runs a commit has put.
   * @param latestBefore latest timestamp of the entry before that commit; a run behind it continues the tail.
   */
  merge(changed: readonly PlannedRun[], latestBefore: bigint, wasEmpty: boolean): void {
    for (const planned of changed) {
      const { firstTs } = planned.run;
      const isCovered = this.covers(firstTs);
      const isNext = this.#runs.length === 0 && (wasEmpty || firstTs > latestBefore);
      if (isCovered || isNext) this.#insert(planned);
    }
    this.#trim();
  }

  #insert(planned: PlannedRun): void {
    const at = this.#upperBound(planned.run.firstTs);
    const previous = this.#runs[at - 1];
    this.#records += planned.run.count;
    if (previous?.run.firstTs === planned.run.firstTs) {
      this.#records -= previous.run.count;
      this.#runs[at - 1] = planned;
    } else if (at === this.#runs.length) {
      this.#runs.push(planned);
    } else {
      this.#runs.splice(at, 0, planned);
    }
  }

  #trim(): void {
    let drop = 0;
    while (
      this.#runs.length - drop > 1 &&
      (this.#runs.length - drop > TAIL_MAX_RUNS || this.#records > TAIL_MAX_RECORDS)
    ) {
      this.#records -= this.#runs[drop]?.run.count ?? 0;
      drop++;
    }
    if (drop > 0) this.#runs.splice(0, drop);
  }

  /** Number of runs with firstTs ≤ ts. */
  #upperBound(ts: bigint): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.#runs[middle]?.run.firstTs ?? 0n;
      if (start <= ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** An entry as it is in the store, for one call of `apply`. */
export class StoredEntryView implements EntryView {
  readonly stats: EntryStats;
  readonly #reader: RocksReader;
  readonly #entryId: number;
  readonly #tail: RunTail;

  constructor(reader: RocksReader, entry: Entry, tail: RunTail) {
    this.#reader = reader;
    this.#entryId = entry.id;
    this.stats = entry.stats;
    this.#tail = tail;
  }

  runAtOrBefore(ts: bigint): Run | undefined {
    if (this.#tail.covers(ts)) return this.#tail.atOrBefore(ts)?.run;
    return runAtOrBefore(this.#reader, this.#entryId, ts);
  }

  nextRunStart(ts: bigint): bigint | undefined {
    if (this.#tail.covers(ts)) return this.#tail.after(ts)?.run.firstTs;
    return runsFrom(this.#reader, this.#entryId, ts + 1n, 1)[0]?.firstTs;
  }

  timestamps(run: Run): BigUint64Array {
    if (this.#tail.covers(run.firstTs)) {
      const known = this.#tail.atOrBefore(run.firstTs);
      if (known !== undefined && known.run.firstTs === run.firstTs) return known.times;
    }
    const block = readBlock(this.#reader, run.sequence);
    if (block === undefined) {
      throw new BugError(
        `index names block ${run.sequence} of entry ${this.#entryId}, which is gone`,
      );
    }
    const times = new BigUint64Array(run.count);
    for (let i = 0; i < run.count; i++) times[i] = block.ts(run.startIndex + i);
    return times;
  }

  extentAtOrBefore(ts: bigint): Extent | undefined {
    const iterator = this.#reader.iterate(COLUMN_META, {
      gte: metaKey64(META.extent, this.#entryId, 0n),
      lte: metaKey64(META.extent, this.#entryId, ts),
      reverse: true,
      limit: 1,
    });
    try {
      const [key, value] = iterator.next(1).rows;
      return key === undefined || value === undefined ? undefined : decodeExtent(key, value);
    } finally {
      iterator.close();
    }
  }
}
