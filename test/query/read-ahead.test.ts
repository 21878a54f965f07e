import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Bucket, Entry } from '../../src/catalog/model.ts';
import { ApiError } from '../../src/errors/errors.ts';
import type { QueryJob } from '../../src/query/job.ts';
import { QueryService } from '../../src/query/query-service.ts';
import type { ReadMemory } from '../../src/query/read-memory.ts';
import type { QuerySpec, ReadBatch } from '../../src/query/types.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import {
  bodyBytes,
  decodeV1,
  inlineExecutor,
  newReadMemory,
  openQueryHarness,
  querySpec,
  readAllBatches,
  readAllMulti,
  TEST_LIMITS,
} from '../lib/query-harness.ts';

const MIB = 1024 * 1024;
const BATCH = 10;

let path = '';
let harness: QueryHarness;
let bucket: Bucket;
let entry: Entry;
let jobs: QueryJob[];
let clock: { ms: number };
/** Jobs under way. The store must not be closed under them. */
let running: Set<Promise<unknown>>;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path);
  bucket = await harness.newBucket();
  jobs = [];
  running = new Set();
  clock = { ms: 0 };
  entry = await fill('e', 300);
});

afterEach(async () => {
  await Promise.allSettled(running);
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

/** Records at 10, 20, 30 … µs. */
function fill(name: string, count: number): Promise<Entry> {
  const records = Array.from({ length: count }, (_, index) => ({
    ts: BigInt(10 * (index + 1)),
    labels: ['n', String(index)],
    payload: Buffer.from(`content ${index}`),
  }));
  return harness.write(bucket, name, records);
}

type Memory = Pick<ReadMemory, 'reserve' | 'tryReserve' | 'holdSpare'>;

function service(memory: Memory): QueryService {
  const executor = inlineExecutor(harness.store.db);
  return new QueryService({
    executor: {
      run: (job) => {
        jobs.push(job);
        // Jobs that no read waits for run later than they were asked for.
        const result = isOwn(job) ? executor.run(job) : nextTurn().then(() => executor.run(job));
        running.add(result);
        return result;
      },
    },
    memory,
    limits: { ...TEST_LIMITS, maxRecords: BATCH },
    batchTimeoutMs: 5_000,
    maxQueries: 100,
    maxStateBytes: MIB,
    extensionRefusal: () => undefined,
    nowMs: () => clock.ms,
  });
}

/** Whether a read waits for the job. */
function isOwn({ ahead }: QueryJob): boolean {
  return ahead?.isOnly !== true;
}

function ownJobs(): number {
  return jobs.filter(isOwn).length;
}

/** Every read runs a job of its own. */
function withoutAhead(): QueryService {
  const memory = newReadMemory();
  return service({
    reserve: (bytes) => memory.reserve(bytes),
    tryReserve: () => undefined,
    holdSpare: () => undefined,
  });
}

function create(queries: QueryService, spec: Partial<QuerySpec> = {}): bigint {
  return BigInt(queries.create(bucket, entry, querySpec(spec)));
}

/** Reads until something lies ahead. */
async function readFar(queries: QueryService, id: bigint): Promise<void> {
  for (let i = 0; i < 4; i++) await queries.readBatch(bucket, entry, id, true);
}

async function nextTimes(queries: QueryService, id: bigint): Promise<bigint[]> {
  const batch = await queries.readBatch(bucket, entry, id, true);
  return batch === undefined ? [] : decodeV1(batch).map(({ ts }) => ts);
}

function plain(batch: ReadBatch | undefined): unknown {
  if (batch === undefined) return undefined;
  const { headerLines, recordCount, last } = batch;
  return { headerLines, recordCount, last, body: bodyBytes(batch).toString() };
}

describe('reading ahead', () => {
  test('a query read to its end takes fewer jobs than reads and gives the same', async () => {
    const ahead = service(newReadMemory());
    const read = await readAllBatches(ahead, bucket, entry, Number(create(ahead)));
    const jobsAhead = jobs.length;
    const plainly = withoutAhead();
    const expected = await readAllBatches(plainly, bucket, entry, Number(create(plainly)));
    expect(read.map(plain)).toEqual(expected.map(plain));
    expect(read).toHaveLength(30);
    expect(jobs.length - jobsAhead).toBeGreaterThanOrEqual(30);
    expect(jobsAhead).toBeLessThan(10);
  });

  test('single reads and reads of several entries do so, too', async () => {
    await fill('f', 100);
    const queries = service(newReadMemory());
    const id = create(queries);
    for (let i = 0; i < 300; i++) {
      const record = await queries.readRecord(bucket, entry, id, true);
      expect(record?.ts).toBe(BigInt(10 * (i + 1)));
    }
    expect(jobs.length).toBeLessThan(20);
    jobs = [];
    const multi = queries.createMulti(bucket, undefined, querySpec());
    const batches = await readAllMulti(queries, bucket, multi);
    expect(batches.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(400);
    expect(jobs.length).toBeLessThan(12);
  });

  test('while a reader takes what lies ahead the next job runs, and the reader goes on with what it found', async () => {
    await fill('long', 1_000);
    const long = harness.store.catalog.entry(bucket.name, 'long');
    const queries = service(newReadMemory());
    const id = queries.create(bucket, long, querySpec());
    const batches = await readAllBatches(queries, bucket, long, id);
    expect(batches.flatMap((batch) => decodeV1(batch)).map(({ ts }) => ts)).toEqual(
      Array.from({ length: 1_000 }, (_, index) => BigInt(10 * (index + 1))),
    );
    const first = jobs.findIndex((job) => !isOwn(job));
    expect(first).toBeGreaterThan(0);
    // No read had to run a job of its own from then on.
    expect(jobs.slice(first).some(isOwn)).toBe(false);
  });

  test('what was found for later reads is left when records change before they come', async () => {
    await fill('long', 1_000);
    const long = harness.store.catalog.entry(bucket.name, 'long');
    const queries = service(newReadMemory());
    const id = BigInt(queries.create(bucket, long, querySpec()));
    const read = async (): Promise<bigint[]> => {
      const batch = await queries.readBatch(bucket, long, id, true);
      return batch === undefined ? [] : decodeV1(batch).map(({ ts }) => ts);
    };
    let reached = 0n;
    while (jobs.every(isOwn)) reached = (await read()).at(-1) ?? 0n;
    await harness.write(bucket, 'long', [{ ts: reached + 5n }]);
    expect((await read())[0]).toBe(reached + 5n);
    const rest: bigint[] = [];
    for (let found = await read(); found.length > 0; found = await read()) rest.push(...found);
    expect(rest.at(-1)).toBe(10_000n);
    expect(new Set(rest).size).toBe(rest.length);
  });

  test('later records of any entry leave a query alone whose range ends before them', async () => {
    await fill('f', 300);
    const queries = service(newReadMemory());
    const id = BigInt(queries.createMulti(bucket, undefined, querySpec()));
    const read = (): Promise<ReadBatch | undefined> => queries.readMulti(bucket, id, true, true);
    for (let i = 0; i < 4; i++) await read();
    const before = ownJobs();
    await harness.write(bucket, 'f', [{ ts: 5_000n }]);
    await harness.write(bucket, 'new', [{ ts: 1n }]);
    expect((await read())?.recordCount).toBe(BATCH);
    expect(ownJobs()).toBe(before);
  });

  test('a later record in the range appears in a query over several entries', async () => {
    await fill('f', 100);
    const queries = service(newReadMemory());
    const id = queries.createMulti(bucket, undefined, querySpec({ stopTs: 10_000n }));
    const read = (): Promise<ReadBatch | undefined> =>
      queries.readMulti(bucket, BigInt(id), true, true);
    for (let i = 0; i < 12; i++) await read();
    await harness.write(bucket, 'f', [{ ts: 1_001n, payload: Buffer.from('late') }]);
    const rest: string[] = [];
    for (let batch = await read(); batch !== undefined; batch = await read()) {
      rest.push(bodyBytes(batch).toString());
    }
    expect(rest.join('')).toContain('late');
  });

  test('a record in the place of the latest one, which was removed, appears', async () => {
    await fill('f', 300);
    const queries = service(newReadMemory());
    const id = queries.createMulti(bucket, undefined, querySpec());
    const read = (): Promise<ReadBatch | undefined> =>
      queries.readMulti(bucket, BigInt(id), true, true);
    await harness.changes.remove({ entry, timestamps: BigUint64Array.of(3_000n) });
    for (let i = 0; i < 56; i++) await read();
    await harness.write(bucket, 'e', [{ ts: 2_999n, payload: Buffer.from('late') }]);
    const rest: string[] = [];
    for (let batch = await read(); batch !== undefined; batch = await read()) {
      rest.push(bodyBytes(batch).toString());
    }
    expect(rest.join('')).toContain('late');
  });

  test('a late record that lies ahead of the reader appears', async () => {
    const queries = service(newReadMemory());
    const id = create(queries);
    await readFar(queries, id);
    await harness.write(bucket, 'e', [{ ts: 415n }]);
    expect((await nextTimes(queries, id)).slice(0, 3)).toEqual([410n, 415n, 420n]);
  });

  test('a removed record is gone at once', async () => {
    const queries = service(newReadMemory());
    const id = create(queries);
    await readFar(queries, id);
    await harness.changes.remove({ entry, timestamps: BigUint64Array.of(410n, 420n) });
    expect((await nextTimes(queries, id)).slice(0, 2)).toEqual([430n, 440n]);
  });

  test('later records of the entry do not make the reader begin anew', async () => {
    const queries = service(newReadMemory());
    const id = create(queries);
    await readFar(queries, id);
    const before = ownJobs();
    await harness.write(bucket, 'e', [{ ts: 5_000n }]);
    expect((await nextTimes(queries, id))[0]).toBe(410n);
    expect(ownJobs()).toBe(before);
  });

  test('records behind the last batch of a query without end in sight appear', async () => {
    const queries = service(newReadMemory());
    const id = create(queries, { startTs: 2_400n, stopTs: 10_000n });
    for (let i = 0; i < 5; i++) await nextTimes(queries, id);
    await harness.write(bucket, 'e', [{ ts: 5_000n }]);
    const rest: bigint[] = [];
    for (let i = 0; i < 4; i++) rest.push(...(await nextTimes(queries, id)));
    expect(rest.at(-1)).toBe(5_000n);
  });

  test('a read that is refused finds the same again', async () => {
    const queries = service(newReadMemory());
    const id = create(queries);
    await readFar(queries, id);
    const refusal = new ApiError(429, 'too much');
    const refuse = (): void => {
      throw refusal;
    };
    await expect(queries.readBatch(bucket, entry, id, true, refuse)).rejects.toBe(refusal);
    expect((await nextTimes(queries, id))[0]).toBe(410n);
  });

  test('HEAD and GET can take turns on one query', async () => {
    const queries = service(newReadMemory());
    const id = create(queries);
    await readFar(queries, id);
    const head = await queries.readBatch(bucket, entry, id, false);
    expect(head).toMatchObject({ recordCount: BATCH, body: [] });
    expect((await nextTimes(queries, id))[0]).toBe(510n);
  });

  test('what lies ahead is counted, and gone when memory is wanted, when the query idles and when it ends', async () => {
    const memory = newReadMemory(64 * MIB);
    const queries = service(memory);
    const heldBytes = (): number => memory.figures().heldBytes;
    const first = create(queries);
    await readFar(queries, first);
    // A job under way has its memory for sure.
    await Promise.allSettled(running);
    expect(heldBytes()).toBeGreaterThan(0);
    const release = await memory.reserve(48 * MIB);
    expect(heldBytes()).toBe(0);
    release();
    expect(memory.figures().waitsTotal).toBe(0);
    expect((await nextTimes(queries, first))[0]).toBe(410n);

    const second = create(queries);
    await readFar(queries, second);
    expect(heldBytes()).toBeGreaterThan(0);
    await readAllBatches(queries, bucket, entry, Number(second));
    await readAllBatches(queries, bucket, entry, Number(first));
    await Promise.allSettled(running);
    expect(heldBytes()).toBe(0);

    const third = create(queries);
    await readFar(queries, third);
    await Promise.allSettled(running);
    clock.ms += 10_000;
    queries.start();
    await expect.poll(heldBytes).toBe(0);
    queries.stop();
    expect((await nextTimes(queries, third))[0]).toBe(410n);
  });

  test('any history of changes between reads is seen as if each read ran a job of its own', async () => {
    const change = fc.oneof(
      { weight: 6, arbitrary: fc.constant({ kind: 'read' as const, ts: 0 }) },
      fc.record({
        kind: fc.constantFrom(
          'write' as const,
          'append' as const,
          'remove' as const,
          'relabel' as const,
        ),
        ts: fc.integer({ min: 1, max: 300 }),
      }),
    );
    const specs: Partial<QuerySpec>[] = [
      {},
      { stopTs: 1_000_000n },
      { continuous: true, stopTs: 1_000_000n },
      { eachN: 3, limit: 60 },
      { whenText: '{"&n":{"$gt":5},"#ctx_before":2}' },
    ];
    let appended = 100_000n;
    const property = fc.asyncProperty(
      fc.array(change, { minLength: 20, maxLength: 60 }),
      fc.constantFrom(...specs),
      fc.boolean(),
      async (history, overrides, isMulti) => {
        const spec = querySpec({ ttlMs: 1, ...overrides });
        const both = [service(newReadMemory()), withoutAhead()].map((queries) => {
          const id = isMulti
            ? queries.createMulti(bucket, undefined, spec)
            : queries.create(bucket, entry, spec);
          return () =>
            isMulti
              ? queries.readMulti(bucket, BigInt(id), true, true)
              : queries.readBatch(bucket, entry, BigInt(id), true);
        });
        for (const { kind, ts } of history) {
          const at = BigInt(ts);
          if (kind === 'append') await harness.write(bucket, 'e', [{ ts: (appended += 10n) }]);
          else if (kind === 'write') {
            await harness.write(bucket, 'g', [{ ts: (appended += 10n) }]);
            await harness.write(bucket, 'e', [{ ts: at }]).catch(isTaken);
          } else if (kind === 'remove') {
            await harness.changes.remove({ entry, timestamps: BigUint64Array.of(at * 10n) });
          } else if (kind === 'relabel') {
            await harness.changes.update([{ entry, ts: at * 10n, operations: ['n', '7'] }]);
          } else {
            const [ahead, plainly] = await Promise.all(both.map((read) => read().catch(statusOf)));
            expect(shape(ahead)).toEqual(shape(plainly));
          }
        }
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });
});

function shape(outcome: ReadBatch | number | undefined): unknown {
  return typeof outcome === 'number' ? outcome : plain(outcome);
}

function statusOf(error: unknown): number {
  if (error instanceof ApiError) return error.status;
  throw error;
}

function isTaken(error: unknown): void {
  expect(statusOf(error)).toBe(409);
}
