/** A real server over a real store, with replication and metrics replaced by stubs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { LinkTokens } from '../../src/auth/types.ts';
import { openTokens } from '../../src/auth/open-tokens.ts';
import type { FrontConfig, FrontDeps } from '../../src/http/deps.ts';
import { extensionRefusal } from '../../src/http/query-extensions.ts';
import { FrontServer } from '../../src/http/server.ts';
import { SYSTEM_CLOCK } from '../../src/lifecycle/clock.ts';
import type { LifecycleClock } from '../../src/lifecycle/clock.ts';
import { LifecycleService } from '../../src/lifecycle/service.ts';
import { WindowWork } from '../../src/lifecycle/window-work.ts';
import { RecordFinder } from '../../src/links/find-record.ts';
import { LinkService } from '../../src/links/link-service.ts';
import { silentLogger } from '../../src/logging/logger.ts';
import { StoredRecordReader } from '../../src/query/record-reader.ts';
import type { ReplicationService } from '../../src/replication/types.ts';
import type { QueryHarness } from './query-harness.ts';
import { inlineExecutor, openQueryHarness } from './query-harness.ts';
import { rawRequest } from './raw-http.ts';
import type { RawRequest, RawResponse } from './raw-http.ts';
import { TEST_SETTINGS } from './store-harness.ts';

export interface FrontHarnessOptions {
  readonly token?: string;
  readonly config?: Partial<FrontConfig>;
  readonly readMemoryBytes?: number | undefined;
  /** In place of those of the harness. */
  readonly linkTokens?: LinkTokens;
  readonly lifecycleClock?: LifecycleClock;
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
  publicUrl: undefined,
  certPath: undefined,
  certKeyPath: undefined,
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

function lifecyclesOver(
  { store, queries, removals }: QueryHarness,
  clock: LifecycleClock,
): LifecycleService {
  const executor = inlineExecutor(store.db);
  return new LifecycleService({
    db: store.db,
    commitRows: (rows) => store.commits.commitRows(rows),
    clock,
    work: new WindowWork({ removals, executor, reserveId: () => queries.reserveId() }),
    bucket: (name) => [...store.catalog.buckets()].find((bucket) => bucket.name === name),
    onRun: () => {},
    warn: () => {},
  });
}

function linksOver(
  { store, queries }: QueryHarness,
  records: StoredRecordReader,
  tokens: LinkTokens,
): LinkService {
  const reserveId = (): number => queries.reserveId();
  const executor = inlineExecutor(store.db);
  const finder = new RecordFinder({ executor, reserveId, extensionRefusal });
  return new LinkService({ tokens, finder, records, nowMs: () => performance.now() });
}

export async function openFront(
  path: string,
  options: FrontHarnessOptions = {},
): Promise<FrontHarness> {
  const inner = await openQueryHarness(path, { readMemoryBytes: options.readMemoryBytes });
  const replicationCalls: string[] = [];
  const { token } = options;
  const tokens = await openTokens({
    db: inner.store.db,
    commits: inner.store.commits,
    times: { nowMs: () => Date.now(), lastAccessMs: () => undefined },
    environment:
      token === undefined
        ? undefined
        : { apiToken: token, initApiToken: undefined, provisioned: [] },
    warn: () => {},
  });
  const records = new StoredRecordReader(inner.store.db);
  const lifecycles = lifecyclesOver(inner, options.lifecycleClock ?? SYSTEM_CLOCK);
  await lifecycles.start([]);
  const deps: FrontDeps = {
    catalog: inner.store.catalog,
    ingest: inner.store.commits,
    changes: inner.changes,
    queries: inner.queries,
    removals: inner.removals,
    records,
    readMemory: inner.readMemory,
    lifecycles,
    links: linksOver(inner, records, options.linkTokens ?? tokens),
    replications: recordingReplications(replicationCalls),
    auth: tokens,
    tokens,
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
      lifecycles.stop();
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
    withRenamedSource: (_name, _newName, commit) => commit([]),
    entriesRenamed: () => undefined,
    backfills: {
      list: (name) => `{"backfills":[],"task":"${name}"}`,
      detail: (name, id) => `{"task":"${name}","id":"${id}"}`,
      create: async (name, body) => {
        await record(`back-fill ${name} ${body}`);
        return '{"id":1}';
      },
      setState: async (name, id, body) => {
        await record(`back-fill state ${name} ${id} ${body}`);
        return '{"id":1}';
      },
      cancel: async (name, id) => {
        await record(`cancel ${name} ${id}`);
        return '{"id":1}';
      },
    },
    check: async (name, body) => `{"check":${JSON.stringify(name)},"body":${JSON.stringify(body)}}`,
    preview: async (name, body) =>
      `{"preview":${JSON.stringify(name)},"body":${JSON.stringify(body)}}`,
    comparisons: {
      start: async (name, body) =>
        `{"compare":${JSON.stringify(name)},"body":${JSON.stringify(body)}}`,
      detail: (name) => `{"of":${JSON.stringify(name)}}`,
      cancel: async (name) => `{"cancelled":${JSON.stringify(name)}}`,
    },
    deadLetters: {
      list: async (name, request) =>
        `{"of":${JSON.stringify(name)},"x":${JSON.stringify(request)}}`,
      retry: (name, which) => record(`retry ${name} ${JSON.stringify(which)}`).then(() => 2),
      discard: (name, which) => record(`discard ${name} ${JSON.stringify(which)}`).then(() => 3),
    },
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
