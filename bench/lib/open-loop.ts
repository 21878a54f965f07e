import type { LoadShape, LoadTarget } from './load-job.ts';

export interface OpenLoopJob {
  readonly target: LoadTarget;
  /** `recordsPerRequest` is 1. */
  readonly shape: LoadShape;
  readonly recordsPerSecond: number;
  readonly records: number;
}

/** One item a record, in the order of sending. Times are ms of the machine's monotonic clock, see `monotonicMs`. */
export interface OpenLoopResult {
  /** `<entry>/<timestamp in µs>`. */
  readonly keys: readonly string[];
  readonly scheduledMs: readonly number[];
  /** When the 200 was read. */
  readonly answeredMs: readonly number[];
}

/** ms of CLOCK_MONOTONIC: the same clock in every process of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
