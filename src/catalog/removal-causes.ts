/** Why records are removed; who waits for them counts them by it. */

export const REMOVAL_CAUSES = [
  /** A FIFO quota of the bucket made room. */
  'quota',
  /** A lifecycle policy. */
  'lifecycle',
  /** Somebody removed records, one by one or by a query. */
  'record_removed',
  'entry_removed',
  'bucket_removed',
] as const;

export type RemovalCause = (typeof REMOVAL_CAUSES)[number];

/** Records of one block that were removed. */
export interface RemovedRows {
  readonly bucketId: number;
  readonly sequence: number;
  readonly records: number;
  readonly cause: RemovalCause;
}
