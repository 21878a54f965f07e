import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { UnavailableError } from '../../src/errors/errors.ts';
import type { QueryJob } from '../../src/query/job.ts';
import type { QueryExecutor } from '../../src/query/pool.ts';
import { QueryService } from '../../src/query/query-service.ts';
import { QueryJobRunner } from '../../src/query/scan/run-query-job.ts';
import type { QuerySpec } from '../../src/query/types.ts';
import type { QueryHarness, WrittenRecord } from '../lib/query-harness.ts';
import {
  decodeV1,
  newReadMemory,
  decodeV2,
  inlineExecutor,
  openQueryHarness,
  querySpec,
  readAllBatches,
  readAllMulti,
  TEST_LIMITS,
} from '../lib/query-harness.ts';

const COUNT = 5_000;
let path = '';
let harness: QueryHarness;
let bucket: Bucket;
let entry: Entry;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path);
  bucket = await harness.newBucket();
  const records: WrittenRecord[] = Array.from({ length: COUNT }, (_, index) => ({
    ts: BigInt(index),
    labels: ['n', String(index)],
  }));
  entry = await harness.write(bucket, 'e', records);
  await harness.write(bucket, 'f', records.slice(0, 10));
});

afterAll(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

/** Every job finds that its time is up as soon as it looks, which is after 1024 records. */
function shortSlices(jobs: QueryJob[]): QueryExecutor {
  let nowMs = 0;
  const runner = new QueryJobRunner({
    reader: harness.store.db,
    blockCacheBytes: 1 << 20,
    planCacheBytes: 1 << 20,
    nowMs: () => (nowMs += 1_000),
  });
  return {
    run: (job) => {
      jobs.push(job);
      return Promise.resolve(runner.run(job).result);
    },
  };
}

function service(executor: QueryExecutor, nowMs = (): number => 0): QueryService {
  return new QueryService({
    executor,
    memory: newReadMemory(),
    limits: TEST_LIMITS,
    batchTimeoutMs: 5_000,
    maxQueries: 100,
    maxStateBytes: 1 << 20,
    extensionRefusal: () => undefined,
    nowMs,
  });
}

async function readTimes(queries: QueryService, spec: Partial<QuerySpec>): Promise<number[]> {
  const id = queries.create(bucket, entry, querySpec(spec));
  const batches = await readAllBatches(queries, bucket, entry, id);
  return batches.flatMap(decodeV1).map(({ ts }) => Number(ts));
}

describe('a scan that takes longer than its slice', () => {
  test('goes on in further jobs until it has found something', async () => {
    const jobs: QueryJob[] = [];
    const queries = service(shortSlices(jobs));
    expect(await readTimes(queries, { whenText: '{"&n":{"$eq":4321}}' })).toEqual([4_321]);
    expect(jobs.length).toBeGreaterThanOrEqual(4);
  });

  test('keeps the state of its filters', async () => {
    const queries = service(shortSlices([]));
    expect(await readTimes(queries, { eachN: 1_500 })).toEqual([0, 1_500, 3_000, 4_500]);
    expect(await readTimes(queries, { eachS: 0.002 })).toEqual([0, 2_000, 4_000]);
    expect(await readTimes(queries, { whenText: '{"$each_n":2000}' })).toEqual([1_999, 3_999]);
  });

  test('keeps the context of its condition', async () => {
    const queries = service(shortSlices([]));
    const whenText = '{"#ctx_before":1500,"&n":{"$eq":4000}}';
    const times = await readTimes(queries, { whenText });
    expect(times).toEqual(Array.from({ length: 1_501 }, (_, index) => 2_500 + index));
  });

  test('answers a read of several entries with an empty batch in time', async () => {
    let nowMs = 0;
    const queries = service(shortSlices([]), () => (nowMs += 2_000));
    const whenText = '{"&n":{"$eq":4321}}';
    const id = queries.createMulti(bucket, undefined, querySpec({ whenText }));
    const batches = await readAllMulti(queries, bucket, id);
    expect(batches.length).toBeGreaterThan(1);
    expect(batches.slice(0, -1).every((batch) => batch.recordCount === 0)).toBe(true);
    expect(batches.flatMap(decodeV2)).toMatchObject([{ entryName: 'e', ts: 4_321n }]);
  });
});

describe('a context that grows too large', () => {
  test('ends the query with an error that names it', async () => {
    const other = await harness.newBucket();
    const count = 66_000;
    const many = await harness.write(
      other,
      'e',
      Array.from({ length: count }, (_, index) => ({ ts: BigInt(index) })),
    );
    const queries = service(shortSlices([]));
    const spec = querySpec({ whenText: '{"#ctx_before":1000000,"$timestamp":{"$eq":-1}}' });
    const id = BigInt(queries.create(other, many, spec));
    await expect(queries.readBatch(other, many, id, true)).rejects.toMatchObject({
      status: 422,
      message: '#ctx_before must not hold more than 65536 records',
    });
    expect(await queries.readBatch(other, many, id, true)).toBeUndefined();
  });
});

describe('a job that is refused before it runs', () => {
  test('leaves the query as it was', async () => {
    const inline = inlineExecutor(harness.store.db);
    let isBusy = false;
    const executor: QueryExecutor = {
      run: (job) => (isBusy ? Promise.reject(new UnavailableError('busy')) : inline.run(job)),
    };
    const queries = service(executor);
    const id = BigInt(queries.create(bucket, entry, querySpec({ stopTs: 100n })));
    const read = (): Promise<unknown> => queries.readBatch(bucket, entry, id, true);
    expect(await read()).toMatchObject({ recordCount: 85 });
    isBusy = true;
    await expect(read()).rejects.toMatchObject({ status: 503 });
    isBusy = false;
    expect(await read()).toMatchObject({ recordCount: 15, last: true });
  });
});

describe('a worker that fails', () => {
  test('ends the query', async () => {
    const executor: QueryExecutor = { run: () => Promise.reject(new Error('exited')) };
    const queries = service(executor);
    const id = BigInt(queries.create(bucket, entry, querySpec()));
    const read = (): Promise<unknown> => queries.readBatch(bucket, entry, id, true);
    await expect(read()).rejects.toThrow('exited');
    expect(await read()).toBeUndefined();
  });
});
