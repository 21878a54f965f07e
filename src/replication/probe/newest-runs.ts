/** Finds the newest records of a bucket by its index: what other buckets wrote since costs nothing. */
import type { Run } from '../../catalog/model.ts';
import { U64_MAX } from '../../store/format.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { runsUpTo } from '../../store/run-index.ts';

/** Consecutive rows of one block. */
export interface Rows {
  readonly entryId: number;
  readonly sequence: number;
  readonly startIndex: number;
  readonly count: number;
}

/** Runs fetched of an entry at first; doubled each time. */
const FIRST_FETCH = 8;
const MAX_FETCH = 1024;

/** An entry whose older runs have not been looked at. */
interface OpenEntry {
  readonly id: number;
  /** Runs up to here are next; µs. */
  nextTs: bigint;
  fetch: number;
  /** Sequence of the oldest run looked at. */
  lastSequence: number;
}

export interface NewestRows {
  /** In the order of the log. */
  readonly rows: readonly Rows[];
  /** False: the time was over first, and older records than necessary may be among them. */
  readonly isComplete: boolean;
}

/**
 * The last `maxRecords` records that came in, over these entries: of each entry the newest by time, of all of them those
 * that lie last in the log.
 * @param isOver asked from time to time; true ends the search with what there is.
 */
export function newestRows(
  store: RocksReader,
  entryIds: readonly number[],
  maxRecords: number,
  isOver: () => boolean,
): NewestRows {
  let found: Rows[] = [];
  let open: OpenEntry[] = entryIds.map((id) => ({
    id,
    nextTs: U64_MAX,
    fetch: FIRST_FETCH,
    lastSequence: Number.MAX_SAFE_INTEGER,
  }));
  while (open.length > 0) {
    const more: OpenEntry[] = [];
    for (const entry of open) {
      if (isOver()) return { rows: inOrder(newest(found, maxRecords)), isComplete: false };
      const runs = runsUpTo(store, entry.id, entry.nextTs, entry.fetch);
      for (const run of runs) found.push(rowsOf(entry.id, run));
      const last = runs.at(-1);
      if (last === undefined || runs.length < entry.fetch || last.firstTs === 0n) continue;
      entry.nextTs = last.firstTs - 1n;
      entry.fetch = Math.min(entry.fetch * 2, MAX_FETCH);
      entry.lastSequence = last.sequence;
      more.push(entry);
    }
    found = newest(found, maxRecords);
    // What an entry still has is older than what was looked at, so it cannot be among the newest any more.
    const oldest = isFull(found, maxRecords) ? (found.at(-1)?.sequence ?? 0) : 0;
    open = more.filter(({ lastSequence }) => lastSequence >= oldest);
  }
  return { rows: inOrder(found), isComplete: true };
}

function rowsOf(entryId: number, { sequence, startIndex, count }: Run): Rows {
  return { entryId, sequence, startIndex, count };
}

/** The last of them in the log, newest first; the oldest run may lose its first rows. */
function newest(all: readonly Rows[], maxRecords: number): Rows[] {
  const sorted = all.toSorted((a, b) => b.sequence - a.sequence || b.startIndex - a.startIndex);
  const taken: Rows[] = [];
  let left = maxRecords;
  for (const rows of sorted) {
    if (left <= 0) break;
    const count = Math.min(rows.count, left);
    taken.push({ ...rows, startIndex: rows.startIndex + rows.count - count, count });
    left -= count;
  }
  return taken;
}

function isFull(rows: readonly Rows[], maxRecords: number): boolean {
  return rows.reduce((sum, { count }) => sum + count, 0) >= maxRecords;
}

function inOrder(rows: readonly Rows[]): Rows[] {
  return rows.toSorted((a, b) => a.sequence - b.sequence || a.startIndex - b.startIndex);
}
