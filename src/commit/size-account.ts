import type { EntryStats, Extent } from '../catalog/model.ts';
import type { Candidate, EntryView, ExtentLimits } from './apply.ts';
import { placeWireBytes } from './wire-size.ts';

/** Contract sizes and extents (http-api §4.3), in order of arrival. */
export class SizeAccount {
  readonly #view: EntryView;
  readonly #limits: ExtentLimits;
  #newest: Extent | undefined;
  #extentCount: number;
  #sizeBytes: number;
  #changed: Map<bigint, Extent> | undefined;

  constructor(view: EntryView, limits: ExtentLimits) {
    this.#view = view;
    this.#limits = limits;
    const { extent } = view.stats;
    this.#newest = extent === undefined ? undefined : { ...extent };
    this.#extentCount = view.stats.extentCount;
    this.#sizeBytes = view.stats.sizeBytes;
  }

  changedExtents(): Extent[] {
    return this.#changed === undefined ? [] : [...this.#changed.values()];
  }

  /** @returns the record's contract size. */
  add(candidate: Candidate): number {
    const extent = this.#extentFor(candidate);
    const placeBytes = placeWireBytes(candidate.ts, extent.contentBytes, candidate.length);
    extent.contentBytes += candidate.length;
    extent.records++;
    const recordBytes = candidate.length + placeBytes + candidate.metaWireBytes;
    this.#sizeBytes += recordBytes;
    return recordBytes;
  }

  /** @param sorted accepted candidates, ascending in time. */
  stats(sorted: readonly Candidate[]): EntryStats {
    const before = this.#view.stats;
    const first = sorted[0]?.ts;
    const last = sorted[sorted.length - 1]?.ts;
    const isEmpty = before.recordCount === 0;
    return {
      recordCount: before.recordCount + sorted.length,
      sizeBytes: this.#sizeBytes,
      oldestTs:
        first !== undefined && (isEmpty || first < before.oldestTs) ? first : before.oldestTs,
      latestTs: last !== undefined && (isEmpty || last > before.latestTs) ? last : before.latestTs,
      extentCount: this.#extentCount,
      extent: this.#newest,
      bucketOrdinal: before.bucketOrdinal,
    };
  }

  #extentFor({ ts, length }: Candidate): Extent {
    const newest = this.#newest;
    if (newest === undefined) return this.#open(ts);
    const isNewest = ts >= newest.startTs;
    const extent = isNewest ? newest : this.#olderExtent(ts);
    if (extent === undefined || this.#isFull(extent, length)) return this.#open(ts);
    if (!isNewest) this.#change(extent);
    return extent;
  }

  #change(extent: Extent): void {
    this.#changed ??= new Map();
    this.#changed.set(extent.startTs, extent);
  }

  #isFull(extent: Extent, length: number): boolean {
    const { maxBytes, maxRecords } = this.#limits;
    return extent.contentBytes + length > maxBytes || extent.records + 1 > maxRecords;
  }

  #olderExtent(ts: bigint): Extent | undefined {
    let best: Extent | undefined;
    for (const extent of this.#changed?.values() ?? []) {
      if (extent.startTs <= ts && (best === undefined || extent.startTs > best.startTs))
        best = extent;
    }
    const stored = this.#view.extentAtOrBefore(ts);
    if (best !== undefined && (stored === undefined || best.startTs >= stored.startTs)) return best;
    return stored === undefined ? undefined : { ...stored };
  }

  /** Starts an extent at `ts`; it is the newest one unless a later one exists. */
  #open(ts: bigint): Extent {
    const extent: Extent = { startTs: ts, contentBytes: 0, records: 0 };
    const newest = this.#newest;
    this.#extentCount++;
    if (newest !== undefined && newest.startTs > ts) {
      this.#change(extent);
      return extent;
    }
    if (newest !== undefined) {
      // Two extents can start at one timestamp only if the first is full and empty of records: limits of 0.
      if (newest.startTs === ts) this.#extentCount--;
      else this.#change(newest);
    }
    this.#newest = extent;
    return extent;
  }
}
