/**
 * Changes to records that exist: labels updated, records removed. Main thread only. One session collects the changes of
 * one commit; its look-ups see its own changes over the store, and nothing is true before the commit.
 */
import type { Entry, EntryStats, Run } from '../catalog/model.ts';
import { encodeExtent, encodeStats } from '../catalog/rows.ts';
import type { RecordMeta } from '../store/block.ts';
import { BlockView, encodeMeta } from '../store/block.ts';
import type { RecordChange } from '../store/block-rewrite.ts';
import { liveRecords, rewriteBlock } from '../store/block-rewrite.ts';
import { COLUMN_BLOCKS, COLUMN_INDEX, COLUMN_META, META, U64_MAX } from '../store/format.ts';
import { blockKey, chunkKey, indexKey, metaKey, metaKey64 } from '../store/keys.ts';
import type { RocksReader, WriteBatch } from '../store/rocks.ts';
import { encodeRun, readBlock, runAtOrBefore, runsFrom } from '../store/run-index.ts';
import { ExtentEdits } from './extent-edits.ts';
import { metaWireBytes, placeWireBytes } from './wire-size.ts';

/** A record where it lies. */
export interface FoundRecord {
  readonly run: Run;
  readonly block: BlockView;
  readonly index: number;
}

/** A label update as replication will read it from the log. */
export interface LoggedUpdate {
  readonly ts: bigint;
  /** Content type and all labels after the update, encoded. */
  readonly meta: Buffer;
  readonly removedNames: readonly string[];
}

/** Figures of an entry while a session changes them. */
interface EntryEdit {
  readonly entry: Entry;
  readonly stats: EntryStats;
  /** By `firstTs`; null: the row is removed. */
  readonly runs: Map<bigint, Run | null>;
  readonly extents: ExtentEdits;
}

export class MutationSession {
  readonly #reader: RocksReader;
  readonly #edits = new Map<Entry, EntryEdit>();
  /** Changed blocks; null: removed. */
  readonly #blocks = new Map<number, BlockView | null>();
  readonly #removedChunks: Buffer[] = [];
  readonly #updates = new Map<Entry, LoggedUpdate[]>();

  constructor(reader: RocksReader) {
    this.#reader = reader;
  }

  /** The record with this timestamp, or undefined. */
  find(entry: Entry, ts: bigint): FoundRecord | undefined {
    const run = this.#runAtOrBefore(this.#edit(entry), ts);
    if (run === undefined || run.lastTs < ts) return undefined;
    const block = this.#block(run.sequence);
    if (block === undefined) return undefined;
    const end = run.startIndex + run.count;
    const index = block.lowerBound(ts, run.startIndex, end);
    return index < end && block.ts(index) === ts ? { run, block, index } : undefined;
  }

  /** Gives a record new labels; content, content type and length stay. */
  replaceLabels(entry: Entry, found: FoundRecord, labels: readonly string[]): void {
    const before: RecordMeta = found.block.metaOf(found.index);
    const meta = encodeMeta(before.contentType, labels);
    this.#rewrite(found.block, new Map([[found.index, meta]]));
    const { stats } = this.#edit(entry);
    stats.sizeBytes +=
      metaWireBytes(before.contentType, labels) - metaWireBytes(before.contentType, before.labels);
    const removedNames = namesOf(before.labels).filter((name) => !namesOf(labels).includes(name));
    const updates = this.#updates.get(entry) ?? [];
    updates.push({ ts: found.block.ts(found.index), meta, removedNames });
    this.#updates.set(entry, updates);
  }

  /** Label updates by entry, for the log. */
  loggedUpdates(): ReadonlyMap<Entry, readonly LoggedUpdate[]> {
    return this.#updates;
  }

  /** Removes one record. */
  remove(entry: Entry, { run, block, index }: FoundRecord): void {
    this.#removeRows(this.#edit(entry), run, block, index, index + 1);
  }

  /**
   * Removes all records of [fromTs, toTs).
   * @returns how many there were.
   */
  removeRange(entry: Entry, fromTs: bigint, toTs: bigint): number {
    const edit = this.#edit(entry);
    let removed = 0;
    for (const run of this.#runsIn(edit, fromTs, toTs)) {
      if (this.#removeWholeRun(edit, run, fromTs, toTs)) {
        removed += run.count;
        continue;
      }
      const block = this.#block(run.sequence);
      if (block === undefined) continue;
      const end = run.startIndex + run.count;
      const from = block.lowerBound(fromTs, run.startIndex, end);
      const to = block.lowerBound(toTs, from, end);
      if (to === from) continue;
      this.#removeRows(edit, run, block, from, to);
      removed += to - from;
    }
    return removed;
  }

