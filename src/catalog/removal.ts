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
  U64_MAX,
} from '../store/format.ts';
import { blockKey, chunkKey, metaIdRange, metaKey } from '../store/keys.ts';
import type { ColumnName, RocksDatabase } from '../store/rocks.ts';
import { indexKey } from '../store/keys.ts';
import { readBlock, runsFrom } from '../store/run-index.ts';
import type { RemovalCause, RemovedRows } from './removal-causes.ts';
import type { Remover, RowCommitter } from './ports.ts';
import type { Bucket, Entry, Run } from './model.ts';

interface RowRemoval {
  readonly column: ColumnName;
  readonly key: Buffer;
  readonly value: null;
}

/** Index rows of one slice: some milliseconds of work. */
const RUNS_PER_SLICE = 512;
const ROWS_PER_SLICE = 1024;
/** A slice ends behind the run with which it reaches this; only runs of large records have more than two rows. */
const MAX_SLICE_ROWS = 4096;

interface RunSlice {
  readonly rows: readonly RowRemoval[];
  readonly runs: readonly Run[];
  /** Where the next slice begins; undefined when nothing is left. */
  readonly nextTs: bigint | undefined;
}

export class SlicedRemover implements Remover {
  readonly #db: RocksDatabase;
  readonly #commits: RowCommitter;
  readonly #onFailure: (bucket: Bucket, error: unknown) => void;
  readonly #onRows: (rows: readonly RemovedRows[]) => void;
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  /**
   * @param onFailure told when a slice could not be committed; the removal goes on at the next start.
   * @param onRows told of records whose removal is committed.
   */
  constructor(
    db: RocksDatabase,
    commits: RowCommitter,
    onFailure: (bucket: Bucket, error: unknown) => void,
    onRows: (rows: readonly RemovedRows[]) => void = () => undefined,
  ) {
    this.#db = db;
    this.#commits = commits;
    this.#onFailure = onFailure;
    this.#onRows = onRows;
  }

  start(bucket: Bucket, onRemoved: () => void): void {
    this.#track(bucket, onRemoved, this.#removeBucket(bucket));
  }

  startEntries(entries: readonly Entry[], onRemoved: () => void): void {
    const [first] = entries;
    if (first === undefined) return;
    this.#track(first.bucket, onRemoved, this.#removeEntries(entries, 'entry_removed'));
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
    const entries = [...bucket.entries.values()];
    const isComplete = await this.#removeEntries(entries, 'bucket_removed');
    if (!isComplete) return false;
    await this.#commits.commitRows([removal(COLUMN_META, metaKey(META.bucket, bucket.id))]);
    return true;
  }

  async #removeEntries(entries: readonly Entry[], cause: RemovalCause): Promise<boolean> {
    for (const entry of entries) {
      if (!(await this.#removeRuns(entry, cause))) return false;
      for (const kind of [META.extent, META.attachment]) {
        if (!(await this.#removeMetaRows(kind, entry))) return false;
      }
      await this.#commits.commitRows([
        removal(COLUMN_META, metaKey(META.entry, entry.id)),
        removal(COLUMN_META, metaKey(META.entryStats, entry.id)),
      ]);
    }
    return true;
  }

  async #removeRuns(entry: Entry, cause: RemovalCause): Promise<boolean> {
    // Each slice begins behind the one before: a look-up from the start would step over all rows removed so far.
    for (let fromTs: bigint | undefined = 0n; fromTs !== undefined;) {
      if (this.#isStopped) return false;
      const slice: RunSlice = this.#sliceOf(entry, fromTs);
      if (slice.rows.length > 0) await this.#commits.commitRows(slice.rows);
      const bucketId = entry.bucket.id;
      this.#onRows(
        slice.runs.map(({ sequence, count: records }) => ({ bucketId, sequence, records, cause })),
      );
      fromTs = slice.nextTs;
    }
    return true;
  }

  #sliceOf(entry: Entry, fromTs: bigint): RunSlice {
    const runs = runsFrom(this.#db, entry.id, fromTs, RUNS_PER_SLICE);
    const rows: RowRemoval[] = [];
    let done = 0;
    for (const run of runs) {
      rows.push(...this.#rowsOf(entry, run));
      done++;
      if (rows.length >= MAX_SLICE_ROWS) break;
    }
    const last = runs[done - 1];
    const isEnd = done < RUNS_PER_SLICE && done === runs.length;
    const isOver = isEnd || last === undefined || last.firstTs === U64_MAX;
    return { rows, runs: runs.slice(0, done), nextTs: isOver ? undefined : last.firstTs + 1n };
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

  /** Rows of one kind that belong to an entry. */
  async #removeMetaRows(kind: number, entry: Entry): Promise<boolean> {
    const { gte, lt } = metaIdRange(kind, entry.id);
    for (let from = gte; ;) {
      if (this.#isStopped) return false;
      const keys = this.#metaKeys(from, lt);
      const last = keys.at(-1);
      if (last === undefined) return true;
      await this.#commits.commitRows(keys.map((key) => removal(COLUMN_META, key)));
      from = Buffer.concat([last, Buffer.of(0)]);
    }
  }

  #metaKeys(gte: Buffer, lt: Buffer): Buffer[] {
    const range = { gte, lt, keysOnly: true, limit: ROWS_PER_SLICE };
    const iterator = this.#db.iterate(COLUMN_META, range);
    try {
      return iterator.next(ROWS_PER_SLICE).rows.filter((_, at) => at % 2 === 0);
    } finally {
      iterator.close();
    }
  }
}

function removal(column: ColumnName, key: Buffer): RowRemoval {
  return { column, key, value: null };
}
