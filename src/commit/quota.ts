/** The limit of the whole store and quotas of buckets (http-api §4.4), checked for a whole commit group before it is planned. */
import type { Bucket, Entry } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { MutationSession } from './mutations.ts';
import type { CommitGroup, StagedRecord } from './staging.ts';
import type { StorageLimit } from './types.ts';

/** Records of a group that a quota refuses. */
export type Refusals = ReadonlyMap<StagedRecord, ApiError>;

/** Frees space in a bucket, in a commit of its own. @returns false when the commit failed. */
export type Evict = (run: (session: MutationSession) => void) => boolean;

/** Gives up the oldest extent of an entry. @returns false when that freed nothing, so trying again is in vain. */
function evictOldest(victim: Entry, evict: Evict): boolean {
  const before = victim.stats.extentCount;
  let removed = 0;
  const isDone = evict((session) => {
    removed = session.removeOldestExtent(victim);
  });
  return isDone && (removed > 0 || victim.stats.extentCount < before);
}

const NONE: Refusals = new Map();

/** Applies HARD and FIFO quotas to a group. @param evict runs only for FIFO buckets that are full. */
export function admitByQuota(group: CommitGroup, evict: Evict): Refusals {
  const records = limitedRecords(group);
  if (records.size === 0) return NONE;
  const refusals = new Map<StagedRecord, ApiError>();
  for (const [bucket, staged] of records) {
    if (bucket.settings.quota_type === 'HARD') refuseBeyond(bucket, staged, refusals);
    else makeRoom(bucket, staged, refusals, evict);
  }
  return refusals;
}

/** Refuses what would make the whole store larger than it may be. Comes before quotas: nothing is evicted for it. */
export function admitByStorage(group: CommitGroup, limit: StorageLimit | undefined): Refusals {
  if (limit === undefined || group.recordCount === 0) return NONE;
  const refusals = new Map<StagedRecord, ApiError>();
  let usedBytes = limit.usedBytes();
  for (const { records } of group.entries.values()) {
    for (const record of records) {
      if (usedBytes + record.length > limit.limitBytes) {
        refusals.set(record, beyondStorage());
      } else {
        usedBytes += record.length + record.metaWireBytes;
      }
    }
  }
  return refusals;
}

/**
 * What both limits that only refuse say to one record of `lengthBytes` now. FIFO makes room when the record is complete:
 * nothing is given up for one that may never be.
 */
export function refusalAhead(
  bucket: Bucket,
  lengthBytes: number,
  limit: StorageLimit | undefined,
): ApiError | undefined {
  if (limit !== undefined && limit.usedBytes() + lengthBytes > limit.limitBytes) {
    return beyondStorage();
  }
  const { quota_type: type, quota_size: quotaBytes } = bucket.settings;
  const isFull = type === 'HARD' && bucket.sizeBytes + lengthBytes > quotaBytes;
  return isFull ? beyondQuota(bucket) : undefined;
}

function beyondStorage(): ApiError {
  return new ApiError(500, 'storage limit exceeded');
}

function beyondQuota(bucket: Bucket): ApiError {
  return new ApiError(400, `Quota of '${bucket.name}' exceeded`);
}

function limitedRecords(group: CommitGroup): Map<Bucket, StagedRecord[]> {
  const byBucket = new Map<Bucket, StagedRecord[]>();
  for (const { entry, records } of group.entries.values()) {
    const { bucket } = entry;
    if (bucket.settings.quota_type === 'NONE') continue;
    const known = byBucket.get(bucket);
    if (known === undefined) byBucket.set(bucket, [...records]);
    else known.push(...records);
  }
  return byBucket;
}

function refuseBeyond(
  bucket: Bucket,
  records: readonly StagedRecord[],
  refusals: Map<StagedRecord, ApiError>,
): void {
  let sizeBytes = bucket.sizeBytes;
  for (const record of records) {
    if (sizeBytes + record.length > bucket.settings.quota_size) {
      refusals.set(record, beyondQuota(bucket));
    } else {
      sizeBytes += record.length + record.metaWireBytes;
    }
  }
}

function makeRoom(
  bucket: Bucket,
  records: readonly StagedRecord[],
  refusals: Map<StagedRecord, ApiError>,
  evict: Evict,
): void {
  const quotaBytes = bucket.settings.quota_size;
  let incomingBytes = 0;
  for (const record of records) {
    const fits = record.length <= quotaBytes && quotaBytes > 0;
    while (fits && bucket.sizeBytes + incomingBytes + record.length > quotaBytes) {
      const victim = oldestEntry(bucket);
      if (victim === undefined || !evictOldest(victim, evict)) break;
    }
    // Once the bucket is empty, what arrived in the same turn is all that is left: it may exceed the quota until the
    // next turn, which evicts it. A record larger than the quota can never be kept.
    if (fits && (bucket.sizeBytes === 0 || bucket.sizeBytes + record.length <= quotaBytes)) {
      incomingBytes += record.length + record.metaWireBytes;
    } else {
      if (!fits) emptyBucket(bucket, evict);
      refusals.set(record, new ApiError(500, `Failed to keep quota of '${bucket.name}'`));
    }
  }
}

/** The contract empties the bucket before it gives up. */
function emptyBucket(bucket: Bucket, evict: Evict): void {
  for (;;) {
    const victim = oldestEntry(bucket);
    if (victim === undefined || !evictOldest(victim, evict)) return;
  }
}

/** The entry with the oldest record. Attachments are never victims, and what is being removed no longer counts. */
function oldestEntry(bucket: Bucket): Entry | undefined {
  let oldest: Entry | undefined;
  for (const entry of bucket.entries.values()) {
    if (entry.stats.recordCount === 0 || entry.status === 'DELETING') continue;
    if (isMetaEntryName(entry.name)) continue;
    if (oldest === undefined || entry.stats.oldestTs < oldest.stats.oldestTs) oldest = entry;
  }
  return oldest;
}
