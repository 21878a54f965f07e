/** What the catalogue needs of other parts. */
import type { RowChange } from '../store/row-change.ts';
import type { Bucket, Entry } from './model.ts';

/** The part of the commit path the catalogue needs. */
export interface RowCommitter {
  /** Resolves after the commit that contains all rows. */
  commitRows(rows: readonly RowChange[]): Promise<void>;
  /** Commits what is staged, before it returns: entries that are being created are durable then, or refused. */
  flush(): void;
  /**
   * Commits what is staged and these rows, before it returns.
   * @throws MillraceError when they could not be stored.
   */
  commitNow(rows: readonly RowChange[]): void;
  readonly headSequence: number;
}

/** Removes what buckets and entries hold, in the background. */
export interface Remover {
  start(bucket: Bucket, onRemoved: () => void): void;
  /** Entries of one bucket that are marked as DELETING. */
  startEntries(entries: readonly Entry[], onRemoved: () => void): void;
}
