/** One row to be written or removed with the next commit. */
import type { ColumnName } from './rocks.ts';

export interface RowChange {
  readonly column: ColumnName;
  readonly key: Buffer;
  /** Null removes the row. */
  readonly value: Buffer | null;
}
