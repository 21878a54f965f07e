/** What every replication worker is given when it starts. */
import { NO_PROXY, type ProxySettings } from './transfer/proxy.ts';

/** Given to every worker when it starts (`workerData`). */
export interface WorkerSetup {
  readonly databaseHandle: bigint;
  readonly ring: SharedArrayBuffer;
  readonly options: WorkerOptions;
  /** Name of a channel for `TlsMaterial`: threads ask there for the present one, and hear of changes. */
  readonly tlsChannel: string | null;
}

export interface WorkerOptions {
  /** A slice opens no further window after this time. */
  readonly sliceMs: number;
  /** A slice that has caught up waits this long for more before it ends. */
  readonly lingerMs: number;
  /** Requests of one task in flight, over different entries. */
  readonly concurrency: number;
  readonly connectTimeoutMs: number;
  /** A request without a byte sent or received for this long is given up (replication §5.8). */
  readonly noProgressTimeoutMs: number;
  /** PEM bundle that is trusted besides the system's roots; `null`: none (replication §5.9). */
  readonly caPem: string | null;
  /** Certificate of this side with its key, for targets that demand one. */
  readonly certPem: string | null;
  readonly keyPem: string | null;
  readonly proxies: ProxySettings;
  readonly verifyTls: boolean;
  /** Random, made once for the store; empty: batches tell no path (replication §5.11). */
  readonly instanceId: string;
  /** Records and content bytes of one request (replication §5.2); more than 85 records exceed what targets accept. */
  readonly batchMaxRecords: number;
  readonly batchMaxBytes: number;
  /** Bytes of decoded blocks kept per thread. */
  readonly blockCacheBytes: number;
  /** Bytes of encoded windows kept per thread, for tasks with equal settings. */
  readonly windowCacheBytes: number;
}

export const DEFAULT_WORKER_OPTIONS: WorkerOptions = {
  sliceMs: 250,
  lingerMs: 25,
  concurrency: 16,
  connectTimeoutMs: 10_000,
  noProgressTimeoutMs: 60_000,
  caPem: null,
  certPem: null,
  keyPem: null,
  proxies: NO_PROXY,
  verifyTls: true,
  instanceId: '',
  batchMaxRecords: 85,
  batchMaxBytes: 8_000_000,
  blockCacheBytes: 32 * 1024 * 1024,
  windowCacheBytes: 32 * 1024 * 1024,
};
