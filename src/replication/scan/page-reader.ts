/**
 * Consecutive blocks from the store, page by page. Placing an iterator costs as much as a quarter of a MiB read with it, so
 * it is kept for the page behind; not for long, because it pins the files and tables it saw.
 */
import type { BlockView } from '../../store/block.ts';
import { COLUMN_BLOCKS } from '../../store/format.ts';
import { blockKey, sequenceOfBlockKey } from '../../store/keys.ts';
import type { RangeIterator, RocksReader } from '../../store/rocks.ts';
import { LogBlock } from './log-block.ts';

/** Bytes of a page: reading one holds the thread for a good part of a millisecond. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_ROWS = 4096;

/** Iterators kept, for tasks that catch up side by side; policy when full: `close_oldest`. */
const MAX_ITERATORS = 4;

/** For how long an iterator is kept; below the age up to which what it reads may be sent (see `block-cache.ts`). */
const KEEP_MS = 1_000;

/** The blocks of all buckets in [from, to), as the store had them at `readMs`. */
export interface Page {
  readonly from: number;
  readonly to: number;
  readonly blocks: readonly BlockView[];
  readonly readMs: number;
}

interface Kept {
  readonly iterator: RangeIterator;
  /** The iterator ends before this sequence. */
  readonly limit: number;
  /** What came into the store later, it does not see. */
  readonly openedMs: number;
  /** Sequence behind the last page. */
  next: number;
}

export class PageReader {
  readonly #store: RocksReader;
  /** Oldest first. */
  #kept: Kept[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: RocksReader) {
    this.#store = store;
  }

  /**
   * The page that begins at `sequence`, of at least one block unless there is none before `limit`.
   * @param limit end of what is wanted; a kept iterator may have been given an earlier one.
   * @param nowMs monotonic clock.
   */
  read(sequence: number, limit: number, nowMs: number): Page {
    const kept = this.#takeKept(sequence, nowMs) ?? this.#open(sequence, limit, nowMs);
    let isKept = false;
    try {
      const { rows, finished } = kept.iterator.next(PAGE_ROWS);
      const blocks: BlockView[] = [];
      let to = sequence;
      for (let i = 0; i + 1 < rows.length; i += 2) {
        const key = rows[i];
        const value = rows[i + 1];
        if (key === undefined || value === undefined) continue;
        to = sequenceOfBlockKey(key) + 1;
        blocks.push(new LogBlock(value));
      }
      // Removed blocks leave holes; up to the limit there is nothing else.
      if (finished || rows.length === 0) to = kept.limit;
      isKept = to < kept.limit;
      if (isKept) this.#keep(kept, to);
      return { from: sequence, to, blocks, readMs: kept.openedMs };
    } finally {
      if (!isKept) kept.iterator.close();
    }
  }

  #open(sequence: number, limit: number, nowMs: number): Kept {
    const iterator = this.#store.iterate(COLUMN_BLOCKS, {
      gte: blockKey(sequence),
      lt: blockKey(limit),
      pageBytes: PAGE_BYTES,
    });
    return { iterator, limit, openedMs: nowMs, next: sequence };
  }

  #takeKept(sequence: number, nowMs: number): Kept | undefined {
    const kept = this.#kept.find(
      ({ next, openedMs }) => next === sequence && nowMs - openedMs < KEEP_MS,
    );
    if (kept !== undefined) this.#kept = this.#kept.filter((other) => other !== kept);
    return kept;
  }

  #keep(kept: Kept, next: number): void {
    kept.next = next;
    this.#kept.push(kept);
    if (this.#kept.length > MAX_ITERATORS) this.#kept.shift()?.iterator.close();
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#closeAll(), KEEP_MS);
    this.#timer.unref();
  }

  /** Also those in use: they are opened again. */
  #closeAll(): void {
    this.#timer = undefined;
    for (const { iterator } of this.#kept) iterator.close();
    this.#kept = [];
  }
}
