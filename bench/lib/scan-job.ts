/** What a scan reader is asked to do and what it answers. Plain data: it crosses processes. */
import type { LoadTarget } from './load-job.ts';

export interface ScanJob {
  readonly target: LoadTarget;
  /** Undefined: all entries of the bucket, with batch protocol v2. */
  readonly entry?: string | undefined;
  /** Members of the query document besides its type. */
  readonly query?: Readonly<Record<string, unknown>>;
  /** HEAD instead of GET: no contents; to go with `only_metadata`. */
  readonly withoutContents?: boolean;
  /** Readers with a connection and a query each. */
  readonly readers: number;
}

export interface ScanResult {
  readonly elapsedMs: number;
  /** Of all readers. */
  readonly records: number;
  readonly batches: number;
  /** Scans that came to the end of their query. */
  readonly scans: number;
  /** The reader's own user and system time. */
  readonly readerCpuUs: number;
}
