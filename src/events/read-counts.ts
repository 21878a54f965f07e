/** Counts of what clients read, by bucket, since the last report. */
import type { ReadMeter } from './types.ts';

export interface ReadCounts {
  records: number;
  bytes: number;
  readonly entryNames: Set<string>;
}

export const NOTHING_READ: ReadCounts = { records: 0, bytes: 0, entryNames: new Set() };

export class ReadCounter implements ReadMeter {
  #byBucket = new Map<number, ReadCounts>();

  observe(bucketId: number, entryNames: readonly string[], records: number, bytes: number): void {
    let counts = this.#byBucket.get(bucketId);
    if (counts === undefined) {
      counts = { records: 0, bytes: 0, entryNames: new Set() };
      this.#byBucket.set(bucketId, counts);
    }
    counts.records += records;
    counts.bytes += bytes;
    for (const name of entryNames) counts.entryNames.add(name);
  }

  /** By bucket id; the next count begins at nothing. */
  take(): ReadonlyMap<number, ReadCounts> {
    const taken = this.#byBucket;
    this.#byBucket = new Map();
    return taken;
  }
}
