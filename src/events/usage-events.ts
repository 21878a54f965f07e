/** The family `usage`: what was written, read and held, for the server and for each bucket, over one interval. */
import type { Bucket } from '../catalog/model.ts';
import type { BucketTraffic, CommitStats } from '../commit/commit-stats.ts';
import type { EventClock } from './event-clock.ts';
import { inSlices } from './in-slices.ts';
import type { ReadCounter, ReadCounts } from './read-counts.ts';
import { NOTHING_READ } from './read-counts.ts';
import { secondsOf } from './seconds.ts';
import type { EventSink, SystemEvent } from './types.ts';

/** Time between two reports (http-api-extras §3). */
export const USAGE_INTERVAL_MS = 60_000;

/** Buckets of one turn of the event loop; each looks at all of its entries. */
const SLICE_BUCKETS = 16;

/** Members of the document, in the order of the contract. */
interface Usage {
  duration: number;
  write_bytes: number;
  read_bytes: number;
  records_written: number;
  records_read: number;
  written_entries: number;
  read_entries: number;
  storage_bytes: number;
  bucket_count: number;
  entry_count: number;
  block_count: number;
  record_count: number;
}

export interface UsageOptions {
  readonly catalog: { buckets(): Iterable<Bucket> };
  readonly stats: Pick<CommitStats, 'byBucket'>;
  readonly reads: ReadCounter;
  readonly clock: EventClock;
  readonly sink: EventSink;
}

/** Where a bucket stood at the last report. */
interface Mark extends Readonly<BucketTraffic> {
  readonly ordinal: number;
}

const NO_TRAFFIC: Readonly<BucketTraffic> = { records: 0, bytes: 0 };

export class UsageEvents {
  readonly #options: UsageOptions;
  #marks: Map<number, Mark>;
  #lastMs: number;
  #isReporting = false;

  /** @param nowMs a monotonic clock, here and below. */
  constructor(options: UsageOptions, nowMs: number) {
    this.#options = options;
    this.#lastMs = nowMs;
    this.#marks = new Map();
    for (const bucket of options.catalog.buckets()) this.#mark(bucket);
  }

  /** Reports when the interval is over. */
  tick(nowMs: number): void {
    if (nowMs - this.#lastMs < USAGE_INTERVAL_MS || this.#isReporting) return;
    this.#isReporting = true;
    const durationS = secondsOf(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    const timestampUs = this.#options.clock.nextUs();
    const reads = this.#options.reads.take();
    const buckets = [...this.#options.catalog.buckets()];
    const total = emptyUsage(durationS);
    const known = this.#marks;
    this.#marks = new Map();
    let at = 0;
    inSlices(() => {
      for (const bucket of buckets.slice(at, at + SLICE_BUCKETS)) {
        const usage = usageOf(bucket, known.get(bucket.id), this.#mark(bucket), durationS);
        addReads(usage, reads.get(bucket.id) ?? NOTHING_READ);
        addTo(total, usage);
        this.#options.sink.emit(usageEvent(bucket.name, timestampUs, usage));
      }
      at += SLICE_BUCKETS;
      this.#isReporting = at < buckets.length;
      if (!this.#isReporting) this.#options.sink.emit(usageEvent('total', timestampUs, total));
      return this.#isReporting;
    });
  }

  #mark({ id, recordsWritten }: Bucket): Mark {
    const { records, bytes } = this.#options.stats.byBucket.get(id) ?? NO_TRAFFIC;
    const mark = { records, bytes, ordinal: recordsWritten };
    this.#marks.set(id, mark);
    return mark;
  }
}

function emptyUsage(durationS: number): Usage {
  return {
    duration: durationS,
    write_bytes: 0,
    read_bytes: 0,
    records_written: 0,
    records_read: 0,
    written_entries: 0,
    read_entries: 0,
    storage_bytes: 0,
    bucket_count: 0,
    entry_count: 0,
    block_count: 0,
    record_count: 0,
  };
}

/** @param before undefined for a bucket that was made since the last report. */
function usageOf(bucket: Bucket, before: Mark | undefined, now: Mark, durationS: number): Usage {
  const usage = emptyUsage(durationS);
  usage.write_bytes = now.bytes - (before?.bytes ?? 0);
  usage.records_written = now.records - (before?.records ?? 0);
  usage.storage_bytes = bucket.sizeBytes;
  usage.bucket_count = 1;
  const ordinal = before?.ordinal ?? 0;
  for (const { isDurable, stats } of bucket.entries.values()) {
    if (!isDurable) continue;
    usage.entry_count++;
    usage.block_count += stats.extentCount;
    usage.record_count += stats.recordCount;
    if (stats.bucketOrdinal > ordinal) usage.written_entries++;
  }
  return usage;
}

function addReads(usage: Usage, { records, bytes, entryNames }: ReadCounts): void {
  usage.records_read = records;
  usage.read_bytes = bytes;
  usage.read_entries = entryNames.size;
}

function addTo(total: Usage, usage: Usage): void {
  total.write_bytes += usage.write_bytes;
  total.read_bytes += usage.read_bytes;
  total.records_written += usage.records_written;
  total.records_read += usage.records_read;
  total.written_entries += usage.written_entries;
  total.read_entries += usage.read_entries;
  total.storage_bytes += usage.storage_bytes;
  total.bucket_count += usage.bucket_count;
  total.entry_count += usage.entry_count;
  total.block_count += usage.block_count;
  total.record_count += usage.record_count;
}

function usageEvent(name: string, timestampUs: number, usage: Usage): SystemEvent {
  return { family: 'usage', name, timestampUs, status: 200, message: '', fields: { ...usage } };
}
