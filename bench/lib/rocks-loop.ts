export interface RocksLoopJob {
  readonly payloadBytes: number;
  /** Records per write batch. */
  readonly batchRecords: number;
  readonly entries: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface RocksLoopResult {
  readonly records: number;
  readonly elapsedMs: number;
  /** User and system time of the whole process, background threads of RocksDB included. */
  readonly cpuUs: number;
}
