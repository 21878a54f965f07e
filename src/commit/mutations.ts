/**
 * Changes to records that exist: labels updated, records removed. Main thread only. One session collects the changes of
 * one commit; its look-ups see its own changes over the store, and nothing is true before the commit.
 */
import { countRewrite } from '../catalog/entry-rows.ts';
import type { Entry, Run } from '../catalog/model.ts';
import type { BlockView } from '../store/block.ts';
import type { RecordMeta } from '../store/record-meta.ts';
import { encodeMeta } from '../store/record-meta.ts';
import { U64_MAX } from '../store/format.ts';
import type { Labels } from '../store/labels.ts';
import type { RocksReader, WriteBatch } from '../store/rocks.ts';
import { attachmentKeyOf } from '../wire/attachment-rules.ts';
import { sharedPath } from '../wire/shared-path.ts';
import { BlockEdits } from './block-edits.ts';
import { EntryEdit } from './entry-edit.ts';
import { keptParts, rowOf } from './run-rows.ts';
import type { RemovalCause, RemovedRows } from '../catalog/removal-causes.ts';
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

/** What `removeSlice` did. */
export interface RemovedSlice {
  readonly removed: number;
  /** Where the next slice begins; undefined when nothing is left in the range. */
  readonly nextTs: bigint | undefined;
}

/** Records of one run that are to be removed. */
interface Hit {
  readonly run: Run;
  readonly block: BlockView;
  readonly indexes: number[];
}

/** Whether a task of replication may still look at blocks of the bucket from this sequence on. */
export type IsUnread = (bucketId: number, sequence: number) => boolean;

/** Runs that a removal over a range takes from the index at once. */
const PAGE_RUNS = 256;

export class MutationSession {
  readonly #reader: RocksReader;
  readonly #isUnread: IsUnread;
  readonly #edits = new Map<Entry, EntryEdit>();
  readonly #blocks: BlockEdits;
  readonly #updates = new Map<Entry, LoggedUpdate[]>();
  #isChanged = false;
  /** Why records are removed now; whoever removes them for another reason says so before each step. */
  cause: RemovalCause = 'record_removed';
  /** What was removed. */
  readonly removed: RemovedRows[] = [];

  constructor(reader: RocksReader, isUnread: IsUnread = () => true) {
    this.#reader = reader;
    this.#isUnread = isUnread;
    this.#blocks = new BlockEdits(reader);
  }

  /** False as long as there is nothing to commit. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** Bytes of blocks read so far: what bounds the work of a session. */
  get bytesRead(): number {
    return this.#blocks.bytesRead;
  }

  /** The record with this timestamp, or undefined. */
  find(entry: Entry, ts: bigint): FoundRecord | undefined {
    const run = this.#edit(entry).runs.atOrBefore(ts);
    if (run === undefined || run.lastTs < ts) return undefined;
    const block = this.#blocks.view(run.sequence);
    if (block === undefined) return undefined;
    const index = rowOf(block, run, ts);
    return index === undefined ? undefined : { run, block, index };
  }

  /** Content type and labels, with the changes of this session. */
  metaOf({ block, index }: FoundRecord): RecordMeta {
    return this.#blocks.metaOf(block, index);
  }

