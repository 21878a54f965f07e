/** Buckets and entries in memory, made durable through the commit path. Main thread only. */
import { ApiError } from '../errors/errors.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { metaKey } from '../store/keys.ts';
import type { RowChange } from '../store/row-change.ts';
import { checkBucketName, checkEntryName, parentEntryNames } from '../wire/names.ts';
import type { LoadedCatalog } from './load.ts';
import type { Bucket, BucketSettings, Entry } from './model.ts';
import { EntryChanges } from './entry-changes.ts';
import { entryDeleting, entryMissing } from './entry-errors.ts';
import { encodeEntryRows, markDurable, statsRow } from './entry-rows.ts';
import type { Remover, RowCommitter } from './ports.ts';
import type { StoreHeader } from './rows.ts';
import { emptyStats, encodeJson } from './rows.ts';
import type { CatalogPort } from './types.ts';

/** Id of an entry that exists only as the target of a request; real ids begin at 1. */
const DETACHED_ID = 0;

export class Catalog implements CatalogPort {
  readonly instanceId: string;
  readonly #commits: RowCommitter;
  readonly #remover: Remover;
  readonly #buckets: Map<string, Bucket>;
  readonly #bucketsById = new Map<number, Bucket>();
  readonly #entriesById: Map<number, Entry>;
  /** Names of buckets whose creation is not committed yet. */
  readonly #reserved = new Set<string>();
  readonly #entryChanges: EntryChanges;
  #header: StoreHeader;

