/**
 * Everything that crosses between the main thread and the query workers.
 *
 * A job names all it needs: workers keep nothing between jobs but caches. The plan lies in shared memory and is passed
 * by reference; the cursor is opaque to the main thread and copied in, so that a job that was refused leaves it intact;
 * a body comes back in one buffer, transferred or shared (see `BodyBuffers`), which the main thread owns from then on.
 */
import { deserialize, serialize } from 'node:v8';
import type { ErrorData } from '../errors/errors.ts';
import type { Labels } from '../store/labels.ts';
import type { ConditionState } from '../when/evaluate/stream.ts';
import { heldBytesOf } from './body-buffers.ts';
import type { ReadBatch } from './types.ts';

/** What a query asks for. Never changes. Per-entry members have one item per entry, in order of `names`. */
export interface QueryPlan {
  readonly entryIds: Uint32Array;
  /** Sorted, so that the position of an entry is its rank among equal timestamps. */
  readonly names: readonly string[];
  /** First and last µs read, both inclusive: the end may lie beyond the largest timestamp. */
  readonly firstTs: BigUint64Array;
  readonly lastTs: BigUint64Array;
  readonly continuous: boolean;
  readonly strict: boolean;
  readonly include: Labels;
  readonly exclude: Labels;
  readonly eachUs: bigint | undefined;
  readonly eachN: number | undefined;
  readonly limit: number | undefined;
  readonly whenText: string | undefined;
}

/** Progress of the filters of one entry. */
export interface SourceState {
  /** Records offered to `each_n`, modulo n. */
  readonly eachNSeen: number;
  readonly lastKeptTs: bigint | undefined;
  /** Results so far, for `limit`. */
  readonly results: number;
  /** Accepted, but not delivered: the last batch was full. */
  readonly pendingTs: BigUint64Array;
  readonly condition: ConditionState | undefined;
  /** Timestamps of the records the condition holds as possible context. */
  readonly contextTs: BigUint64Array;
}

/** Where a query stands. Per-entry members have one item per entry of the plan. */
export interface QueryCursor {
  /** Next µs to look at. For an entry without pending records no later record was skipped. */
  readonly nextTs: BigUint64Array;
  /** 1: nothing of this entry is looked at any more. */
  readonly closed: Uint8Array;
  /** Entries whose filters keep state and have seen a record. */
  readonly states: Map<number, SourceState>;
}

export interface BatchLimits {
  readonly maxRecords: number;
  readonly maxBodyBytes: number;
  readonly maxMetadataBytes: number;
}

/** `record` is a single read, `v1` and `v2` are the batch protocols, `places` tells where the records lie. */
export type QueryOutput = 'record' | 'v1' | 'v2' | 'places';

/** Bounds for what a job finds ahead of its reader. */
export interface AheadLimits {
  readonly maxBatches: number;
  /** Memory of them together. What exceeds it are the header and cursor of one batch, and a quarter of its body. */
  readonly maxBytes: number;
  /** No read waits: the job finds nothing but what lies ahead, from its cursor on, and its own part is empty. */
  readonly isOnly: boolean;
}

export interface QueryJob {
  readonly queryId: number;
  /** An encoded `QueryPlan` in shared memory. */
  readonly plan: Uint8Array;
  /** An encoded `QueryCursor`; undefined at the beginning. */
  readonly cursor: Uint8Array | undefined;
  readonly output: QueryOutput;
  readonly withBody: boolean;
  /** See `Queries.readMulti`. */
  readonly isInterleavingSafe: boolean;
  readonly limits: BatchLimits;
  /** A job that has scanned for this long ends with what it has, so that others get their turn. */
  readonly sliceMs: number;
  /** What to find besides, for the reads behind this one; undefined for nothing. Not for `places`. */
  readonly ahead?: AheadLimits | undefined;
  /** Buffers of earlier bodies, which belong to the query thread from now on. */
  readonly freeBuffers?: readonly SharedArrayBuffer[] | undefined;
}

/** Objects around one batch, and the head of a single record without long labels. */
const BATCH_OVERHEAD_BYTES = 1024;

/** Content of a large record, to be streamed in chunks. */
export type LargePart = Extract<ReadBatch['body'][number], { uploadId: number }>;
export type BodyPart = Uint8Array | LargePart;

/** Content type and labels of the record of a single read. */
export interface RecordHead {
  readonly entryName: string;
  readonly ts: bigint;
  readonly contentType: string;
  readonly labels: Labels;
}

/** Records by timestamp, ascending, with the sequences of their blocks. */
export interface RecordPlaces {
  readonly timestamps: BigUint64Array;
  readonly sequences: Float64Array;
}

export interface QueryProgress {
  readonly error: undefined;
  readonly cursor: Uint8Array;
  /** Nothing more was found up to the end of the range; for continuous queries: for now. */
  readonly isDrained: boolean;
  /** Nothing will be found by later reads either. */
  readonly isFinished: boolean;
  /** `QueryCursor.nextTs` of the first entry. */
  readonly nextTs: bigint;
  readonly recordCount: number;
  /** Sum of the content lengths, also when the content was not asked for. */
  readonly bodyBytes: number;
  /** Empty for `record` and `places`. */
  readonly headerLines: string;
  readonly body: readonly BodyPart[];
  /** For `record`. */
  readonly record: RecordHead | undefined;
  /** For `places`; their memory is transferred. */
  readonly places: RecordPlaces | undefined;
  /** What the reads behind this one will find, in order, each with the cursor behind it. */
  readonly ahead?: readonly QueryProgress[];
}

/** Memory that one batch takes on the main thread. */
export function bytesOfBatch({ headerLines, cursor, body }: QueryProgress): number {
  return BATCH_OVERHEAD_BYTES + headerLines.length + cursor.length + heldBytesOf(body);
}

/** Errors travel as data: their class would be lost. */
export interface QueryFailure {
  readonly error: ErrorData;
}

export type QueryJobResult = QueryProgress | QueryFailure;

/** Encodes into shared memory; costs time in the number of entries, once per query. */
export function encodePlan(plan: QueryPlan): Uint8Array {
  const bytes = serialize(plan);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

export function decodePlan(bytes: Uint8Array): QueryPlan {
  // Written by `encodePlan` of this very process.
  return deserialize(Buffer.from(bytes)) as QueryPlan;
}

export function encodeCursor(cursor: QueryCursor): Uint8Array {
  return serialize(cursor);
}

export function decodeCursor(bytes: Uint8Array): QueryCursor {
  // Written by `encodeCursor` of this very process.
  return deserialize(bytes) as QueryCursor;
}
