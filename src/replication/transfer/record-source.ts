/** Where a sender gets what a batch does not carry with it: the store of this instance, or another server. */
import type { Batch, LargeBody } from '../scan/batch.ts';
import type { FullWrite } from './full-write.ts';

export interface RecordSource {
  /**
   * Content of a large record, piece by piece, so that content of any size passes through little memory. Read anew for
   * each attempt. An error breaks the body off, which destroys the connection: the target must not take the rest for
   * the whole. @throws ApiError 404 when the source no longer has the record.
   */
  readLarge(batch: Batch, body: LargeBody): AsyncIterable<Buffer>;
  /** Reads records as they are now, which the target cannot update. @param wanted their timestamps, µs. */
  readFull(batch: Batch, wanted: readonly bigint[]): FullWrite;
}

/** Text of the error for a record that the source no longer has. */
export function goneText({ entryName }: Batch, ts: bigint): string {
  return `Record ${ts} not found in entry ${entryName}`;
}
