/** Positions in the log, as cursors hold them. */

/** "Everything with a lower sequence is done." Partition is part of every position (0 in the embedded engine). */
export interface Position {
  readonly partition: 0;
  /** Next block to look at. */
  readonly sequence: number;
  /** `bucketOrdinal` of the source bucket at this position: records written to it before. */
  readonly bucketOrdinal: number;
  /** So many records of the block at `sequence` are done, too; absent: none. Only a link budget cuts blocks. */
  readonly index?: number;
}
