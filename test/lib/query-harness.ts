/** A real store with queries over it, executed in this thread or by real worker threads. */
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { SlicedRecordChanges } from '../../src/commit/sliced-changes.ts';
import { extensionRefusal } from '../../src/http/query-extensions.ts';
import { BodyBuffers, sharedBufferOf } from '../../src/query/body-buffers.ts';
import type { BatchLimits } from '../../src/query/job.ts';
import type { QueryExecutor } from '../../src/query/pool.ts';
import { QueryPool } from '../../src/query/pool.ts';
import { QueryRemovals } from '../../src/query/query-removals.ts';
import { QueryService } from '../../src/query/query-service.ts';
import { ReadMemory } from '../../src/query/read-memory.ts';
import { QueryJobRunner } from '../../src/query/scan/run-query-job.ts';
import type { QuerySpec, ReadBatch } from '../../src/query/types.ts';
import type { Labels } from '../../src/store/labels.ts';
import type { RocksReader } from '../../src/store/rocks.ts';
import { BatchV1Parser, parseBatchV1Name } from '../../src/wire/batch-v1.ts';
import { parseBatchV2 } from '../../src/wire/batch-v2.ts';
import type { StoreHarness } from './store-harness.ts';
import { openHarness, TEST_SETTINGS } from './store-harness.ts';

export const TEST_LIMITS: BatchLimits = {
  maxRecords: 85,
  maxBodyBytes: 8_000_000,
  maxMetadataBytes: 512_000,
};

export const WORKER_URL: URL = new URL('../../dist/workers/query.js', import.meta.url);

const MIB = 1024 * 1024;

export function newReadMemory(limitBytes: number = 64 * MIB): ReadMemory {
  const nowMs = (): number => performance.now();
  return new ReadMemory({ limitBytes, timeoutMs: 30_000, nowMs });
}

export interface QueryHarnessOptions {
  /** Worker threads; without it jobs run in this thread. */
  readonly threads?: number;
  readonly maxQueue?: number;
  readonly limits?: Partial<BatchLimits>;
  readonly batchTimeoutMs?: number;
  readonly maxQueries?: number;
  readonly maxStateBytes?: number;
  readonly readMemoryBytes?: number | undefined;
  /** Monotonic clock of expiry and waits. */
  readonly nowMs?: () => number;
}

export interface QueryHarness {
  readonly store: StoreHarness;
  readonly queries: QueryService;
  readonly readMemory: ReadMemory;
  readonly pool: QueryPool | undefined;
  readonly changes: SlicedRecordChanges;
  readonly removals: QueryRemovals;
  newBucket(): Promise<Bucket>;
  /** Writes in one commit group and resolves when it is readable. @throws the refusal. */
  write(bucket: Bucket, entryName: string, records: readonly WrittenRecord[]): Promise<Entry>;
  close(): Promise<void>;
}

export interface WrittenRecord {
  readonly ts: bigint;
  readonly payload?: Uint8Array;
  readonly labels?: Labels;
  readonly contentType?: string;
}

/** Executes jobs in this thread; results are cloned as if they had crossed one. */
export function inlineExecutor(reader: RocksReader): QueryExecutor {
  const runner = new QueryJobRunner({
    reader,
    blockCacheBytes: 8 * MIB,
    planCacheBytes: MIB,
    nowMs: () => performance.now(),
  });
  const free = new BodyBuffers();
  return {
    run: (job) => {
      const { result, transfer } = runner.run(
        structuredClone({ ...job, freeBuffers: free.takeAll() }),
      );
      return Promise.resolve(structuredClone(result, { transfer: [...transfer] }));
    },
    recycle: (body) => {
      const buffer = sharedBufferOf(body);
      if (buffer !== undefined) free.give(buffer);
    },
  };
}

let bucketCount = 0;

