/** Queries as the front uses them (http-api-records §4, §5). */
import type { Bucket, Entry } from '../catalog/model.ts';
import type { Labels } from '../store/labels.ts';

/** A query as asked for; times in µs. Undefined bounds take the entry's oldest and newest record (§5.2). */
export interface QuerySpec {
  readonly startTs: bigint | undefined;
  readonly stopTs: bigint | undefined;
  readonly ttlMs: number;
  readonly continuous: boolean;
  readonly onlyMetadata: boolean;
  readonly strict: boolean;
  /** Deprecated filters, honoured (http-api §6): flat label pairs; applied in this order. */
  readonly include: Labels;
  readonly exclude: Labels;
  readonly eachS: number | undefined;
  readonly eachN: number | undefined;
  readonly limit: number | undefined;
  /** JSON text of the `when` member as sent, or undefined. */
  readonly whenText: string | undefined;
}

/** One record as it goes to a client. `payload` is undefined when content was not asked for. */
export interface RecordData {
  readonly entryName: string;
  readonly ts: bigint;
  readonly contentType: string;
  readonly labels: Labels;
  readonly lengthBytes: number;
  /** Whole content of a small record. */
  readonly payload: Uint8Array | undefined;
  /** Set for records that lie in chunks: read them one by one with `readChunk`, in order. */
  readonly large: { readonly uploadId: number; readonly chunkBytes: number } | undefined;
}

/** A batch ready to be written: one header line per record and the parts of the body in order. */
export interface ReadBatch {
  /**
   * Raw header block: lines `name: value` joined by CRLF, without one at the end; never empty. Batch v1: one line per
   * record. Batch v2 (§6.3): `x-reduct-entries`, `x-reduct-start-ts`, `x-reduct-labels` if any, then one per record.
   */
  readonly headerLines: string;
  readonly recordCount: number;
  readonly bodyBytes: number;
  /** Parts of the body; a number is a large record's chunk sequence to stream, see `RecordData.large`. */
  readonly body: readonly (
    | Uint8Array
    | { readonly uploadId: number; readonly chunkBytes: number; readonly lengthBytes: number }
  )[];
  readonly last: boolean;
}

/**
 * Told the bytes of content of what a read found, before it counts as read: when it throws, the read fails with its
 * error and the next one finds the same.
 */
export type AdmitRead = (bodyBytes: number) => void;

export interface Queries {
  /** @returns the id. @throws ApiError 404, 409, 422 by §5.1 and §5.2. */
  create(bucket: Bucket, entry: Entry, spec: QuerySpec): number;
  /** Next batch (§4), or undefined for 204. @throws ApiError 404 when the query is unknown, expired or of another entry. */
  readBatch(
    bucket: Bucket,
    entry: Entry,
    queryId: bigint,
    withBody: boolean,
    admit?: AdmitRead,
  ): Promise<ReadBatch | undefined>;
  /** Next record (§2.1 `q=`), or undefined for 204. @throws ApiError 404, 400 after the end. */
  readRecord(
    bucket: Bucket,
    entry: Entry,
    queryId: bigint,
    withBody: boolean,
    admit?: AdmitRead,
  ): Promise<RecordData | undefined>;

  /** Takes one id from the counter of queries, for a refusal that has to name one (§5.6). */
  reserveId(): number;

  /**
   * Query over several entries of a bucket (§6.2).
   * @param patterns the member `entries` as sent, undefined when absent or null.
   * @returns the id; ids are shared with `create`.
   * @throws ApiError 409, 422. Nothing selected is no error: the first read ends the query.
   */
  createMulti(bucket: Bucket, patterns: readonly string[] | undefined, spec: QuerySpec): number;

  /**
   * Next multi-entry batch (§6.3), possibly empty (`recordCount` 0), or undefined for 204.
   * @param isInterleavingSafe false: end the batch before a record that returns to an entry already left (§7, the
   *   JS and Python clients read bodies in another order than they are written).
   * @throws ApiError 404 when the query is unknown, expired, of another bucket or not a multi-entry query.
   */
  readMulti(
    bucket: Bucket,
    queryId: bigint,
    withBody: boolean,
    isInterleavingSafe: boolean,
    admit?: AdmitRead,
  ): Promise<ReadBatch | undefined>;

  /** The body of this batch is not looked at any more: its memory serves later reads. Only once for each batch. */
  recycle(batch: ReadBatch): void;
}

/** Reads of single records by timestamp, on the main thread (one block). */
export interface RecordReader {
  /** @param ts undefined for the newest record. @throws ApiError 404 with the texts of §2.1. */
  read(entry: Entry, ts: bigint | undefined): RecordData;
  /** One chunk of a large record; undefined when it was removed meanwhile. */
  readChunk(uploadId: number, chunk: number): Promise<Buffer | undefined>;
}
