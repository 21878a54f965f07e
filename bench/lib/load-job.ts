/** What a load driver is asked to do and what it answers. Plain data: it crosses processes. */

/**
 * `autocannon`: the tool of that name. `sockets`: our own, which writes prepared bytes into plain sockets and reads
 * no more of an answer than its status; it costs a fraction of autocannon's CPU, so that two cores are enough to see
 * the server's limit.
 */
export type Generator = 'autocannon' | 'sockets';

export interface LoadTarget {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly token: string;
  readonly bucket: string;
}

export interface LoadShape {
  readonly payloadBytes: number;
  /** 1: single-record POST; more: batch protocol v1. At most 85. */
  readonly recordsPerRequest: number;
  /** More than 1: batch protocol v2, and every request has as many records for each of all `entries`. Default 1. */
  readonly entriesPerRequest?: number;
  /** Reads the latest record of an entry instead of writing; only the answers are counted. */
  readonly read?: 'GET' | 'HEAD';
  /** Each has one request in flight. */
  readonly connections: number;
  /** Connection `i` writes to entry `i mod entries`. */
  readonly entries: number;
}

export interface LoadJob {
  readonly generator: Generator;
  readonly target: LoadTarget;
  readonly shape: LoadShape;
  /** Load before the measured window, in ms. */
  readonly warmupMs: number;
  /** Length of the measured window in ms; ignored with `requests`. */
  readonly measureMs: number;
  /** Send exactly this many requests and measure all of them (only `sockets`). */
  readonly requests?: number;
  /** Processes whose CPU time is read at both ends of the window. */
  readonly watchedPids: readonly number[];
}

export interface LatencyUs {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** All figures of the measured window. */
export interface LoadResult {
  readonly elapsedMs: number;
  /** Answered with 200. */
  readonly records: number;
  readonly recordsPerSecond: number;
  /** Requests with any other answer, or none. */
  readonly failedRequests: number;
  /** User and system time of each watched process, in the order of `watchedPids`. */
  readonly watchedCpuUs: readonly number[];
  /** The driver's own. */
  readonly generatorCpuUs: number;
  /** Of successful requests. */
  readonly latencyUs: LatencyUs;
  /** Longest time between two successful answers on any connections. */
  readonly longestGapMs: number;
  /** Longest delay of the driver's own event loop: a gap that is no longer than this may be the driver's. */
  readonly longestDriverDelayMs: number;
}
