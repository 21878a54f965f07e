/** What a task sends in one request, ready for the wire; immutable, so that tasks can share it. */
import type { MetaInfo } from './meta-cache.ts';
import { joinRecordHeaders, TIME_HEADER } from './record-headers.ts';

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
   * Record headers in ascending order of time, see `RecordHeaders`. Also for records that do not travel by batch header, to
   * name their timestamp and length; the tail is empty then. Updates: `0,,<label>=<value>…`, in the order of the log.
   */
  readonly headerName: string;
  readonly headerValue: string;
  readonly recordCount: number;
  readonly bodyBytes: number;
  readonly body: Buffer | LargeBody;
  /** All contents are compressed already, by their types. */
  readonly isCompressed: boolean;
  /** By which all of it came here, see `replication-path.ts`. */
  readonly path: string;
  /** Set for a single record that batch headers cannot carry. */
  readonly single: MetaInfo | undefined;
  /** The labels of records that were written in full a moment ago: when that fails there is nothing left to try. */
  readonly isFollowUp: boolean;
  /** Lowest sequence of its blocks. */
  readonly firstSequence: number;
}

/** Header lines of the records; for what becomes of single records, which is rare. */
export function recordLines({ headerName, headerValue }: Batch): readonly string[] {
  return `${headerName}: ${headerValue}`.split('\r\n');
}

/** Timestamp in a header line, µs. */
export function tsOfLine(line: string): bigint {
  return BigInt(line.slice(TIME_HEADER.length, line.indexOf(':')));
}

/** Content length in a header line, bytes. */
export function lengthOfLine(line: string): number {
  return Number.parseInt(line.slice(line.indexOf(':') + 2), 10);
}

/** Timestamp of the first record, µs. */
export function firstTsOf({ headerName }: Batch): bigint {
  return BigInt(headerName.slice(TIME_HEADER.length));
}

/** Parts of at most `partRecords` records each, in order. They share the memory of the content. */
export function splitBatch(batch: Batch, partRecords: number): readonly Batch[] {
  const { body } = batch;
  if (!Buffer.isBuffer(body)) return [batch];
  const lines = recordLines(batch);
  const parts: Batch[] = [];
  let start = 0;
  for (let from = 0; from < lines.length; from += partRecords) {
    const part = lines.slice(from, from + partRecords);
    const bodyBytes = part.reduce((sum, line) => sum + lengthOfLine(line), 0);
    const content = body.subarray(start, start + bodyBytes);
    const recordCount = part.length;
    parts.push({ ...batch, ...joinRecordHeaders(part), recordCount, bodyBytes, body: content });
    start += bodyBytes;
  }
  return parts;
}
