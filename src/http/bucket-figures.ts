/** Figures of buckets and entries as the wire shows them (http-api §2.2, §2.3, §4.2). O(entries), never O(records). */
import { settingsJson } from '../catalog/bucket-settings.ts';
import type { Bucket, Entry } from '../catalog/model.ts';
import { U64_MAX } from '../store/format.ts';
import { isMetaEntryName } from '../wire/names.ts';

export interface BucketFigures {
  readonly entryCount: number;
  /** All entries, also those that hold attachments. */
  readonly sizeBytes: number;
  readonly recordCount: number;
  /** Over visible entries with a record; both 0 without one. */
  readonly oldestTs: bigint;
  readonly latestTs: bigint;
}

export function bucketFigures(bucket: Bucket): BucketFigures {
  let entryCount = 0;
  let sizeBytes = 0;
  let recordCount = 0;
  let oldestTs = U64_MAX;
  let latestTs = 0n;
  for (const entry of bucket.entries.values()) {
    if (!entry.isDurable) continue;
    const { stats } = entry;
    sizeBytes += stats.sizeBytes;
    if (isMetaEntryName(entry.name)) continue;
    entryCount++;
    if (stats.recordCount === 0) continue;
    recordCount += stats.recordCount;
    if (stats.oldestTs < oldestTs) oldestTs = stats.oldestTs;
    if (stats.latestTs > latestTs) latestTs = stats.latestTs;
  }
  if (recordCount === 0) oldestTs = 0n;
  return { entryCount, sizeBytes, recordCount, oldestTs, latestTs };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Members of the object that stands in `/list` and as `info` in the bucket document. */
export function bucketInfoJson(bucket: Bucket): string {
  const { entryCount, sizeBytes, oldestTs, latestTs } = bucketFigures(bucket);
  return (
    `{"name":${JSON.stringify(bucket.name)},"entry_count":${entryCount},"size":${sizeBytes},` +
    `"oldest_record":${oldestTs},"latest_record":${latestTs},` +
    `"is_provisioned":${bucket.isProvisioned},"status":"${bucket.status}"}`
  );
}

/** Answer of `GET /list`. */
export function bucketListJson(buckets: Iterable<Bucket>): string {
  const items = [...buckets].sort(byName).map(bucketInfoJson);
  return `{"buckets":[${items.join(',')}]}`;
}

/** Answer of `GET /b/:bucket`. */
export function bucketDocumentJson(bucket: Bucket): string {
  const entries = [...bucket.entries.values()]
    .filter((entry) => entry.isDurable && !isMetaEntryName(entry.name))
    .sort(byName)
    .map(entryInfoJson);
  return (
    `{"info":${bucketInfoJson(bucket)},"settings":${settingsJson(bucket.settings)},` +
    `"entries":[${entries.join(',')}]}`
  );
}

function entryInfoJson(entry: Entry): string {
  const { recordCount, sizeBytes, extentCount, oldestTs, latestTs } = entry.stats;
  const hasRecords = recordCount > 0;
  return (
    `{"name":${JSON.stringify(entry.name)},"size":${sizeBytes},"record_count":${recordCount},` +
    `"block_count":${extentCount},"oldest_record":${hasRecords ? oldestTs : 0n},` +
    `"latest_record":${hasRecords ? latestTs : 0n},"status":"${entry.status}"}`
  );
}
