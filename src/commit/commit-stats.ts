/** Counters of the commit path: plain numbers, read by the metrics module when it is asked. */
import type { CommitGroup } from './staging.ts';

/** Upper bounds of the buckets: powers of two from one record to the largest group seen in load tests. */
export const GROUP_RECORD_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** Seconds: from a group in the page cache to a stalled disk. */
export const COMMIT_SECONDS_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

/** Counts per bucket (not cumulative, one more than bounds for +Inf), sum and count. */
export interface Distribution {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum: number;
  count: number;
}

/** What was stored in a bucket since the start. */
export interface BucketTraffic {
  records: number;
  bytes: number;
}

export interface CommitStats {
  recordsStored: number;
  bytesStored: number;
  /** By bucket id; one that was removed stays. */
  readonly byBucket: Map<number, BucketTraffic>;
  /** Records refused because their timestamp exists. */
  recordsRefused: number;
  commits: number;
  commitFailures: number;
  readonly groupRecords: Distribution;
  readonly commitSeconds: Distribution;
}

function newDistribution(bounds: readonly number[]): Distribution {
  return { bounds, counts: new Float64Array(bounds.length + 1), sum: 0, count: 0 };
}

export function newCommitStats(): CommitStats {
  return {
    recordsStored: 0,
    bytesStored: 0,
    byBucket: new Map(),
    recordsRefused: 0,
    commits: 0,
    commitFailures: 0,
    groupRecords: newDistribution(GROUP_RECORD_BOUNDS),
    commitSeconds: newDistribution(COMMIT_SECONDS_BOUNDS),
  };
}

/** Adds one value to a distribution. */
export function observe(distribution: Distribution, value: number): void {
  const { bounds, counts } = distribution;
  let at = 0;
  while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
  counts[at] = (counts[at] ?? 0) + 1;
  distribution.sum += value;
  distribution.count++;
}

/** Counts records that a commit made durable. */
export function countStored(
  stats: CommitStats,
  bucketId: number,
  records: number,
  bytes: number,
): void {
  stats.recordsStored += records;
  stats.bytesStored += bytes;
  let traffic = stats.byBucket.get(bucketId);
  if (traffic === undefined) {
    traffic = { records: 0, bytes: 0 };
    stats.byBucket.set(bucketId, traffic);
  }
  traffic.records += records;
  traffic.bytes += bytes;
}

/** Counts one successful commit. */
export function observeCommit(stats: CommitStats, group: CommitGroup, durationMs: number): void {
  stats.commits++;
  if (group.recordCount > 0) observe(stats.groupRecords, group.recordCount);
  observe(stats.commitSeconds, durationMs / 1000);
}
