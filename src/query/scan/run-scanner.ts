/** Walks over the records of one entry in order of time. */
import type { Run } from '../../catalog/model.ts';
import type { BlockView } from '../../store/block.ts';
import { U64_MAX } from '../../store/format.ts';
import { runAtOrBefore, runsFrom } from '../../store/run-index.ts';
import type { BlockStore } from './block-store.ts';
import type { LocatedRecord } from './scanned-record.ts';

/**
 * Index rows of the first and of later pages. Opening an iterator costs as much as reading hundreds of rows: the first
 * page serves a batch from well-filled blocks, and where runs are short the second one serves the rest.
 */
const FIRST_PAGE_RUNS = 8;
const PAGE_RUNS = 128;

/** Blocks are read in groups that double up to this many, and shrink towards this many bytes. */
const FIRST_GROUP_BLOCKS = 4;
const MAX_GROUP_BLOCKS = 64;
const GROUP_BYTES = 2 * 1024 * 1024;

/**
 * Emits every record with fromTs ≤ ts ≤ lastTs once, ascending. Runs never overlap, so their order is the order of
 * records. Each page of the index is a snapshot of its own: a record written meanwhile appears if it lies ahead.
 */
export class RunScanner {
  readonly #store: BlockStore;
  readonly #entryId: number;
  readonly #lastTs: bigint;
  /** Records that will be taken at most; no more is read ahead than that. */
  readonly #wantedRecords: number;
  /** Records below were emitted or lie before the range. */
  #nextTs: bigint;
  #runs: readonly Run[] = [];
  #runAt = 0;
  #pageFromTs: bigint | undefined;
  #pageRuns: number = FIRST_PAGE_RUNS;
  #isIndexOpen = false;
  #groupBlocks: number = FIRST_GROUP_BLOCKS;
  #preloadedTo = 0;
  #block: BlockView | undefined;
  #index = 0;
  #indexEnd = 0;

  constructor(
    store: BlockStore,
    entryId: number,
    fromTs: bigint,
    lastTs: bigint,
    wantedRecords: number,
  ) {
    this.#store = store;
    this.#entryId = entryId;
    this.#nextTs = fromTs;
    this.#lastTs = lastTs;
    this.#wantedRecords = wantedRecords;
  }

  /** Every record below was emitted, or is out of the range. May be one beyond the largest timestamp. */
  get nextTs(): bigint {
    return this.#nextTs;
  }

  /** A lower bound for the next record's timestamp, from the index alone; undefined at the end. */
  peekBound(): bigint | undefined {
    if (this.#block !== undefined && this.#index < this.#indexEnd) {
      const ts = this.#block.ts(this.#index);
      return ts > this.#lastTs ? undefined : ts;
    }
    const run = this.#currentRun();
    if (run === undefined) return undefined;
    return run.firstTs > this.#nextTs ? run.firstTs : this.#nextTs;
  }

  /** The next record; undefined at the end, and then it stays at the end. */
  next(): LocatedRecord | undefined {
    for (;;) {
      while (this.#index >= this.#indexEnd) {
        if (!this.#openRun()) return undefined;
      }
      const block = this.#block;
      if (block === undefined) return undefined;
      const ts = block.ts(this.#index);
      if (ts > this.#lastTs) return undefined;
      const index = this.#index++;
      this.#nextTs = ts + 1n;
      // A run may span rows of records that were removed from the middle of its block.
      if (!block.isRemoved(index)) return { ts, block, index };
    }
  }

  /** Steps into the current run. @returns false at the end; a run whose block was removed is skipped. */
  #openRun(): boolean {
    const run = this.#currentRun();
    if (run === undefined) return false;
    if (this.#runAt >= this.#preloadedTo) this.#preload();
    this.#runAt++;
    const block = this.#store.block(run.sequence, this.#entryId);
    this.#block = block;
    if (block === undefined) {
      this.#index = this.#indexEnd = 0;
      return true;
    }
    const end = run.startIndex + run.count;
    this.#index =
      run.firstTs >= this.#nextTs
        ? run.startIndex
        : block.lowerBound(this.#nextTs, run.startIndex, end);
    this.#indexEnd = end;
    return true;
  }

  /** The first run that may hold a record not emitted yet. */
  #currentRun(): Run | undefined {
    for (;;) {
      const run = this.#runs[this.#runAt];
      if (run === undefined) {
        if (!this.#loadPage()) return undefined;
      } else if (run.firstTs > this.#lastTs) {
        return undefined;
      } else if (run.lastTs < this.#nextTs) {
        this.#runAt++;
      } else {
        return run;
      }
    }
  }

  /** @returns false when there are no more runs. */
  #loadPage(): boolean {
    this.#runAt = 0;
    this.#preloadedTo = 0;
    if (!this.#isIndexOpen) {
      this.#isIndexOpen = true;
      this.#pageFromTs = this.#nextTs;
      if (this.#nextTs > this.#lastTs) this.#pageFromTs = undefined;
      else if (this.#openAtOrBefore()) return true;
    }
    const fromTs = this.#pageFromTs;
    if (fromTs === undefined) {
      this.#runs = [];
      return false;
    }
    const { reader } = this.#store;
    this.#runs = runsFrom(reader, this.#entryId, fromTs, this.#pageRuns);
    const isLast = this.#runs.length < this.#pageRuns;
    this.#pageFromTs = isLast ? undefined : following(this.#runs.at(-1));
    this.#pageRuns = PAGE_RUNS;
    return this.#runs.length > 0;
  }

  /** A run may begin before the range and reach into it. */
  #openAtOrBefore(): boolean {
    const run = runAtOrBefore(this.#store.reader, this.#entryId, this.#nextTs);
    if (run === undefined || run.lastTs < this.#nextTs) return false;
    this.#runs = [run];
    this.#pageFromTs = following(run);
    return true;
  }

  /** Reads the blocks of the next runs together. */
  #preload(): void {
    const sequences = new Set<number>();
    let records = 0;
    let at = this.#runAt;
    while (sequences.size < this.#groupBlocks && records < this.#wantedRecords) {
      const run = this.#runs[at];
      if (run === undefined || run.firstTs > this.#lastTs) break;
      sequences.add(run.sequence);
      records += run.count;
      at++;
    }
    this.#preloadedTo = at;
    if (sequences.size < 2) return;
    const averageBytes = Math.max(1, this.#store.preload([...sequences]));
    const affordable = Math.max(1, Math.floor(GROUP_BYTES / averageBytes));
    this.#groupBlocks = Math.min(this.#groupBlocks * 2, MAX_GROUP_BLOCKS, affordable);
  }
}

/** Where the index goes on behind a run; undefined behind the largest timestamp. */
function following(run: Run | undefined): bigint | undefined {
  return run === undefined || run.lastTs >= U64_MAX ? undefined : run.lastTs + 1n;
}
