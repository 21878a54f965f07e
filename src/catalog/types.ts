/** The catalogue as the front and the replication service see it. Main thread only; reads return at once. */
import type { RowChange } from '../store/row-change.ts';
import type { Bucket, BucketSettings, Entry } from './model.ts';

export interface CatalogPort {
  /** Random, made once for the store. */
  readonly instanceId: string;

  /**
   * @throws ApiError 404 `Bucket '<n>' is not found`, 409 `Bucket '<n>' is being deleted`.
   */
  bucket(name: string): Bucket;

  /** All buckets, also those being deleted, in any order. */
  buckets(): Iterable<Bucket>;

  /**
   * Resolves when the bucket is durable.
   * @throws ApiError 422 for a bad name, 409 `Bucket '<n>' already exists` (also while it is being deleted).
   */
  createBucket(name: string, settings: BucketSettings): Promise<void>;

  /**
   * @param rows to be changed in the same commit.
   * @throws ApiError 404, 409 deleting, 409 `Can't remove provisioned bucket '<n>'`.
   */
  removeBucket(name: string, rows?: readonly RowChange[]): Promise<void>;

  /**
   * Replaces the settings; block limits apply to blocks started later. Resolves when they are durable.
   * @throws ApiError 404, 409 deleting, 409 `Can't change settings of provisioned bucket '<n>'`, 409 while an entry of
   *   it is being deleted.
   */
  updateBucket(name: string, settings: BucketSettings): Promise<void>;

  /**
   * @param rows to be changed in the same commit.
   * @throws ApiError 422, 409 exists, 404, 409 provisioned, 409 deleting, in the order of http-api §4.2.
   */
  renameBucket(name: string, newName: string, rows?: readonly RowChange[]): Promise<void>;

  /** With all descendants (http-api-records §2.4). @throws ApiError 422, 409, 404 in the order given there. */
  renameEntry(bucketName: string, entryName: string, newName: string): Promise<void>;

  /**
   * Marks the entry and its descendants as DELETING and removes them in the background (http-api-records §2.5).
   * Resolves when the mark is durable. @throws ApiError 404 when neither it nor a descendant exists, 409.
   */
  removeEntry(bucketName: string, entryName: string): Promise<void>;

  /**
   * The entry a record goes to. A new one is detached: it comes into being, with all its parents, when a record is
   * staged for it, so that requests which never deliver one leave nothing behind.
   * The order of checks is that of http-api-records §1.2, and it stages nothing.
   * @throws ApiError 404 or 409 for the bucket, 422 for the entry name, 409 for an entry or parent being deleted.
   */
  entryForWrite(bucketName: string, entryName: string): Entry;

  /**
   * The entry of this name, created if it is not there. Resolves when it is durable.
   * @throws ApiError like `entryForWrite`.
   */
  ensureEntry(bucketName: string, entryName: string): Promise<Entry>;

  /**
   * An entry that clients can see.
   * @throws ApiError 404 `Bucket '<b>' is not found`, 404 `Entry '<e>' not found in bucket '<b>'`, 409 deleting.
   */
  entry(bucketName: string, entryName: string): Entry;
}
