/** Pending records by entry, counted in a scan. Bounded in entries. */
import type { EntryCount, EntryCounts } from '../messages.ts';

/** Entries that are told apart; records of further ones are counted together. */
const MAX_ENTRIES = 10_000;
/** Entries that are told of: those whose oldest record has waited longest. */
export const MAX_TOLD_ENTRIES = 100;

export class EntryTally {
  readonly #counts: Map<string, { records: number; bytes: number; sequence: number }> = new Map();
  readonly #from: number;
  #otherRecords = 0;
  #otherBytes = 0;

  /** @param from sequence: what lies before it is answered for. */
  constructor(from: number) {
    this.#from = from;
  }

  /** @param sequence of the block; later calls have no lower ones. */
  add(name: string, sequence: number, records: number, bytes: number): void {
    if (records === 0 || sequence < this.#from) return;
    const known = this.#counts.get(name);
    if (known !== undefined) {
      known.records += records;
      known.bytes += bytes;
    } else if (this.#counts.size < MAX_ENTRIES) {
      this.#counts.set(name, { records, bytes, sequence });
    } else {
      this.#otherRecords += records;
      this.#otherBytes += bytes;
    }
  }

  /** The entries in the order in which their first pending record was written, the rest in one sum. */
  toCounts(): EntryCounts {
    const told: EntryCount[] = [];
    let otherEntries = 0;
    let otherRecords = this.#otherRecords;
    let otherBytes = this.#otherBytes;
    // Maps keep the order of first insertion.
    for (const [name, { records, bytes, sequence }] of this.#counts) {
      if (told.length < MAX_TOLD_ENTRIES) told.push({ name, records, bytes, sequence });
      else {
        otherEntries++;
        otherRecords += records;
        otherBytes += bytes;
      }
    }
    return { told, otherEntries, otherRecords, otherBytes };
  }
}
