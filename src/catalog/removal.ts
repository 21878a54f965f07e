/**
 * Removes the content of buckets and entries in slices between commit groups, so that one of any size never stalls
 * ingest.
 * Each slice is one commit; after a crash the removal starts again at what is left, because the row of the bucket
 * or entry says DELETING until the last slice.
 */
import {
  BLOCK_KIND_LARGE,
  COLUMN_BLOCKS,
  COLUMN_INDEX,
  COLUMN_META,
  META,
} from '../store/format.ts';
import { blockKey, chunkKey, metaIdRange, metaKey } from '../store/keys.ts';
import type { ColumnName, RocksDatabase } from '../store/rocks.ts';
import { indexKey } from '../store/keys.ts';
import { readBlock, runsFrom } from '../store/run-index.ts';
import type { Remover, RowCommitter } from './catalog.ts';
import type { Bucket, Entry, Run } from './model.ts';

interface RowRemoval {
  readonly column: ColumnName;
  readonly key: Buffer;
  readonly value: null;
}

/** Index rows of one slice: some milliseconds of work. */
const RUNS_PER_SLICE = 512;

export class SlicedRemover implements Remover {
  readonly #db: RocksDatabase;
  readonly #commits: RowCommitter;
  readonly #onFailure: (bucket: Bucket, error: unknown) => void;
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  /** @param onFailure told when a slice could not be committed; the removal goes on at the next start. */
  constructor(
    db: RocksDatabase,
    commits: RowCommitter,
    onFailure: (bucket: Bucket, error: unknown) => void,
  ) {
    this.#db = db;
    this.#commits = commits;
    this.#onFailure = onFailure;
  }

  start(bucket: Bucket, onRemoved: () => void): void {
    this.#track(bucket, onRemoved, this.#removeBucket(bucket));
  }

  startEntries(entries: readonly Entry[], onRemoved: () => void): void {
    const [first] = entries;
    if (first !== undefined) this.#track(first.bucket, onRemoved, this.#removeEntries(entries));
  }

  #track(bucket: Bucket, onRemoved: () => void, removal: Promise<boolean>): void {
    const run = removal.then(
      (isComplete) => {
        if (isComplete) onRemoved();
      },
      (error: unknown) => this.#onFailure(bucket, error),
    );
    const tracked = run.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** Ends after the slices in flight; the rest is removed after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  /** @returns false when it was stopped before the end. */
  async #removeBucket(bucket: Bucket): Promise<boolean> {
    const isComplete = await this.#removeEntries([...bucket.entries.values()]);
    if (!isComplete) return false;
    await this.#commits.commitRows([removal(COLUMN_META, metaKey(META.bucket, bucket.id))]);
    return true;
  }

  async #removeEntries(entries: readonly Entry[]): Promise<boolean> {
    for (const entry of entries) {
      for (;;) {
        if (this.#isStopped) return false;
        const runs = runsFrom(this.#db, entry.id, 0n, RUNS_PER_SLICE);
        if (runs.length === 0) break;
        await this.#commits.commitRows(runs.flatMap((run) => this.#rowsOf(entry, run)));
      }
      await this.#commits.commitRows(this.#entryRows(entry));
    }
    return true;
  }

  #rowsOf(entry: Entry, run: Run): RowRemoval[] {
    const rows = [
      removal(COLUMN_INDEX, indexKey(entry.id, run.firstTs)),
      removal(COLUMN_BLOCKS, blockKey(run.sequence)),
    ];
    if (!run.large) return rows;
    const block = readBlock(this.#db, run.sequence);
    const reference = block?.kind === BLOCK_KIND_LARGE ? block.large() : undefined;
    if (block === undefined || reference === undefined) return rows;
    const chunks = Math.ceil(block.length(0) / reference.chunkBytes);
    for (let chunk = 0; chunk < chunks; chunk++) {
      rows.push(removal(COLUMN_BLOCKS, chunkKey(reference.uploadId, chunk)));
    }
    return rows;
  }

  #entryRows(entry: Entry): RowRemoval[] {
    const rows: RowRemoval[] = [
      removal(COLUMN_META, metaKey(META.entry, entry.id)),
      removal(COLUMN_META, metaKey(META.entryStats, entry.id)),
    ];
    const extents = this.#db.iterate(COLUMN_META, {
      ...metaIdRange(META.extent, entry.id),
      keysOnly: true,
    });
    try {
      for (;;) {
        const page = extents.next(1000);
        for (let i = 0; i < page.rows.length; i += 2) {
          const key = page.rows[i];
          if (key !== undefined) rows.push(removal(COLUMN_META, key));
        }
        if (page.finished) return rows;
      }
    } finally {
      extents.close();
    }
  }
}

function removal(column: ColumnName, key: Buffer): RowRemoval {
  return { column, key, value: null };
}