  /**
   * Removes the oldest extent of an entry: what a FIFO quota gives up at a time. Blocks that go as a whole are not read,
   * so this costs time in the number of blocks, not of bytes.
   * @returns how many records there were.
   */
  removeOldestExtent(entry: Entry): number {
    const edit = this.#edit(entry);
    const oldest = edit.extents.oldest();
    // Records without an extent: figures of a store that was repaired by hand. Everything counts as the oldest.
    if (oldest === undefined) return this.removeRange(entry, 0n, U64_MAX + 1n);
    const next = edit.extents.after(oldest.startTs);
    const removed = this.removeRange(entry, 0n, next?.startTs ?? U64_MAX + 1n);
    edit.extents.drop(oldest.startTs);
    return removed;
  }

  /** Sequences of blocks that changed or went: the ring must not hand out their old bytes. */
  changedSequences(): Iterable<number> {
    return this.#blocks.keys();
  }

  /** Puts everything into a batch. */
  fill(batch: WriteBatch): void {
    for (const [sequence, block] of this.#blocks) {
      if (block === null) batch.del(COLUMN_BLOCKS, blockKey(sequence));
      else batch.put(COLUMN_BLOCKS, blockKey(sequence), block.bytes);
    }
    for (const key of this.#removedChunks) batch.del(COLUMN_BLOCKS, key);
    for (const { entry, stats, runs, extents } of this.#edits.values()) {
      for (const [firstTs, run] of runs) {
        const key = indexKey(entry.id, firstTs);
        if (run === null) batch.del(COLUMN_INDEX, key);
        else batch.put(COLUMN_INDEX, key, encodeRun(run));
      }
      for (const [startTs, extent] of extents.changes()) {
        const key = metaKey64(META.extent, entry.id, startTs);
        if (extent === null) batch.del(COLUMN_META, key);
        else batch.put(COLUMN_META, key, encodeExtent(extent));
      }
      batch.put(COLUMN_META, metaKey(META.entryStats, entry.id), encodeStats(stats));
    }
  }

  /** After the commit: the figures are the entries' own. @returns entries whose runs changed. */
  publish(): Entry[] {
    const changed: Entry[] = [];
    for (const { entry, stats, runs } of this.#edits.values()) {
      entry.bucket.sizeBytes += stats.sizeBytes - entry.stats.sizeBytes;
      entry.stats = stats;
      if (runs.size > 0) changed.push(entry);
    }
    return changed;
  }

  #edit(entry: Entry): EntryEdit {
    let edit = this.#edits.get(entry);
    if (edit === undefined) {
      const { extent } = entry.stats;
      const stats = { ...entry.stats, extent: extent === undefined ? undefined : { ...extent } };
      const extents = new ExtentEdits(this.#reader, entry.id, stats);
      edit = { entry, stats, runs: new Map(), extents };
      this.#edits.set(entry, edit);
    }
    return edit;
  }

  #block(sequence: number): BlockView | undefined {
    const changed = this.#blocks.get(sequence);
    if (changed !== undefined) return changed ?? undefined;
    return readBlock(this.#reader, sequence);
  }

  #rewrite(block: BlockView, changes: ReadonlyMap<number, RecordChange>): BlockView {
    const rewritten = new BlockView(rewriteBlock(block, changes));
    this.#blocks.set(block.sequence, rewritten);
    return rewritten;
  }

  #runAtOrBefore(edit: EntryEdit, ts: bigint): Run | undefined {
    let best: Run | undefined;
    for (const run of edit.runs.values()) {
      if (run !== null && run.firstTs <= ts && (best === undefined || run.firstTs > best.firstTs)) {
        best = run;
      }
    }
    let stored = runAtOrBefore(this.#reader, edit.entry.id, ts);
    while (stored !== undefined && edit.runs.has(stored.firstTs)) {
      if (stored.firstTs === 0n) stored = undefined;
      else stored = runAtOrBefore(this.#reader, edit.entry.id, stored.firstTs - 1n);
    }
    if (stored === undefined) return best;
    return best === undefined || stored.firstTs > best.firstTs ? stored : best;
  }

  #runFrom(edit: EntryEdit, fromTs: bigint): Run | undefined {
    let best: Run | undefined;
    for (const run of edit.runs.values()) {
      if (
        run !== null &&
        run.firstTs >= fromTs &&
        (best === undefined || run.firstTs < best.firstTs)
      ) {
        best = run;
      }
    }
    for (let from = fromTs; ;) {
      const [stored] = runsFrom(this.#reader, edit.entry.id, from, 1);
      if (stored === undefined) return best;
      if (best !== undefined && best.firstTs < stored.firstTs) return best;
      if (!edit.runs.has(stored.firstTs)) return stored;
      from = stored.firstTs + 1n;
    }
  }

  #runsIn(edit: EntryEdit, fromTs: bigint, toTs: bigint): Run[] {
    const runs: Run[] = [];
    const first = this.#runAtOrBefore(edit, fromTs);
    if (first !== undefined && first.lastTs >= fromTs) runs.push(first);
    let next = this.#runFrom(edit, first === undefined ? fromTs : first.firstTs + 1n);
    while (next !== undefined && next.firstTs < toTs) {
      if (next.firstTs >= fromTs) runs.push(next);
      next = this.#runFrom(edit, next.firstTs + 1n);
    }
    return runs;
  }

