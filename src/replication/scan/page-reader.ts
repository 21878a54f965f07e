/**
 * Consecutive blocks from the store, page by page. Placing an iterator costs as much as a quarter of a MiB read with it, so
 * it is kept for the page behind, and pages for tasks that come to the same place; neither for long: an iterator pins the
 * files and tables it saw, and blocks can change.
 */
import type { BlockView } from '../../store/block.ts';
import { COLUMN_BLOCKS } from '../../store/format.ts';
import { blockKey, sequenceOfBlockKey } from '../../store/keys.ts';
import type { RangeIterator, RocksReader } from '../../store/rocks.ts';
import { MAX_AGE_MS } from './block-cache.ts';
import { LogBlock } from './log-block.ts';

/** Bytes of a page: reading one holds the thread for a good part of a millisecond. */
const PAGE_BYTES = 1024 * 1024;
const PAGE_ROWS = 4096;

/** Pages kept; policy when full: `drop_oldest`. */
const MAX_PAGES = 4;

/** Iterators kept, for tasks that catch up side by side; policy when full: `close_oldest`. */
const MAX_ITERATORS = 4;

/** For how long an iterator is kept: half of the age up to which what it reads may be sent. */
const KEEP_MS: number = MAX_AGE_MS / 2;

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
  /** Oldest first, as the iterators. */
  #pages: Page[] = [];
  #kept: Kept[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(store: RocksReader) {
    this.#store = store;
  }

  /** A page that contains the sequence. @param nowMs monotonic clock. */
  pageAt(sequence: number, nowMs: number): Page | undefined {
    return this.#pages.findLast(
      ({ from, to, readMs }) => from <= sequence && sequence < to && nowMs - readMs <= MAX_AGE_MS,
    );
  }

  /**
   * Reads the page that begins at `sequence`, of at least one block unless there is none before `limit`.
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
      return this.#add({ from: sequence, to, blocks, readMs: kept.openedMs });
    } finally {
      if (!isKept) kept.iterator.close();
    }
  }

  #add(page: Page): Page {
    this.#pages.push(page);
    if (this.#pages.length > MAX_PAGES) this.#pages.shift();
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#forgetAll(), KEEP_MS);
      this.#timer.unref();
    }
    return page;
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
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#forgetAll();
  }

  /** Also what is in use: it is read again. */
  #forgetAll(): void {
    this.#timer = undefined;
    for (const { iterator } of this.#kept) iterator.close();
    this.#kept = [];
    this.#pages = [];
  }
}