export async function openQueryHarness(
  path: string,
  options: QueryHarnessOptions = {},
): Promise<QueryHarness> {
  const store = await openHarness(path);
  const pool = options.threads === undefined ? undefined : openPool(store, options);
  const executor = pool ?? inlineExecutor(store.db);
  const readMemory = newReadMemory(options.readMemoryBytes);
  const queries = new QueryService({
    executor,
    memory: readMemory,
    limits: { ...TEST_LIMITS, ...options.limits },
    batchTimeoutMs: options.batchTimeoutMs ?? 5_000,
    maxQueries: options.maxQueries ?? 1_000,
    maxStateBytes: options.maxStateBytes ?? 16 * MIB,
    extensionRefusal,
    nowMs: options.nowMs ?? (() => performance.now()),
  });
  store.commits.addListener(queries);
  const changes = new SlicedRecordChanges(store.commits, () => performance.now());
  const reserveId = (): number => queries.reserveId();
  const removals = new QueryRemovals({ executor, changes, reserveId });
  return {
    store,
    queries,
    readMemory,
    pool,
    changes,
    removals,
    newBucket: async () => {
      const name = `bucket-${++bucketCount}`;
      await store.catalog.createBucket(name, TEST_SETTINGS);
      return store.catalog.bucket(name);
    },
    write: async (bucket, entryName, records) => {
      const target = store.catalog.entryForWrite(bucket.name, entryName);
      const outcomes = await Promise.all(
        records.map(({ ts, payload = new Uint8Array(0), labels = [], contentType }) =>
          store.write(target, ts, payload, labels, contentType),
        ),
      );
      for (const error of outcomes) if (error !== null) throw error;
      return store.catalog.entry(bucket.name, entryName);
    },
    close: async () => {
      queries.stop();
      await pool?.stop(5_000);
      await store.close();
    },
  };
}

function openPool(store: StoreHarness, options: QueryHarnessOptions): QueryPool {
  return new QueryPool({
    workerUrl: WORKER_URL,
    handle: store.db.handle,
    blockCacheBytes: 8 * MIB,
    planCacheBytes: MIB,
    threads: options.threads ?? 1,
    maxQueue: options.maxQueue ?? 64,
    onThreadError: (error) => {
      throw error;
    },
  });
}

export function querySpec(overrides: Partial<QuerySpec> = {}): QuerySpec {
  return {
    startTs: undefined,
    stopTs: undefined,
    ttlMs: 60_000,
    continuous: false,
    onlyMetadata: false,
    strict: false,
    include: [],
    exclude: [],
    eachS: undefined,
    eachN: undefined,
    limit: undefined,
    whenText: undefined,
    ...overrides,
  };
}

/** A record as a client decodes it. */
export interface ReceivedRecord {
  readonly entryName: string;
  readonly ts: bigint;
  readonly contentType: string;
  readonly labels: Labels;
  readonly lengthBytes: number;
}

export function headerPairs(headerLines: string): [name: string, value: string][] {
  return headerLines.split('\r\n').map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

export function decodeV1(batch: ReadBatch): ReceivedRecord[] {
  const parser = new BatchV1Parser();
  return headerPairs(batch.headerLines).map(([name, value]) => ({
    entryName: '',
    ts: parseBatchV1Name(name),
    ...parser.parse(value),
  }));
}

/** By (entry index, timestamp), as the body is. */
export function decodeV2(batch: ReadBatch): ReceivedRecord[] {
  if (batch.recordCount === 0) return [];
  const pairs = headerPairs(batch.headerLines);
  const headers = new Map(pairs);
  const { entryNames, records } = parseBatchV2({
    entries: headers.get('x-reduct-entries'),
    startTs: headers.get('x-reduct-start-ts'),
    labels: headers.get('x-reduct-labels'),
    others: pairs.flat(),
  });
  return records.map(({ entryIndex, ts, contentType, labels, lengthBytes }) => ({
    entryName: entryNames[entryIndex] ?? '',
    ts,
    contentType,
    labels,
    lengthBytes,
  }));
}

/** The inline contents of a body as one buffer. */
export function bodyBytes(batch: ReadBatch): Buffer {
  return Buffer.concat(batch.body.filter((part) => part instanceof Uint8Array));
}

/** Reads a query of one entry to its end. */
export async function readAllBatches(
  queries: QueryService,
  bucket: Bucket,
  entry: Entry,
  id: number,
  withBody = true,
): Promise<ReadBatch[]> {
  const batches: ReadBatch[] = [];
  for (;;) {
    const batch = await queries.readBatch(bucket, entry, BigInt(id), withBody);
    if (batch === undefined) return batches;
    batches.push(batch);
  }
}

export async function readAllMulti(
  queries: QueryService,
  bucket: Bucket,
  id: number,
  isInterleavingSafe = true,
): Promise<ReadBatch[]> {
  const batches: ReadBatch[] = [];
  for (;;) {
    const batch = await queries.readMulti(bucket, BigInt(id), true, isInterleavingSafe);
    if (batch === undefined) return batches;
    batches.push(batch);
  }
}
