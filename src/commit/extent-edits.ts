/** The extents of one entry while a session changes them: the newest lies in the entry's figures, the others in rows. */
import type { EntryStats, Extent, Run } from '../catalog/model.ts';
import { decodeExtent } from '../catalog/rows.ts';
import { COLUMN_META, META, U64_MAX } from '../store/format.ts';
import { metaKey64 } from '../store/keys.ts';
import type { RocksReader } from '../store/rocks.ts';

/** An extent and where the next one begins. */
interface Holding {
  readonly extent: Extent;
  readonly isNewest: boolean;
  readonly endTs: bigint;
}

export class ExtentEdits {
  readonly #reader: RocksReader;
  readonly #entryId: number;
  readonly #stats: EntryStats;
  /** Rows that change, by start; null removes the row. */
  readonly #rows = new Map<bigint, Extent | null>();
  #latest: Holding | undefined;

  /** @param stats the session's own copy; its `extent` and `extentCount` are kept here. */
  constructor(reader: RocksReader, entryId: number, stats: EntryStats) {
    this.#reader = reader;
    this.#entryId = entryId;
    this.#stats = stats;
  }

  changes(): Iterable<[bigint, Extent | null]> {
    return this.#rows;
  }

  /** The extent with the lowest start. */
  oldest(): Extent | undefined {
    return this.#row(0n, U64_MAX, false) ?? this.#stats.extent;
  }

  /** The extent that follows the one starting at `startTs`. */
  after(startTs: bigint): Extent | undefined {
    const newest = this.#stats.extent;
    if (newest === undefined || newest.startTs <= startTs) return undefined;
    return this.#row(startTs + 1n, U64_MAX, false) ?? newest;
  }

  /** Takes one record out of the extent it lies in; an extent without records ceases to be. */
  shrink(ts: bigint, lengthBytes: number): void {
    const holding = this.#holding(ts);
    if (holding === undefined) return;
    const { extent } = holding;
    extent.contentBytes = Math.max(0, extent.contentBytes - lengthBytes);
    this.#takeOut(holding, 1);
  }

  /**
   * Takes a whole run out of the extent it lies in. Content is shared out by count, because its block is not read.
   * @returns false, and nothing changes, when the run lies in several extents.
   */
  shrinkByRun({ firstTs, lastTs, count }: Run): boolean {
    const holding = this.#holding(firstTs);
    // Records older than all extents: figures of a store that was repaired by hand.
    if (holding === undefined) return true;
    if (lastTs >= holding.endTs) return false;
    const { extent } = holding;
    const keptShare = Math.max(0, 1 - count / extent.records);
    extent.contentBytes = Math.round(extent.contentBytes * keptShare);
    this.#takeOut(holding, count);
    return true;
  }

  /** The extent with the greatest start ≤ ts, among all but the newest. */
  olderAtOrBefore(ts: bigint): Extent | undefined {
    return this.#row(0n, ts, true);
  }

  /** There is no record any more. */
  dropAll(): void {
    for (;;) {
      const extent = this.oldest();
      if (extent === undefined) break;
      this.drop(extent.startTs);
    }
    this.#stats.extentCount = 0;
  }

  /** Removes an extent if it is still there. */
  drop(startTs: bigint): void {
    this.#latest = undefined;
    const stats = this.#stats;
    if (stats.extent?.startTs === startTs) {
      const previous = startTs === 0n ? undefined : this.#row(0n, startTs - 1n, true);
      stats.extent = previous;
      stats.extentCount--;
      // The previous one becomes the newest, and the newest has no row.
      if (previous !== undefined) this.#rows.set(previous.startTs, null);
      return;
    }
    if (this.#row(startTs, startTs, false) === undefined) return;
    this.#rows.set(startTs, null);
    stats.extentCount--;
  }

  /** Neighbours in time usually lie in one extent, so the latest one is kept. */
  #holding(ts: bigint): Holding | undefined {
    const latest = this.#latest;
    if (latest !== undefined && latest.extent.startTs <= ts && ts < latest.endTs) return latest;
    const newest = this.#stats.extent;
    if (newest !== undefined && ts >= newest.startTs) {
      this.#latest = { extent: newest, isNewest: true, endTs: U64_MAX + 1n };
      return this.#latest;
    }
    const extent = this.#row(0n, ts, true);
    if (extent === undefined) return undefined;
    const endTs = this.after(extent.startTs)?.startTs ?? U64_MAX + 1n;
    this.#latest = { extent, isNewest: false, endTs };
    return this.#latest;
  }

  #takeOut({ extent, isNewest }: Holding, records: number): void {
    extent.records -= records;
    if (extent.records <= 0) this.drop(extent.startTs);
    else if (!isNewest) this.#rows.set(extent.startTs, extent);
  }

  /** A copy of the first (or last) row with a start in [fromTs, toTs]. */
  #row(fromTs: bigint, toTs: bigint, reverse: boolean): Extent | undefined {
    let best: Extent | undefined;
    for (const extent of this.#rows.values()) {
      if (extent === null || extent.startTs < fromTs || extent.startTs > toTs) continue;
      const isBetter =
        best === undefined ||
        (reverse ? extent.startTs > best.startTs : extent.startTs < best.startTs);
      if (isBetter) best = extent;
    }
    const stored = this.#storedRow(fromTs, toTs, reverse);
    if (stored === undefined) return best === undefined ? undefined : { ...best };
    if (best === undefined) return stored;
    const isStoredBetter = reverse ? stored.startTs > best.startTs : stored.startTs < best.startTs;
    return isStoredBetter ? stored : { ...best };
  }

  #storedRow(fromTs: bigint, toTs: bigint, reverse: boolean): Extent | undefined {
    const iterator = this.#reader.iterate(COLUMN_META, {
      gte: metaKey64(META.extent, this.#entryId, fromTs),
      lte: metaKey64(META.extent, this.#entryId, toTs),
      reverse,
    });
    try {
      for (;;) {
        const [key, value] = iterator.next(1).rows;
        if (key === undefined || value === undefined) return undefined;
        const extent = decodeExtent(key, value);
        if (!this.#rows.has(extent.startTs)) return extent;
      }
    } finally {
      iterator.close();
    }
  }
}
