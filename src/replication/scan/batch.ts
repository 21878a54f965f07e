/** What a task sends in one request, ready for the wire; immutable, so that tasks can share it. */
import type { MetaInfo } from './meta-cache.ts';

/** Limits of one batch (replication §5.2). */
export interface BatchLimits {
  readonly maxRecords: number;
  /** A batch ends with the record that reaches this; a larger record travels alone. */
  readonly maxBytes: number;
  /** Length of all record headers together. */
  readonly maxHeaderBytes: number;
}

/** More record headers exceed the 100 header lines that targets accept by default (replication §5.2). */
export const MAX_BATCH_RECORDS = 85;

/** A batch ends at this much header text; a proxy in between often allows less and is learnt about by its 431. */
export const MAX_BATCH_HEADER_BYTES: number = 256 * 1024;

/** Content of a large record: read chunk by chunk while it is sent. */
export interface LargeBody {
  readonly uploadId: number;
  readonly chunkBytes: number;
}

export interface Batch {
  /** Records, or new labels of records (replication §5.3). */
  readonly kind: 'write' | 'update';
  readonly entryId: number;
  /** Name at the source. */
  readonly entryName: string;
  /** Name at the target, percent-encoded for a path. */
  readonly entryPath: string;
  /**
   * Record headers as a flat list for undici: `x-reduct-time-<ts>`, `<length><tail>`, … in ascending order of time.
   * Also for records that do not travel by batch header, to name their timestamp and length; the tail is empty then.
   * Updates: `0,,<label>=<value>…`, in the order of the log.
   */
  readonly headers: readonly string[];
  readonly recordCount: number;
  readonly bodyBytes: number;
  readonly body: Buffer | LargeBody;
  /** Set for a single record that batch headers cannot carry. */
  readonly single: MetaInfo | undefined;
  /** Lowest sequence of its blocks. */
  readonly firstSequence: number;
}

export const TIME_HEADER = 'x-reduct-time-';

/** Timestamp of record `index`, µs. */
export function tsOfBatch(batch: Batch, index: number): bigint {
  return BigInt((batch.headers[index * 2] ?? '').slice(TIME_HEADER.length));
}

/** Content length of record `index`, bytes. */
export function lengthOfBatch(batch: Batch, index: number): number {
  return Number.parseInt(batch.headers[index * 2 + 1] ?? '0', 10);
}

/** Records [from, to) of a batch whose content is in memory, as a batch of their own. Shares the memory. */
export function sliceBatch(batch: Batch, from: number, to: number): Batch {
  const { body } = batch;
  if (!Buffer.isBuffer(body)) return batch;
  let start = 0;
  for (let i = 0; i < from; i++) start += lengthOfBatch(batch, i);
  let end = start;
  for (let i = from; i < to; i++) end += lengthOfBatch(batch, i);
  return {
    ...batch,
    headers: batch.headers.slice(from * 2, to * 2),
    recordCount: to - from,
    bodyBytes: end - start,
    body: body.subarray(start, end),
  };
}