  constructor(loaded: LoadedCatalog, commits: RowCommitter, remover: Remover) {
    this.#commits = commits;
    this.#remover = remover;
    this.#header = loaded.header;
    this.instanceId = loaded.header.instanceId;
    this.#buckets = loaded.buckets;
    this.#entriesById = loaded.entriesById;
    for (const bucket of this.#buckets.values()) this.#bucketsById.set(bucket.id, bucket);
    this.#entryChanges = new EntryChanges(commits, remover, {
      add: (bucket, name) => this.#addEntry(bucket, name),
      delete: (entry) => this.#deleteEntry(entry),
      headerRow: () => this.headerRow(),
    });
  }

  /** Goes on with removals that a stop or crash interrupted. */
  resumeRemovals(): void {
    for (const bucket of this.#buckets.values()) {
      if (bucket.status === 'DELETING') {
        this.#remove(bucket);
        continue;
      }
      const left = [...bucket.entries.values()].filter(({ status }) => status === 'DELETING');
      if (left.length > 0) this.#entryChanges.removeContent(left);
    }
  }

  bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw new ApiError(404, `Bucket '${name}' is not found`);
    if (bucket.status === 'DELETING') {
      throw new ApiError(409, `Bucket '${name}' is being deleted`);
    }
    return bucket;
  }

  /** The bucket of this name if it can be used, without throwing. */
  findBucket(name: string): Bucket | undefined {
    const bucket = this.#buckets.get(name);
    return bucket?.status === 'READY' ? bucket : undefined;
  }

  bucketById(id: number): Bucket | undefined {
    return this.#bucketsById.get(id);
  }

  entryById(id: number): Entry | undefined {
    return this.#entriesById.get(id);
  }

  buckets(): Iterable<Bucket> {
    return this.#buckets.values();
  }

  async createBucket(name: string, settings: BucketSettings): Promise<void> {
    checkBucketName(name);
    await this.#createBucket(name, settings);
  }

  async #createBucket(name: string, settings: BucketSettings): Promise<void> {
    if (this.#buckets.has(name) || this.#reserved.has(name)) {
      throw new ApiError(409, `Bucket '${name}' already exists`);
    }
    const bucket: Bucket = {
      id: this.#header.nextBucketId,
      name,
      settings,
      isProvisioned: false,
      status: 'READY',
      entries: new Map(),
      recordsWritten: 0,
      rewrites: 0,
      sizeBytes: 0,
    };
    this.#header = { ...this.#header, nextBucketId: bucket.id + 1 };
    this.#reserved.add(name);
    try {
      await this.#commits.commitRows([this.#bucketRow(bucket)]);
      this.#buckets.set(name, bucket);
      this.#bucketsById.set(bucket.id, bucket);
    } finally {
      this.#reserved.delete(name);
    }
  }

  async updateBucket(name: string, settings: BucketSettings): Promise<void> {
    const bucket = this.bucket(name);
    if (bucket.isProvisioned) {
      throw new ApiError(409, `Can't change settings of provisioned bucket '${name}'`);
    }
    for (const entry of bucket.entries.values()) {
      if (entry.status === 'DELETING') throw entryDeleting(entry);
    }
    this.#changeSettings(bucket, settings);
  }

  /**
   * Creates the bucket or changes its settings, and marks it as provisioned until the server ends (http-api §7).
   * @param name not checked: the server's own bucket has one that clients cannot give.
   * @param settingsFor the settings it has now, undefined when there is none, gives those it is to have.
   * @throws ApiError 409 while it is being deleted.
   */
  async provisionBucket(
    name: string,
    settingsFor: (current: BucketSettings | undefined) => BucketSettings,
  ): Promise<void> {
    if (!this.#buckets.has(name)) await this.#createBucket(name, settingsFor(undefined));
    const bucket = this.bucket(name);
    bucket.isProvisioned = true;
    this.#changeSettings(bucket, settingsFor(bucket.settings));
  }

  async renameBucket(
    name: string,
    newName: string,
    rows: readonly RowChange[] = [],
  ): Promise<void> {
    checkBucketName(newName);
    if (this.#buckets.has(newName) || this.#reserved.has(newName)) {
      throw new ApiError(409, `Bucket '${newName}' already exists`);
    }
    const known = this.#buckets.get(name);
    if (known?.isProvisioned === true) {
      throw new ApiError(409, `Can't rename provisioned bucket '${name}'`);
    }
    const bucket = this.bucket(name);
    this.#commits.commitNow([this.#bucketRow({ ...bucket, name: newName }), ...rows]);
    this.#buckets.delete(name);
    bucket.name = newName;
    this.#buckets.set(newName, bucket);
  }

  async removeBucket(name: string, rows: readonly RowChange[] = []): Promise<void> {
    const bucket = this.bucket(name);
    if (bucket.isProvisioned) {
      throw new ApiError(409, `Can't remove provisioned bucket '${name}'`);
    }
    // From here on nothing more can be staged for it; what is staged already is refused at the flush.
    bucket.status = 'DELETING';
    try {
      await this.#commits.commitRows([this.#bucketRow(bucket), this.headerRow(), ...rows]);
    } catch (error) {
      bucket.status = 'READY';
      throw error;
    }
    this.#remove(bucket);
  }

  entry(bucketName: string, entryName: string): Entry {
    const bucket = this.bucket(bucketName);
    const entry = bucket.entries.get(entryName);
    if (entry === undefined || !entry.isDurable) {
      throw entryMissing(bucketName, entryName);
    }
    if (entry.status === 'DELETING') throw entryDeleting(entry);
    return entry;
  }

  async renameEntry(bucketName: string, entryName: string, newName: string): Promise<void> {
    const bucket = this.bucket(bucketName);
    checkEntryName(newName);
    this.#entryChanges.rename(bucket, entryName, newName);
  }

  async removeEntry(bucketName: string, entryName: string): Promise<void> {
    this.#entryChanges.remove(this.bucket(bucketName), entryName);
  }

  async ensureEntry(bucketName: string, entryName: string): Promise<Entry> {
    const entry = this.attach(this.entryForWrite(bucketName, entryName));
    if (entry.isDurable) return entry;
    this.#commits.flush();
    if (!entry.isDurable) {
      this.#commits.commitNow([...encodeEntryRows(entry), statsRow(entry)]);
      markDurable(entry);
    }
    return entry;
  }

  entryForWrite(bucketName: string, entryName: string): Entry {
    const bucket = this.bucket(bucketName);
    const known = bucket.entries.get(entryName);
    if (known !== undefined) {
      if (known.status === 'DELETING') throw entryDeleting(known);
      return known;
    }
    checkEntryName(entryName);
    for (const parentName of parentEntryNames(entryName)) {
      const parent = bucket.entries.get(parentName);
      if (parent?.status === 'DELETING') throw entryDeleting(parent);
    }
    // Not in any map: a request that never delivers its record must not leave an entry behind.
    return detachedEntry(bucket, entryName, DETACHED_ID);
  }

  /**
   * The entry that stands for this one in the catalogue; a detached one is created together with its parents. Called
   * when a record is staged, so that requests for one new name meet in one entry.
   */
  attach(entry: Entry): Entry {
    if (entry.id !== DETACHED_ID) return entry;
    const { bucket, name } = entry;
    const known = bucket.entries.get(name);
    if (known !== undefined) return known;
    const parentNames = parentEntryNames(name);
    if (parentNames.some((parent) => bucket.entries.get(parent)?.status === 'DELETING')) {
      // The deletion began after the request: its records are refused like those of the parent.
      return { ...entry, status: 'DELETING' };
    }
    for (const parentName of parentNames) {
      if (!bucket.entries.has(parentName)) this.#addEntry(bucket, parentName);
    }
    return this.#addEntry(bucket, name);
  }

  /** The highest entry id given out so far, over all buckets. */
  highestEntryId(): number {
    return this.#header.nextEntryId - 1;
  }

  /** Next task id; never given twice. */
  takeTaskId(): number {
    const id = this.#header.nextTaskId;
    this.#header = { ...this.#header, nextTaskId: id + 1 };
    return id;
  }

  /** The header row with all counters, to go into a commit that uses up ids or removes blocks. */
  headerRow(): RowChange {
    this.#header = { ...this.#header, nextSequence: this.#commits.headSequence };
    return {
      column: COLUMN_META,
      key: metaKey(META.header, 0),
      value: encodeJson(this.#header),
    };
  }

  /** The row is made and written in one go: changes of one bucket cannot overwrite each other. */
  #changeSettings(bucket: Bucket, settings: BucketSettings): void {
    this.#commits.commitNow([this.#bucketRow({ ...bucket, settings })]);
    bucket.settings = settings;
  }

  #addEntry(bucket: Bucket, name: string): Entry {
    const entry = detachedEntry(bucket, name, this.#header.nextEntryId);
    this.#header = { ...this.#header, nextEntryId: entry.id + 1 };
    bucket.entries.set(name, entry);
    this.#entriesById.set(entry.id, entry);
    return entry;
  }

  #deleteEntry(entry: Entry): void {
    entry.bucket.entries.delete(entry.name);
    this.#entriesById.delete(entry.id);
  }

  #remove(bucket: Bucket): void {
    this.#remover.start(bucket, () => {
      this.#buckets.delete(bucket.name);
      this.#bucketsById.delete(bucket.id);
      for (const entry of bucket.entries.values()) this.#entriesById.delete(entry.id);
    });
  }

  #bucketRow(bucket: Bucket): RowChange {
    const { id, name, settings, status, recordsWritten } = bucket;
    return {
      column: COLUMN_META,
      key: metaKey(META.bucket, id),
      value: encodeJson({ name, settings, status, recordsWritten }),
    };
  }
}

function detachedEntry(bucket: Bucket, name: string, id: number): Entry {
  return { id, bucket, name, status: 'READY', isDurable: false, stats: emptyStats(), rewrites: 0 };
}