  /**
   * Removes a run that lies in [fromTs, toTs) and fills its block, without reading the block. Extents that lose all their
   * records this way are removed by the caller.
   * @returns false when it has to be done row by row.
   */
  #removeWholeRun(edit: EntryEdit, run: Run, fromTs: bigint, toTs: bigint): boolean {
    if (!run.whole || run.large || run.firstTs < fromTs || run.lastTs >= toTs) return false;
    edit.runs.set(run.firstTs, null);
    this.#blocks.set(run.sequence, null);
    takeOut(edit.stats, run.count, run.sizeBytes);
    this.#findBounds(edit);
    return true;
  }

  /** Removes rows [from, to) of a run: index, block, sizes, oldest and latest. */
  #removeRows(edit: EntryEdit, run: Run, block: BlockView, from: number, to: number): void {
    const end = run.startIndex + run.count;
    const removedBytes = this.#account(edit, block, from, to);
    const keptBytes = Math.max(0, run.sizeBytes - removedBytes);
    const kept = run.count - (to - from);
    const part = (start: number, stop: number): Run => ({
      ...run,
      firstTs: block.ts(start),
      lastTs: block.ts(stop - 1),
      startIndex: start,
      count: stop - start,
      sizeBytes: Math.floor((keptBytes * (stop - start)) / kept),
    });
    edit.runs.set(run.firstTs, from > run.startIndex ? part(run.startIndex, from) : null);
    if (to < end) {
      // Both halves lie in one block now, unless the left one is empty.
      const isWhole = run.whole && from === run.startIndex;
      edit.runs.set(block.ts(to), { ...part(to, end), whole: isWhole });
      const left = edit.runs.get(run.firstTs);
      if (left !== null && left !== undefined)
        edit.runs.set(left.firstTs, { ...left, whole: false });
    }
    this.#dropRows(run, block, from, to);
    this.#findBounds(edit);
  }

  #dropRows(run: Run, block: BlockView, from: number, to: number): void {
    const live = run.whole ? run.count : liveRecords(block);
    if (live > to - from) {
      const changes = new Map<number, RecordChange>();
      for (let index = from; index < to; index++) changes.set(index, null);
      this.#rewrite(block, changes);
      return;
    }
    this.#blocks.set(block.sequence, null);
    const large = block.large();
    if (large === undefined) return;
    const chunks = Math.ceil(block.length(0) / large.chunkBytes);
    for (let chunk = 0; chunk < chunks; chunk++) {
      this.#removedChunks.push(chunkKey(large.uploadId, chunk));
    }
  }

  /**
   * Takes rows out of size and extents. What the contract leaves free (http-api §4.3): the offset a record once had in its
   * extent is not kept, so the bytes that encoded it are taken as if it had been the first.
   * @returns bytes taken out.
   */
  #account(edit: EntryEdit, block: BlockView, from: number, to: number): number {
    const { stats } = edit;
    let removedBytes = 0;
    for (let index = from; index < to; index++) {
      const ts = block.ts(index);
      const length = block.length(index);
      const { contentType, labels } = block.metaOf(index);
      removedBytes += length + placeWireBytes(ts, 0, length) + metaWireBytes(contentType, labels);
      edit.extents.shrink(ts, length);
    }
    takeOut(stats, to - from, removedBytes);
    return removedBytes;
  }

  /** Oldest and latest record after a removal. */
  #findBounds(edit: EntryEdit): void {
    const { stats } = edit;
    const first = this.#runFrom(edit, 0n);
    const last = this.#runAtOrBefore(edit, U64_MAX);
    stats.oldestTs = first?.firstTs ?? 0n;
    stats.latestTs = last?.lastTs ?? 0n;
  }
}

/** Takes records out of an entry's figures. */
function takeOut(stats: EntryStats, records: number, bytes: number): void {
  stats.recordCount -= records;
  stats.sizeBytes = stats.recordCount === 0 ? 0 : Math.max(0, stats.sizeBytes - bytes);
}

function namesOf(labels: readonly string[]): string[] {
  return labels.filter((_, at) => at % 2 === 0);
}
