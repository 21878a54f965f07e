/**
 * What the catalogue keeps in memory: O(buckets + entries + tasks), never O(records). Only the main thread has these
 * objects, and only the commit path changes their figures, after the write that made them true.
 */
export type QuotaType = 'NONE' | 'FIFO' | 'HARD';

/** Bucket settings in the form and member order of the wire (http-api §4.1). Sizes in bytes. */
export interface BucketSettings {
  readonly quota_type: QuotaType;
  readonly quota_size: number;
  readonly max_block_size: number;
  readonly max_block_records: number;
  /** Decimal texts of those above 2^53 − 1, see `changedSettings`. */
  readonly exact?: Readonly<
    Partial<Record<'quota_size' | 'max_block_size' | 'max_block_records', string>>
  >;
}

export type ResourceStatus = 'READY' | 'DELETING';

export interface Bucket {
  readonly id: number;
  name: string;
  settings: BucketSettings;
  /** Came from the environment (or is `$system`): clients cannot change, rename or remove it. */
  isProvisioned: boolean;
  status: ResourceStatus;
  /** By name. Includes entries that wait for their first commit (`isDurable` false): hide those from clients. */
  readonly entries: Map<string, Entry>;
  /** Records ever written to this bucket; the bucket ordinal of the next block. Never decreases. */
  recordsWritten: number;
  /** Sum of `Entry.rewrites` of all entries it has or had. */
  rewrites: number;
  /** Sum of the sizes of all entries. */
  sizeBytes: number;
}

/**
 * The contract's block (http-api §4.3): the unit of size accounting, FIFO eviction and `block_count`. Named *extent*
 * here, because *block* is the unit of the store.
 */
export interface Extent {
  readonly startTs: bigint;
  contentBytes: number;
  records: number;
}

/**
 * A run: consecutive records of one block that are also neighbours in time among all records of the entry.
 * Invariant: the runs of an entry never overlap, so their order by `firstTs` is the order of records.
 */
export interface Run {
  readonly firstTs: bigint;
  readonly lastTs: bigint;
  readonly sequence: number;
  readonly startIndex: number;
  readonly count: number;
  /** One record whose content lies in chunks. */
  readonly large: boolean;
  /** No other run lies in the same block. */
  readonly whole: boolean;
  /** Contract size of its records; shared out by count when a run is split. */
  readonly sizeBytes: number;
}

/** Exact figures of an entry; `sizeBytes` by the formula of http-api §4.3. */
export interface EntryStats {
  recordCount: number;
  sizeBytes: number;
  oldestTs: bigint;
  latestTs: bigint;
  extentCount: number;
  /** The newest extent; undefined while the entry has no record. */
  extent: Extent | undefined;
  /** `Bucket.recordsWritten` after this entry's last block. */
  bucketOrdinal: number;
}

export interface Entry {
  readonly id: number;
  readonly bucket: Bucket;
  /** Changes with a rename; the id never does. */
  name: string;
  status: ResourceStatus;
  /** False until the commit that creates the entry; such entries are not listed and not readable. */
  isDurable: boolean;
  /** Another object after every commit that changed a record of the entry, also if only its labels. */
  stats: EntryStats;
  /** Commits since the start that did anything else with records of the entry than write later ones than all it had. */
  rewrites: number;
}
