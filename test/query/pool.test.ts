import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { QueryPool } from '../../src/query/pool.ts';
import type { QueryHarness, QueryHarnessOptions } from '../lib/query-harness.ts';
import {
  bodyBytes,
  decodeV1,
  openQueryHarness,
  querySpec,
  readAllBatches,
} from '../lib/query-harness.ts';

let path = '';
let harness: QueryHarness;
let bucket: Bucket;
let entry: Entry;

const content = (ts: bigint): Buffer => Buffer.alloc(300, Number(ts % 251n));

async function open(options: QueryHarnessOptions, count: number): Promise<void> {
  harness = await openQueryHarness(path, options);
  bucket = await harness.newBucket();
  const times = Array.from({ length: count }, (_, index) => BigInt(index));
  entry = await harness.write(
    bucket,
    'e',
    times.map((ts) => ({ ts, payload: content(ts), labels: ['n', String(ts)] })),
  );
}

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
});

afterEach(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

describe('worker threads', () => {
  test('read what the main thread has written, byte for byte', async () => {
    await open({ threads: 2 }, 1_000);
    const { queries } = harness;
    const readAll = async (): Promise<void> => {
      const id = queries.create(bucket, entry, querySpec());
      const batches = await readAllBatches(queries, bucket, entry, id);
      const found = batches.flatMap(decodeV1);
      expect(found.map(({ ts }) => Number(ts))).toEqual(
        Array.from({ length: 1_000 }, (_, index) => index),
      );
      const contents = Buffer.concat(batches.map(bodyBytes));
      expect(contents).toEqual(Buffer.concat(found.map(({ ts }) => content(ts))));
      // Contents that lie together come as one part, in memory of its own.
      for (const { body } of batches) {
        expect(body).toHaveLength(1);
        const [part] = body;
        expect(part instanceof Uint8Array && part.buffer.byteLength === part.length).toBe(true);
      }
    };
    await Promise.all([readAll(), readAll(), readAll()]);
  });

  test('see a commit as soon as it is acknowledged, while the writer goes on', async () => {
    await open({ threads: 1 }, 1);
    for (let ts = 1n; ts <= 50n; ts++) {
      await harness.write(bucket, 'e', [{ ts }]);
      const id = BigInt(harness.queries.create(bucket, entry, querySpec({ startTs: ts })));
      const batch = await harness.queries.readBatch(bucket, entry, id, true);
      expect(batch).toMatchObject({ recordCount: 1, last: true });
    }
  });

  test('report errors with status and text', async () => {
    await open({ threads: 1 }, 10);
    const spec = querySpec({ strict: true, whenText: '{"&none":{"$eq":1}}' });
    const id = BigInt(harness.queries.create(bucket, entry, spec));
    await expect(harness.queries.readBatch(bucket, entry, id, true)).rejects.toMatchObject({
      name: 'ApiError',
      status: 404,
      message: "Reference 'none' not found",
    });
  });
});

describe('a full queue', () => {
  test('refuses reads with 503, and the queries go on afterwards', async () => {
    await open({ threads: 1, maxQueue: 1 }, 100);
    const { queries } = harness;
    const ids = Array.from({ length: 10 }, () => queries.create(bucket, entry, querySpec()));
    const read = (id: number): Promise<unknown> =>
      queries.readBatch(bucket, entry, BigInt(id), true);
    const outcomes = await Promise.allSettled(ids.map(read));
    const refused = ids.filter((_, index) => outcomes[index]?.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(10);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ status: 503 });
    }
    for (const id of refused) {
      expect(await read(id)).toMatchObject({ recordCount: 85 });
      expect(await read(id)).toMatchObject({ recordCount: 15, last: true });
    }
  });
});

describe('stopping', () => {
  test('lets accepted reads finish, refuses later ones, and the store can be closed', async () => {
    await open({ threads: 1 }, 1_000);
    const { queries, pool } = harness;
    const create = (): bigint => BigInt(queries.create(bucket, entry, querySpec()));
    const reads = Array.from({ length: 5 }, () => queries.readBatch(bucket, entry, create(), true));
    // The jobs are with the pool one microtask after the reads.
    await Promise.resolve();
    await Promise.resolve();
    const stopped = pool?.stop(100_000);
    await expect(queries.readBatch(bucket, entry, create(), true)).rejects.toMatchObject({
      status: 503,
    });
    for (const read of reads) expect(await read).toMatchObject({ recordCount: 85 });
    await stopped;
    await pool?.stop(100_000);
  });

  test('is bounded: reads that take longer end with 503', async () => {
    await open({ threads: 1 }, 20_000);
    const { queries, pool } = harness;
    const whenText = '{"$contains":["&n","x"]}';
    const reads = Array.from({ length: 20 }, () => {
      const id = BigInt(queries.create(bucket, entry, querySpec({ whenText })));
      return queries.readBatch(bucket, entry, id, true);
    });
    const settled = Promise.allSettled(reads);
    await Promise.resolve();
    await Promise.resolve();
    await pool?.stop(0);
    const outcomes = await settled;
    expect(outcomes.map(({ status }) => status)).toContain('rejected');
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ status: 503 });
    }
  });
});

describe('a worker that cannot start', () => {
  test('fails the job instead of leaving it waiting', async () => {
    await open({}, 1);
    const errors: Error[] = [];
    const pool = new QueryPool({
      workerUrl: new URL('./no-such-worker.js', import.meta.url),
      handle: harness.store.db.handle,
      blockCacheBytes: 1 << 20,
      planCacheBytes: 1 << 20,
      threads: 1,
      maxQueue: 4,
      onThreadError: (error) => errors.push(error),
    });
    const job = {
      queryId: 1,
      plan: new Uint8Array(0),
      cursor: undefined,
      output: 'v1',
      withBody: true,
      isInterleavingSafe: true,
      limits: { maxRecords: 1, maxBodyBytes: 1, maxMetadataBytes: 1 },
      sliceMs: 1,
    } as const;
    await expect(pool.run(job)).rejects.toMatchObject({ status: 500 });
    await pool.stop(100);
  });
});