  /**
   * Gives a record new labels; content, content type and length stay. Of the path that the record came by those places stay
   * that the change came through, too: the others do not have the record as it is now.
   * @param path that the change came by.
   */
  replaceLabels(entry: Entry, found: FoundRecord, labels: Labels, path = ''): void {
    const { block, index } = found;
    const { contentType, labels: before } = this.metaOf(found);
    const meta = encodeMeta(contentType, labels, path);
    const ts = block.ts(index);
    this.#isChanged = true;
    const recordPath = sharedPath(this.#blocks.pathOf(block, index), path);
    const written = this.#writtenLabels(entry, found, before);
    const isLogged = recordPath === path && written === null;
    const recordMeta = isLogged ? meta : encodeMeta(contentType, labels, recordPath, written);
    this.#blocks.replaceMeta(block, index, recordMeta);
    const edit = this.#edit(entry);
    const addedBytes = metaWireBytes(contentType, labels) - metaWireBytes(contentType, before);
    if (addedBytes !== 0) {
      // The size of the entry is the sum of its runs: what a run took up is what its removal gives back.
      const run = edit.runs.atOrBefore(ts) ?? found.run;
      const sizeBytes = Math.max(0, run.sizeBytes + addedBytes);
      edit.runs.put({ ...run, sizeBytes });
      edit.stats.sizeBytes += sizeBytes - run.sizeBytes;
    }
    edit.attachments?.remove(attachmentKeyOf(before), ts);
    edit.attachments?.add(attachmentKeyOf(labels), ts);
    const kept = new Set(namesOf(labels));
    const removedNames = namesOf(before).filter((name) => !kept.has(name));
    const updates = this.#updates.get(entry) ?? [];
    updates.push({ ts, meta, removedNames });
    this.#updates.set(entry, updates);
  }

  /** Filters decide by the labels that a record was written with, as long as there is a task that has not come to it. */
  #writtenLabels({ bucket }: Entry, { block, index }: FoundRecord, before: Labels): Labels | null {
    if (!this.#isUnread(bucket.id, block.sequence)) return null;
    return this.#blocks.writtenLabelsOf(block, index) ?? before;
  }

  /** Label updates by entry, for the log. */
  loggedUpdates(): ReadonlyMap<Entry, readonly LoggedUpdate[]> {
    return this.#updates;
  }

  /** Removes one record. */
  remove(entry: Entry, { run, block, index }: FoundRecord): void {
    this.#removeRows(this.#edit(entry), { run, block, indexes: [index] });
  }

  /**
   * Removes the records with these timestamps. Looks first and changes then.
   * @param timestamps ascending.
   * @param sequences where each record is expected to lie: one that was removed and written again meanwhile stays.
   * @returns per timestamp: 1 removed, 0 not found.
   */
  removeRecords(
    entry: Entry,
    timestamps: ArrayLike<bigint>,
    sequences?: ArrayLike<number>,
  ): Uint8Array {
    const edit = this.#edit(entry);
    const removed = new Uint8Array(timestamps.length);
    const hits: Hit[] = [];
    let current: Hit | undefined;
    for (let i = 0; i < timestamps.length; i++) {
      const ts = timestamps[i] ?? 0n;
      if (current === undefined || ts > current.run.lastTs) {
        current = this.#hitAt(edit, ts);
        if (current === undefined) continue;
        hits.push(current);
      }
      const { run, block, indexes } = current;
      if (sequences !== undefined && sequences[i] !== run.sequence) continue;
      const index = rowOf(block, run, ts);
      if (index === undefined || index === indexes.at(-1)) continue;
      indexes.push(index);
      removed[i] = 1;
    }
    for (const hit of hits) if (hit.indexes.length > 0) this.#removeRows(edit, hit);
    return removed;
  }

  /**
   * Removes records of [fromTs, toTs) until so many runs were looked at or bytes read.
   * @param isContinued `fromTs` is what the slice before gave: no run begins before it and reaches into the range, and
   *   nothing is looked for there, where all rows were just removed.
   */
  removeSlice(
    entry: Entry,
    fromTs: bigint,
    toTs: bigint,
    isContinued: boolean,
    maxRuns: number = PAGE_RUNS,
    maxBytes: number = Infinity,
  ): RemovedSlice {
    const edit = this.#edit(entry);
    // In front of the oldest record there may be rows of the index that were removed, but not yet forgotten.
    const startTs = fromTs < edit.stats.oldestTs ? edit.stats.oldestTs : fromTs;
    const runs = isContinued
      ? edit.runs.beginningIn(startTs, toTs, maxRuns)
      : edit.runs.touching(startTs, toTs, maxRuns);
    let removed = 0;
    let doneTo = startTs;
    for (const run of runs) {
      if (this.bytesRead >= maxBytes) return { removed, nextTs: doneTo };
      removed += this.#removeFromRun(edit, run, fromTs, toTs);
      doneTo = run.lastTs + 1n;
    }
    const isLast = runs.length < maxRuns || doneTo >= toTs;
    return { removed, nextTs: isLast ? undefined : doneTo };
  }

  /**
   * Removes all records of [fromTs, toTs).
   * @returns how many there were.
   */
  removeRange(entry: Entry, fromTs: bigint, toTs: bigint): number {
    let removed = 0;
    for (let from: bigint | undefined = fromTs; from !== undefined;) {
      const slice: RemovedSlice = this.removeSlice(entry, from, toTs, from !== fromTs);
      removed += slice.removed;
      from = slice.nextTs;
    }
    return removed;
  }

  /**
   * Removes the oldest extent of an entry: what a FIFO quota gives up at a time. Blocks that go as a whole are not read,
   * so this costs time in the number of blocks, not of bytes.
   * @returns how many records there were.
   */
  removeOldestExtent(entry: Entry): number {
    const { extents } = this.#edit(entry);
    const oldest = extents.oldest();
    // Records without an extent: figures of a store that was repaired by hand. Everything counts as the oldest.
    if (oldest === undefined) return this.removeRange(entry, 0n, U64_MAX + 1n);
    const next = extents.after(oldest.startTs);
    const removed = this.removeRange(entry, 0n, next?.startTs ?? U64_MAX + 1n);
    extents.drop(oldest.startTs);
    this.#isChanged = true;
    return removed;
  }

  /** The entry with the changes of this session: for planning a write into the same commit. */
  viewFor(entry: Entry): EntryEdit {
    const edit = this.#edit(entry);
    edit.settle();
    return edit;
  }

  /** Blocks that changed or went: the ring must not hand out their old bytes. */
  changedSequences(): number[] {
    return this.#blocks.changedSequences();
  }

  /** Puts everything into a batch. */
  fill(batch: WriteBatch): void {
    this.#blocks.fill(batch);
    for (const edit of this.#edits.values()) edit.fill(batch);
  }

  /** After the commit: the figures are the entries' own. @returns entries whose runs changed. */
  publish(): Entry[] {
    const changed: Entry[] = [];
    for (const { entry, stats, runs } of this.#edits.values()) {
      entry.bucket.sizeBytes += stats.sizeBytes - entry.stats.sizeBytes;
      entry.stats = stats;
      countRewrite(entry);
      if (runs.isChanged) changed.push(entry);
    }
    return changed;
  }

  #edit(entry: Entry): EntryEdit {
    let edit = this.#edits.get(entry);
    if (edit === undefined) {
      edit = new EntryEdit(entry, this.#reader, this.#blocks);
      this.#edits.set(entry, edit);
    }
    return edit;
  }

  #hitAt(edit: EntryEdit, ts: bigint): Hit | undefined {
    const run = edit.runs.atOrBefore(ts);
    if (run === undefined || run.lastTs < ts) return undefined;
    const block = this.#blocks.view(run.sequence);
    return block === undefined ? undefined : { run, block, indexes: [] };
  }

  /** @returns how many records of the run were in the range. */
  #removeFromRun(edit: EntryEdit, run: Run, fromTs: bigint, toTs: bigint): number {
    if (this.#removeWholeRun(edit, run, fromTs, toTs)) return run.count;
    const block = this.#blocks.view(run.sequence);
    if (block === undefined) return 0;
    const end = run.startIndex + run.count;
    const from = block.lowerBound(fromTs, run.startIndex, end);
    const to = block.lowerBound(toTs, from, end);
    if (to === from) return 0;
    const indexes = Array.from({ length: to - from }, (_, i) => from + i);
    this.#removeRows(edit, { run, block, indexes });
    return to - from;
  }

  /**
   * Removes a run that lies in [fromTs, toTs) and fills its block, without reading the block.
   * @returns false when it has to be done row by row.
   */
  #removeWholeRun(edit: EntryEdit, run: Run, fromTs: bigint, toTs: bigint): boolean {
    if (!run.whole || run.large || run.firstTs < fromTs || run.lastTs >= toTs) return false;
    if (edit.attachments !== undefined || !edit.extents.shrinkByRun(run)) return false;
    this.#isChanged = true;
    this.#tellRemoved(edit, run, run.count);
    edit.runs.remove(run);
    this.#blocks.drop(run.sequence);
    edit.takeOut(run.count, run.sizeBytes);
    return true;
  }

