/**
 * How a range sees blocks. What it sends must not undo what live records did before it: a record carries the labels that
 * it has now, because blocks are rewritten when labels change; a label update is sent with the labels of now instead of
 * those it brought, or not at all by a back-fill, which sends the record itself.
 */
import {
  type BlockRecord,
  blockBytesBound,
  type BlockView,
  encodeUpdateBlock,
} from '../../store/block.ts';
import { decodeMeta, encodeMeta } from '../../store/record-meta.ts';
import { BLOCK_KIND_UPDATES } from '../../store/format.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { compileEntryPatterns, isMetaEntry } from '../entry-pattern.ts';
import type { RangeScan } from '../messages.ts';
import { LogBlock } from '../scan/log-block.ts';
import { findRecord } from '../transfer/full-write.ts';

/** Records [from, to) of a block. */
export interface BlockPart {
  readonly view: BlockView;
  readonly from: number;
  readonly to: number;
  /** Those among them that are still there, and their content bytes. */
  readonly records: number;
  readonly bytes: number;
}

export class RangeView {
  readonly isBackfill: boolean;
  readonly windowRecords: number;
  readonly #range: RangeScan;
  readonly #store: RocksReader;
  readonly #selects: (entryName: string) => boolean;

  constructor(range: RangeScan, store: RocksReader) {
    this.#range = range;
    this.#store = store;
    this.isBackfill = range.kind === 'backfill';
    this.windowRecords = range.windowRecords;
    this.#selects = compileEntryPatterns(range.scope.entries);
  }

  selects(entryName: string): boolean {
    return this.#selects(entryName);
  }

  /** What of records [begin, end) of the block belongs to the range; `null` for nothing. Updates come as a whole. */
  partOf(
    view: BlockView,
    entryName: string,
    begin = 0,
    end: number = view.recordCount,
  ): BlockPart | null {
    if (view.kind === BLOCK_KIND_UPDATES) {
      if (this.isBackfill) return null;
      // What happens to an attachment happens once, so that there is nothing to overtake.
      const updates = isMetaEntry(entryName) ? view : refreshUpdates(view, this.#store);
      return updates === null ? null : { ...whole(updates), records: 0, bytes: 0 };
    }
    const { startUs, stopUs } = this.#range.scope;
    const from = startUs === null ? begin : view.lowerBound(startUs, begin, end);
    const to = stopUs === null ? end : view.lowerBound(stopUs, from, end);
    if (from >= to) return null;
    let records = 0;
    let bytes = 0;
    for (let i = from; i < to; i++) {
      if (view.isRemoved(i)) continue;
      records++;
      bytes += view.length(i);
    }
    return { view, from, to, records, bytes };
  }
}

function whole(view: BlockView): Pick<BlockPart, 'view' | 'from' | 'to'> {
  return { view, from: 0, to: view.recordCount };
}

/**
 * A block of updates as it would be if the updates were made now: once a record, with its labels of now, and only those of
 * the removed labels that it still has not. Records that are gone are left out; `null` when all are.
 */
export function refreshUpdates(view: BlockView, store: RocksReader): BlockView | null {
  const removedByTs = new Map<bigint, Set<string>>();
  for (let i = 0; i < view.recordCount; i++) {
    const ts = view.ts(i);
    const removed = removedByTs.get(ts) ?? new Set();
    const { labels } = decodeMeta(view.bytes, view.payloadOffset(i));
    for (let at = 0; at < labels.length; at += 2) removed.add(labels[at] ?? '');
    removedByTs.set(ts, removed);
  }
  const records: BlockRecord[] = [];
  for (const [ts, removed] of removedByTs) {
    const found = findRecord(store, view.entryId, ts);
    if (found === undefined) continue;
    const { contentType, labels } = found.view.metaOf(found.index);
    for (let at = 0; at < labels.length; at += 2) removed.delete(labels[at] ?? '');
    const source = encodeMeta(
      '',
      [...removed].flatMap((name) => [name, '']),
    );
    const meta = encodeMeta(contentType, labels);
    records.push({ ts, meta, source, offset: 0, length: source.length });
  }
  if (records.length === 0) return null;
  const out = Buffer.allocUnsafe(blockBytesBound(records));
  return new LogBlock(out.subarray(0, encodeUpdateBlock(out, view, records)));
}
