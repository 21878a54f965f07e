/** A real server over a real store, with replication and metrics replaced by stubs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createOpenAuthenticator, createTokenAuthenticator } from '../../src/http/auth.ts';
import type { FrontConfig, FrontDeps } from '../../src/http/deps.ts';
import { FrontServer } from '../../src/http/server.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { StoredRecordReader } from '../../src/query/record-reader.ts';
import type { ReplicationService } from '../../src/replication/types.ts';
import type { QueryHarness } from './query-harness.ts';
import { openQueryHarness } from './query-harness.ts';
import { rawRequest } from './raw-http.ts';
import type { RawRequest, RawResponse } from './raw-http.ts';
import { TEST_SETTINGS } from './store-harness.ts';

export interface FrontHarnessOptions {
  readonly token?: string;
  readonly config?: Partial<FrontConfig>;
  readonly deps?: (inner: QueryHarness) => Partial<FrontDeps>;
}

export interface FrontHarness {
  readonly inner: QueryHarness;
  readonly server: FrontServer;
  readonly port: number;
  /** Calls of the replication service, in order. */
  readonly replicationCalls: string[];
  /** One request below `/api/v1`, with the token if there is one. */
  readonly api: (
    method: string,
    path: string,
    request?: Omit<RawRequest, 'method' | 'path'>,
  ) => Promise<RawResponse>;
  close(): Promise<void>;
}

export const TEST_FRONT_CONFIG: FrontConfig = {
  apiBasePath: '/',
  corsAllowOrigins: [],
  instanceName: 'test-instance',
  instanceRole: 'STANDALONE',
  metricsAuth: false,
  operationTimeoutMs: 30_000,
  uploadMemoryBytes: 64 * 1024 * 1024,
  maxWritersInFlight: 0,
  rateLimitApi: undefined,
  rateLimitIngress: undefined,
  rateLimitEgress: undefined,
  defaultQuotaType: 'NONE',
  defaultQuotaSizeBytes: 0,
  defaultMaxBlockSizeBytes: TEST_SETTINGS.max_block_size,
  defaultMaxBlockRecords: TEST_SETTINGS.max_block_records,
};

export async function openFront(
  path: string,
  options: FrontHarnessOptions = {},
): Promise<FrontHarness> {
  const inner = await openQueryHarness(path);
  const replicationCalls: string[] = [];
  const { token } = options;
  const deps: FrontDeps = {
    catalog: inner.store.catalog,
    ingest: inner.store.commits,
    queries: inner.queries,
    records: new StoredRecordReader(inner.store.db),
    replications: recordingReplications(replicationCalls),
    auth: token === undefined ? createOpenAuthenticator() : createTokenAuthenticator(token),
    config: { ...TEST_FRONT_CONFIG, ...options.config },
    logger: silentLogger,
    metrics: { contentType: 'text/plain; version=0.0.4', renderMetrics: async () => 'm 1\n' },
    isReady: () => true,
    ...options.deps?.(inner),
  };
  const server = new FrontServer(deps);
  const port = await server.listen('127.0.0.1', 0);
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    inner,
    server,
    port,
    replicationCalls,
    api: (method, apiPath, request = {}) =>
      rawRequest(port, {
        ...request,
        method,
        path: `/api/v1${apiPath}`,
        headers: { ...authorization, ...request.headers },
      }),
    close: async () => {
      await server.close(1_000);
      await inner.close();
    },
  };
}

function recordingReplications(calls: string[]): ReplicationService {
  const record = (line: string): Promise<void> => {
    calls.push(line);
    return Promise.resolve();
  };
  return {
    list: async (isExtended) => `{"replications":[],"x":${isExtended}}`,
    detail: async (name, isExtended) => `{"info":${JSON.stringify(name)},"x":${isExtended}}`,
    create: (name, body) => record(`create ${name} ${body}`),
    update: (name, body) => record(`update ${name} ${body}`),
    setMode: (name, body) => record(`mode ${name} ${body}`),
    remove: (name) => record(`remove ${name}`),
  };
}

/** One front for all tests of the enclosing block, opened before and removed behind them. */
export function useFront(options: FrontHarnessOptions = {}): () => FrontHarness {
  let path: string | undefined;
  let front: FrontHarness | undefined;
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    front = await openFront(path, options);
  });
  afterAll(async () => {
    await front?.close();
    if (path !== undefined) await rm(path, { recursive: true, force: true });
  });
  return () => {
    if (front === undefined) throw new Error('the front is not open');
    return front;
  };
}