  /** Removes rows of a run: index, block, sizes. */
  #removeRows(edit: EntryEdit, { run, block, indexes }: Hit): void {
    this.#isChanged = true;
    const removedBytes = Math.min(run.sizeBytes, this.#account(edit, block, indexes));
    const parts = keptParts(run, block, indexes, run.sizeBytes - removedBytes);
    edit.takeOut(indexes.length, parts.length === 0 ? run.sizeBytes : removedBytes);
    edit.runs.remove(run);
    for (const part of parts) edit.runs.put(part);
    this.#blocks.removeRows(block, indexes);
    this.#tellRemoved(edit, run, indexes.length);
  }

  #tellRemoved({ entry }: EntryEdit, { sequence }: Run, records: number): void {
    const { cause } = this;
    this.removed.push({ bucketId: entry.bucket.id, sequence, records, cause });
  }

  /**
   * Takes rows out of extents and attachments. What the contract leaves free (http-api §4.3): the offset a record once
   * had in its extent is not kept, so the bytes that encoded it are taken as if it had been the first.
   * @returns contract bytes of the rows.
   */
  #account(edit: EntryEdit, block: BlockView, indexes: readonly number[]): number {
    let bytes = 0;
    for (const index of indexes) {
      const ts = block.ts(index);
      const length = block.length(index);
      const { contentType, labels } = this.#blocks.metaOf(block, index);
      bytes += length + placeWireBytes(ts, 0, length) + metaWireBytes(contentType, labels);
      edit.extents.shrink(ts, length);
      edit.attachments?.remove(attachmentKeyOf(labels), ts);
    }
    return bytes;
  }
}

function namesOf(labels: Labels): string[] {
  return labels.filter((_, at) => at % 2 === 0);
}
