/** Changes to records that exist, as the front asks for them. Main thread only. */
import type { RemovalCause } from '../catalog/removal-causes.ts';
import type { Entry } from '../catalog/model.ts';
import type { MillraceError } from '../errors/errors.ts';
import type { Labels } from '../store/labels.ts';

/** New labels for one record. */
export interface LabelChange {
  readonly entry: Entry;
  readonly ts: bigint;
  /** See `applyOperations`. */
  readonly operations: Labels;
  /** Path of replication that the change came by; absent when it was made here. */
  readonly path?: string;
}

/** Records of one entry. */
export interface RecordSet {
  readonly entry: Entry;
  /** Ascending, without repetition. */
  readonly timestamps: BigUint64Array;
  /** Blocks in which the records were seen; a record that lies elsewhere now is another one and stays. */
  readonly sequences?: Float64Array;
}

/** Per record: null, or why it did not happen. */
export type ChangeErrors = readonly (MillraceError | null)[];

export interface RecordChanges {
  /**
   * Resolves when all changes are durable. An update that changes nothing is not written and not replicated.
   * @returns 404 `Record <ts> not found in entry <b>/<e>`, 409 for entries being deleted.
   * @throws UnavailableError when the store cannot be written, or too many changes wait.
   */
  update(changes: readonly LabelChange[]): Promise<ChangeErrors>;
  /** Like `update`; errors in the order of the timestamps. @param cause default: somebody removes them. */
  remove(records: RecordSet, cause?: RemovalCause): Promise<ChangeErrors>;
  /**
   * Removes the records of [fromTs, toTs).
   * @returns how many there were.
   * @throws ApiError 409 for an entry being deleted, UnavailableError.
   */
  removeRange(entry: Entry, fromTs: bigint, toTs: bigint, cause?: RemovalCause): Promise<number>;
}
