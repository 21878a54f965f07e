/** The blocks that a session changes. Each is written again once, when the session is committed. */
import type { BlockView } from '../store/block.ts';
import type { RecordMeta } from '../store/record-meta.ts';
import { decodeMeta, pathOfMeta, writtenLabelsOfMeta } from '../store/record-meta.ts';
import type { RecordChange } from '../store/block-rewrite.ts';
import { liveRecords, rewriteBlock } from '../store/block-rewrite.ts';
import { COLUMN_BLOCKS } from '../store/format.ts';
import { blockKey, chunkKey } from '../store/keys.ts';
import type { Labels } from '../store/labels.ts';
import type { RocksReader, WriteBatch } from '../store/rocks.ts';
import { readBlock } from '../store/run-index.ts';

interface BlockEdit {
  readonly view: BlockView;
  readonly changes: Map<number, RecordChange>;
  /** Records that are not removed, these changes included. */
  live: number;
}

export class BlockEdits {
  readonly #reader: RocksReader;
  readonly #views = new Map<number, BlockView>();
  readonly #edits = new Map<number, BlockEdit>();
  readonly #gone = new Set<number>();
  readonly #goneChunks: Buffer[] = [];
  #bytesRead = 0;

  constructor(reader: RocksReader) {
    this.#reader = reader;
  }

  /** Bytes read from the store: what the session costs, as every change begins with a read. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** The block as it is stored, or undefined when there is none any more. */
  view(sequence: number): BlockView | undefined {
    if (this.#gone.has(sequence)) return undefined;
    const known = this.#views.get(sequence);
    if (known !== undefined) return known;
    const view = readBlock(this.#reader, sequence);
    if (view === undefined) return undefined;
    this.#bytesRead += view.bytes.length;
    this.#views.set(sequence, view);
    return view;
  }

  /** Content type and labels of a record, with the changes of this session. */
  metaOf(view: BlockView, index: number): RecordMeta {
    const change = this.#edits.get(view.sequence)?.changes.get(index);
    return change === undefined || change === null ? view.metaOf(index) : decodeMeta(change, 0);
  }

  /** Path of replication that a record came by. */
  pathOf(view: BlockView, index: number): string {
    return pathOfMeta(this.#metaBytes(view, index));
  }

  /** Labels that a record was written with; `null`: those it has. */
  writtenLabelsOf(view: BlockView, index: number): Labels | null {
    return writtenLabelsOfMeta(this.#metaBytes(view, index));
  }

  /** @param meta from `encodeMeta`. */
  replaceMeta(view: BlockView, index: number, meta: Buffer): void {
    this.#edit(view).changes.set(index, meta);
  }

  /** Removes records that are not removed yet. When none remains, the block goes, and its chunks. */
  removeRows(view: BlockView, indexes: readonly number[]): void {
    const edit = this.#edit(view);
    edit.live -= indexes.length;
    if (edit.live > 0) {
      for (const index of indexes) edit.changes.set(index, null);
      return;
    }
    this.drop(view.sequence);
    const large = view.large();
    if (large === undefined) return;
    const chunks = Math.ceil(view.length(0) / large.chunkBytes);
    for (let chunk = 0; chunk < chunks; chunk++) {
      this.#goneChunks.push(chunkKey(large.uploadId, chunk));
    }
  }

  /** Removes a block without reading it. It must not be one of a large record. */
  drop(sequence: number): void {
    this.#edits.delete(sequence);
    this.#gone.add(sequence);
  }

  /** Blocks whose bytes are no longer those that were published. */
  changedSequences(): number[] {
    return [...this.#edits.keys(), ...this.#gone];
  }

  fill(batch: WriteBatch): void {
    for (const [sequence, { view, changes }] of this.#edits) {
      batch.put(COLUMN_BLOCKS, blockKey(sequence), rewriteBlock(view, changes));
    }
    for (const sequence of this.#gone) batch.del(COLUMN_BLOCKS, blockKey(sequence));
    for (const key of this.#goneChunks) batch.del(COLUMN_BLOCKS, key);
  }

  #metaBytes(view: BlockView, index: number): Buffer {
    const change = this.#edits.get(view.sequence)?.changes.get(index);
    return change ?? view.metaBytes(view.metaIndex(index));
  }

  #edit(view: BlockView): BlockEdit {
    let edit = this.#edits.get(view.sequence);
    if (edit === undefined) {
      edit = { view, changes: new Map(), live: liveRecords(view) };
      this.#edits.set(view.sequence, edit);
    }
    return edit;
  }
}
