/**
 * The head of the log as a row of its own. Normally the next sequence follows from the last block; when the last blocks are
 * removed it would go backwards at the next start, below cursors that have passed it, and what is written then would never
 * be replicated. So every commit that removes blocks also says where the log stands.
 */
import { COLUMN_META, META } from './format.ts';
import { metaKey } from './keys.ts';
import type { RocksReader, WriteBatch } from './rocks.ts';
import type { RowChange } from './row-change.ts';

const HEAD_ROW_ID = 1;
const SEQUENCE_BYTES = 6;

/** Adds the row to a commit. @param nextSequence the sequence that the next block will get after this commit. */
export function putHead(batch: WriteBatch, nextSequence: number): void {
  const { column, key, value } = headRow(nextSequence);
  batch.put(column, key, value);
}

/** The row, to go into a commit of rows. @param nextSequence see `putHead`. */
export function headRow(nextSequence: number): RowChange & { readonly value: Buffer } {
  const value = Buffer.allocUnsafe(SEQUENCE_BYTES);
  value.writeUIntBE(nextSequence, 0, SEQUENCE_BYTES);
  return { column: COLUMN_META, key: metaKey(META.header, HEAD_ROW_ID), value };
}

/** The sequence in the row, 0 when no block was ever removed. */
export function readHead(reader: RocksReader): number {
  const value = reader.get(COLUMN_META, metaKey(META.header, HEAD_ROW_ID));
  return value === undefined ? 0 : value.readUIntBE(0, SEQUENCE_BYTES);
}
