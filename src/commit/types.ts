/** What the front may ask of the commit path. All of it runs on the main thread and returns at once. */
import type { RemovedRows } from '../catalog/removal-causes.ts';
import type { Entry } from '../catalog/model.ts';
import type { MillraceError } from '../errors/errors.ts';
import type { Labels } from '../store/labels.ts';
import type { RocksDatabase } from '../store/rocks.ts';

/** Told exactly once per staged write, after the commit that contains it (or its refusal). */
export interface WriteSink {
  /** @param tag what was given to `stage…`. @param error null when the record is durable and readable. */
  onWritten(tag: number, error: MillraceError | null): void;
}

/** Content that arrives in pieces and is stored in chunks before the record exists. */
export interface Upload {
  readonly id: number;
  /** Bytes handed over so far. */
  readonly lengthBytes: number;
  /**
   * Stages one chunk of exactly `CHUNK_BYTES` (the last one may be shorter). The bytes belong to the store until
   * `done` is called, after the commit. One chunk at a time.
   */
  append(chunk: Buffer, done: (error: MillraceError | null) => void): void;
  /** Forgets the upload and removes its chunks in a later commit. Safe to call twice, and after a failed append. */
  abort(): void;
}

export interface Ingest {
  /**
   * Puts one record into the current commit group; the payload is copied before this returns.
   * @param payload at most `CHUNK_BYTES` bytes.
   * @param path of replication that it came by; empty when it was written here.
   */
  stage(
    entry: Entry,
    ts: bigint,
    contentType: string,
    labels: Labels,
    payload: Uint8Array,
    sink: WriteSink,
    tag: number,
    path?: string,
  ): void;

  /**
   * Why a record larger than `CHUNK_BYTES` would be refused if it were complete now, so that nobody has to send it
   * first; undefined when nothing is known. It is looked at again when it is complete.
   */
  uploadRefusal(entry: Entry, lengthBytes: number): MillraceError | undefined;

  /** Starts the upload of a record larger than `CHUNK_BYTES`. */
  openUpload(): Upload;

  /** Turns a finished upload into a record, in the current commit group. On refusal the chunks are removed. */
  stageUpload(
    entry: Entry,
    ts: bigint,
    contentType: string,
    labels: Labels,
    upload: Upload,
    sink: WriteSink,
    tag: number,
    path?: string,
  ): void;
}

/** Told after every commit, before the writers are acknowledged. */
export interface CommitListener {
  /** @param buckets ids of the buckets that received records. */
  onCommitted(headSequence: number, buckets: ReadonlySet<number>): void;
  /** After records were removed, whatever for. */
  onRemoved?(rows: readonly RemovedRows[]): void;
  /** Sequence before which the listener needs no block of the bucket any more; default: it needs none. */
  neededFrom?(bucketId: number): number;
}

/** Where committed blocks go besides the store. */
export interface BlockPublisher {
  append(sequence: number, bucketId: number, bytes: Uint8Array): void;
  /** The block's bytes changed in the store: readers have to fetch it from there. */
  invalidate(sequence: number): void;
  publish(): void;
}

/** Room on the data folder's file system. */
export interface DiskSpace {
  /** Bytes that may still be written; undefined while unknown. */
  freeBytes(): number | undefined;
  /** Told after each commit. */
  wrote(bytes: number): void;
}

/** `RS_ENGINE_MAX_STORAGE_SIZE` (http-api §4.4). */
export interface StorageLimit {
  readonly limitBytes: number;
  /** Size of all buckets by the contract. Asked once per group. */
  usedBytes(): number;
}

export interface GroupCommitOptions {
  readonly db: RocksDatabase;
  readonly publisher: BlockPublisher;
  /** fsync every group before it is acknowledged. */
  readonly sync: boolean;
  readonly nextSequence: number;
  readonly nextUploadId: number;
  readonly space: DiskSpace;
  /** Absent: buckets may grow as far as their quotas and the disk let them. */
  readonly storageLimit?: StorageLimit | undefined;
  /** Everything is refused with it: the store is not to be changed. */
  readonly refusal?: MillraceError | undefined;
  /** Told of every group that could not be written; its writers are told as well. */
  readonly onFailure: (error: unknown) => void;
}
