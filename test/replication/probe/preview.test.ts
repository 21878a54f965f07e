import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestRecord } from '../../lib/api.ts';
import { type RunningInstance, startInstance } from '../../lib/instance.ts';
import { newTempDir } from '../../lib/temp-dir.ts';

let instance: RunningInstance;
let remove: () => Promise<void>;

beforeAll(async () => {
  const folder = await newTempDir();
  remove = folder.remove;
  instance = await startInstance(folder.path);
  const { api } = instance;
  await api.ok('POST', '/b/src');
  await api.ok('POST', '/b/empty');
  await api.ok('POST', '/b/busy');
  for (const entry of ['a', 'b']) {
    for (let block = 0; block < 5; block++) {
      const records = Array.from({ length: 80 }, (_, at) => recordAt(block * 80 + at));
      await api.writeBatch('src', entry, records);
      await api.writeBatch('busy', 'noise', [recordAt(block), recordAt(1000 + block)]);
    }
  }
});

afterAll(async () => {
  await instance.stop();
  await remove();
});

/** Labels `n`, and `even` on every second. */
function recordAt(ts: number): TestRecord {
  const labels = ts % 2 === 0 ? { n: `${ts}`, even: 'yes' } : { n: `${ts}` };
  return { ts: BigInt(ts), payload: Buffer.alloc(ts % 10, 'x'), labels };
}

async function preview(body: object | string, name = 'new') {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await instance.api.ok('POST', `/replications/${name}/preview`, {}, text);
  return JSON.parse(answer.text);
}

describe('a preview', () => {
  test('of no filter passes the last thousand records, in figures per entry', async () => {
    const result = await preview({ src_bucket: 'src' });
    expect(result.considered).toEqual({
      records: 800,
      bytes: 2 * 40 * 45,
      from: 0,
      to: 399,
      is_complete: true,
    });
    expect(result.passed).toEqual({ records: 800, bytes: 3600 });
    expect(result.refused).toEqual({});
    expect(result.entries).toEqual([
      { entry: 'a', records: 400, bytes: 1800, passed: { records: 400, bytes: 1800 } },
      { entry: 'b', records: 400, bytes: 1800, passed: { records: 400, bytes: 1800 } },
    ]);
    expect(result.examples.passed).toHaveLength(10);
    expect(result.examples.refused).toEqual([]);
  });

  test('says which filter refused', async () => {
    const result = await preview({
      src_bucket: 'src',
      entries: ['a'],
      include: { even: 'yes' },
      exclude: { n: '4' },
      each_n: 2,
      each_s: 0.00001,
    });
    expect(result.refused).toMatchObject({
      entries: { records: 400 },
      include: { records: 200 },
      exclude: { records: 1 },
    });
    const { each_n: eachN, each_s: eachS } = result.refused;
    expect(eachN.records).toBe(99);
    expect(result.passed.records + eachS.records).toBe(100);
    expect(result.passed.records).toBeGreaterThan(0);
    const reasons = result.examples.refused.map(({ reason }: { reason: string }) => reason);
    expect(new Set(reasons)).toEqual(
      new Set(['entries', 'include', 'exclude', 'each_n', 'each_s']),
    );
  });

  test('shows errors of the evaluation with their texts', async () => {
    const result = await preview({ src_bucket: 'src', when: { '&even': { $eq: 'yes' } } });
    expect(result.passed.records).toBe(400);
    expect(result.refused).toEqual({ when_error: { records: 400, bytes: expect.any(Number) } });
    expect(result.errors).toEqual([{ message: "Reference 'even' not found", records: 400 }]);
    expect(result.examples.refused[0]).toMatchObject({
      reason: 'when_error',
      message: "Reference 'even' not found",
      entry: expect.any(String),
      labels: { n: expect.any(String) },
    });
  });

  test('counts records that go along as context', async () => {
    const when = { '#ctx_before': 2, '&n': { $eq: 7 } };
    const result = await preview({ src_bucket: 'src', entries: ['a'], when });
    expect(result.passed.records).toBe(3);
    expect(result.refused.when.records).toBe(397);
    const times = result.examples.passed.map(({ ts }: { ts: number }) => ts);
    expect(times).toContain(7);
  });

  test('takes the last records only, and counters begin there', async () => {
    const result = await preview({ src_bucket: 'src', records: 100, each_n: 10 });
    expect(result.considered).toMatchObject({ records: 100, to: 399, is_complete: true });
    expect(result.entries.map(({ entry }: { entry: string }) => entry)).toContain('b');
    expect(result.passed.records).toBe(result.entries.length === 1 ? 10 : 11);
  });

  test('of an empty bucket is empty', async () => {
    const result = await preview({ src_bucket: 'empty' });
    expect(result).toMatchObject({
      considered: { records: 0, bytes: 0, from: null, to: null, is_complete: true },
      entries: [],
    });
  });

  test('without settings is that of the task', async () => {
    const body = { src_bucket: 'src', dst_bucket: 'x', dst_host: 'http://127.0.0.1:1', each_n: 4 };
    const text = JSON.stringify({ ...body, mode: 'disabled' });
    await instance.api.ok('POST', '/replications/stored', {}, text);
    for (const request of ['', '{}', '{"records":800}']) {
      expect((await preview(request, 'stored')).passed.records).toBe(200);
    }
  });

  test('passes the same records as the task itself', async () => {
    const number = fc.integer({ min: 1, max: 7 });
    const member = fc.record(
      { each_n: number, modulo: number, include: fc.constant({ even: 'yes' }) },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(member, async ({ modulo, ...filters }) => {
        const when = modulo === undefined ? {} : { when: { '&n': { $gt: modulo * 50 } } };
        const { passed } = await preview({ src_bucket: 'src', ...filters, ...when });
        let expected = 0;
        for (let entry = 0; entry < 2; entry++) {
          let seen = 0;
          for (let n = 0; n < 400; n++) {
            if (filters.include !== undefined && n % 2 === 1) continue;
            if (filters.each_n !== undefined && seen++ % filters.each_n !== 0) continue;
            if (modulo === undefined || n > modulo * 50) expected++;
          }
        }
        expect(passed.records).toBe(expected);
      }),
      { numRuns: 30 },
    );
  });
});

describe('a preview is refused', () => {
  const call = async (body: object | string) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await instance.api.call('POST', '/replications/none/preview', {}, text);
    return [answer.status, answer.error];
  };

  test('for what does not exist', async () => {
    expect(await call({ src_bucket: 'nope' })).toEqual([
      404,
      "Source bucket 'nope' for replication 'none' does not exist",
    ]);
    expect(await call({ src_bucket: 'src', entries: ['a', 'zz'] })).toEqual([
      404,
      "Entry 'zz' does not exist in bucket 'src'; a task would wait for it",
    ]);
    expect((await call('{}'))[0]).toBe(404);
    expect((await preview({ src_bucket: 'src', entries: ['z*', '!q'] })).passed.records).toBe(0);
  });

  test.each([0, -1, 1.5, '7', 100_001])('for records: %s', async (records) => {
    expect(await call({ src_bucket: 'src', records })).toEqual([
      422,
      'records has to be an integer from 1 to 100000',
    ]);
  });

  test('for a condition that does not compile', async () => {
    expect(await call({ src_bucket: 'src', when: { $foo: 1 } })).toEqual([
      422,
      "Invalid replication condition: Operator '$foo' not supported",
    ]);
    expect((await call('[]'))[0]).toBe(422);
  });
});
