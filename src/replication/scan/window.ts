/** A window: a stretch of the log as one task sees it, filtered and encoded. Immutable, so that tasks can share it. */
import type { Position } from '../../catalog/positions.ts';
import type { FilterState } from '../filter-state.ts';
import type { Batch } from './batch.ts';

/**
 * Why a window ends where it does: `limit` a fixed bound of size or sequence, so that another scan from the same
 * position ends there too; `head` nothing more was published; `page` the next block needs another read from the store;
 * `stop` the sequence asked for; `entry` the name of the next entry is unknown.
 */
export type WindowEnd = 'limit' | 'head' | 'page' | 'stop' | 'entry';

export interface Window {
  readonly from: Position;
  /** First position behind the window. */
  readonly to: Position;
  readonly end: WindowEnd;
  readonly batches: readonly Batch[];
  /** Matching records and their content bytes. */
  readonly records: number;
  readonly bytes: number;
  /** Matching records that were given up, because the task has too many. */
  readonly droppedRecords: number;
  /** Records of a range's scope, whether they match or not, and their content bytes; 0 outside of ranges. */
  readonly seenRecords: number;
  readonly seenBytes: number;
  /** Records of the bucket that are missing from the log between `from` and `to`. */
  readonly removed: number;
  /** State of the filters at `to`; `null` for stateless ones. */
  readonly filterState: FilterState | null;
  /** Set with end `entry`: entries above this id are unknown. */
  readonly needsEntriesAfter: number | null;
  /** Memory the window keeps alive, roughly, in bytes. */
  readonly retainedBytes: number;
  readonly createdMs: number;
}
