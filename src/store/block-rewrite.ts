/** Changing records of a stored block: labels replaced, records removed. Sequence and row numbers stay. */
import { type BlockView, shareMeta } from './block.ts';
import { BLOCK, BLOCK_KIND_LARGE, BLOCK_ROW, REMOVED_META } from './format.ts';

/** What happens to one record: `null` removes it, a buffer from `encodeMeta` replaces content type and labels. */
export type RecordChange = Buffer | null;

/** Row of a record while the new block is laid out. */
interface NewRow {
  /** `REMOVED_META`: the record is removed. */
  readonly metaIndex: number;
  readonly length: number;
}

/**
 * Encodes the block again with these changes. Content of removed records is left out, so its space comes back.
 * @param changes by record index. At least one record must remain, and a large record cannot be removed this way:
 *   remove the block (and its chunks) instead.
 */
export function rewriteBlock(view: BlockView, changes: ReadonlyMap<number, RecordChange>): Buffer {
  const metas: Buffer[] = [];
  const rows = newRows(view, changes, metas);
  const metaBytes = metas.reduce((sum, meta) => sum + meta.length, 0);
  const metasAt = BLOCK.headerBytes + rows.length * BLOCK_ROW.bytes + metas.length * 4;
  const payloadStart = metasAt + metaBytes;
  const payloadBytes = newPayloadBytes(view, rows);
  const out = Buffer.alloc(payloadStart + payloadBytes);
  view.bytes.copy(out, 0, 0, BLOCK.headerBytes);
  out.writeUInt16BE(metas.length, BLOCK.metaCount);
  out.writeUInt32BE(metaBytes, BLOCK.metaBytes);
  out.writeUInt32BE(payloadBytes, BLOCK.payloadBytes);
  writeRows(out, view, rows);
  writeMetas(out, metasAt, metas);
  writePayloads(out, payloadStart, view, rows);
  return out;
}

/** Number of records of a block that are not removed. */
export function liveRecords(view: BlockView): number {
  let live = 0;
  for (let i = 0; i < view.recordCount; i++) if (!view.isRemoved(i)) live++;
  return live;
}

/** @param metas gets those of the rows; rows with the same bytes share one, as in a new block. */
function newRows(
  view: BlockView,
  changes: ReadonlyMap<number, RecordChange>,
  metas: Buffer[],
): NewRow[] {
  const isEqual = (a: Buffer, b: Buffer): boolean => a.equals(b);
  return Array.from({ length: view.recordCount }, (_, index) => {
    const change = changes.get(index);
    if (change === null || view.isRemoved(index)) return { metaIndex: REMOVED_META, length: 0 };
    const meta = change ?? view.metaBytes(view.metaIndex(index));
    return { metaIndex: shareMeta(metas, meta, isEqual), length: view.length(index) };
  });
}

function newPayloadBytes(view: BlockView, rows: readonly NewRow[]): number {
  if (view.kind === BLOCK_KIND_LARGE) return view.payloadBytes;
  return rows.reduce((sum, { length }) => sum + length, 0);
}

function writeRows(out: Buffer, view: BlockView, rows: readonly NewRow[]): void {
  for (const [index, { metaIndex, length }] of rows.entries()) {
    const at = BLOCK.headerBytes + index * BLOCK_ROW.bytes;
    out.writeBigUInt64BE(view.ts(index), at + BLOCK_ROW.timestamp);
    out.writeUIntBE(length, at + BLOCK_ROW.length, 6);
    out.writeUInt16BE(metaIndex, at + BLOCK_ROW.metaIndex);
  }
}

function writeMetas(out: Buffer, metasAt: number, metas: readonly Buffer[]): void {
  let offsetAt = metasAt - metas.length * 4;
  let at = metasAt;
  for (const meta of metas) {
    offsetAt = out.writeUInt32BE(at - metasAt, offsetAt);
    at += meta.copy(out, at);
  }
}

function writePayloads(
  out: Buffer,
  payloadStart: number,
  view: BlockView,
  rows: readonly NewRow[],
): void {
  if (view.kind === BLOCK_KIND_LARGE) {
    view.bytes.copy(out, payloadStart, view.payloadStart);
    return;
  }
  let at = payloadStart;
  for (const [index, { metaIndex }] of rows.entries()) {
    if (metaIndex !== REMOVED_META) at += view.payload(index).copy(out, at);
  }
}
