import { createServer } from 'node:http';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SendResult } from '../../src/replication/messages.ts';
import type { WorkerOptions } from '../../src/replication/worker-options.ts';
import { FakeTarget, type Fault } from '../lib/fake-target.ts';
import { LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, payloadOf, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

const NAMES = new Map([
  [1, 'a'],
  [2, 'b'],
  [3, 'c'],
]);

let log: LogFixture;
let target: FakeTarget;

beforeEach(async () => {
  log = await LogFixture.open();
  target = new FakeTarget();
  await target.start();
});

afterEach(async () => {
  await target.stop();
  await log.close();
});

function fill(entryId: number, from: number, count: number): void {
  const records = Array.from({ length: count }, (_, at) => {
    const ts = BigInt(from + at);
    return { ts, payload: payloadOf(entryId, ts, 20) };
  });
  log.append(BUCKET, entryId, records);
}

function newDriver(options: Partial<WorkerOptions> = {}): SliceDriver {
  return new SliceDriver(newRuntime(log, options), settingsFor(target.url), NAMES);
}

function failOnce(fault: Fault): void {
  let isFirst = true;
  target.faultOf = () => {
    if (!isFirst) return { kind: 'ok' };
    isFirst = false;
    return fault;
  };
}

/** Slices until one has failed: the first may do no more than ask for names. */
async function untilFailed(driver: SliceDriver): Promise<SendResult> {
  for (;;) {
    const result = await driver.slice();
    if (result.failure !== null) return result;
  }
}

/** Everything of entry `a` in order, without repetition. */
function expectDelivered(count: number): void {
  const stored = target.recordsOf('dst/a').map(({ ts }) => Number(ts));
  expect(stored).toEqual(Array.from({ length: count }, (_, at) => at));
}

describe('a request that fails as a whole keeps its records', () => {
  const faults: [string, Fault, string, number][] = [
    ['429', { kind: 'status', status: 429, text: 'slow down' }, 'refused', 429],
    ['500', { kind: 'status', status: 500, text: 'oops' }, 'refused', 500],
    ['503', { kind: 'status', status: 503, text: 'later' }, 'refused', 503],
    ['401', { kind: 'status', status: 401, text: 'Invalid token' }, 'auth', 401],
    ['403', { kind: 'status', status: 403, text: 'no access' }, 'auth', 403],
    ['404', { kind: 'status', status: 404, text: "Bucket 'dst' is not found" }, 'recheck', 404],
    ['a reset', { kind: 'reset' }, 'lost', -6],
    ['a reset after storing', { kind: 'reset-mid-answer' }, 'lost', -6],
    ['silence', { kind: 'stall' }, 'lost', -2],
  ];

  test.each(faults)('%s', async (_name, fault, kind, key) => {
    fill(1, 0, 10);
    log.publish();
    failOnce(fault);
    const stall = fault.kind === 'stall' ? { noProgressTimeoutMs: 300 } : {};
    const driver = newDriver({ sliceMs: 10_000, ...stall });
    const failed = await untilFailed(driver);
    expect([failed.failure?.kind, failed.failure?.key]).toEqual([kind, key]);
    expect(failed.position.sequence).toBe(1);
    expect(failed.isTargetAvailable).toBe(false);
    expect(failed.counts.errors).toMatchObject([{ key, count: 10 }]);
    await driver.drain();
    expectDelivered(10);
    expect(target.headRequests).toBe(0);
    expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toEqual([]);
  });

  test('refused connections', async () => {
    fill(1, 0, 3);
    log.publish();
    const driver = newDriver();
    const port = target.port;
    await target.stop();
    const failed = await driver.slice();
    expect(failed.failure).toMatchObject({ kind: 'unreachable', key: -3 });
    expect((await driver.slice({ probeFirst: true })).failure?.kind).toBe('unreachable');
    await target.start(port);
    await driver.drain();
    expectDelivered(3);
  });
});

test('a login page that answers everything with 200 takes no record', async () => {
  fill(1, 0, 10);
  log.publish();
  const driver = newDriver({ sliceMs: 10_000 });
  await driver.slice();
  const { port } = target;
  await target.stop();
  const portal = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      response.end('<html>Please log in</html>');
    });
  });
  await new Promise<void>((resolve) => {
    portal.listen(port, '127.0.0.1', resolve);
  });
  try {
    for (const isTargetAvailable of [false, true]) {
      const failed = await driver.slice({ isTargetAvailable });
      expect(failed.failure).toMatchObject({
        kind: 'refused',
        key: -1,
        message: expect.stringContaining('a web page answered in place of the target'),
      });
      expect(failed.position.sequence).toBe(1);
    }
  } finally {
    portal.closeAllConnections();
    await new Promise((resolve) => {
      portal.close(resolve);
    });
  }
  await target.start(port);
  await driver.drain();
  expectDelivered(10);
});

describe('the bucket of the target', () => {
  test('is created when it is missing', async () => {
    target.buckets.clear();
    fill(1, 0, 3);
    log.publish();
    await newDriver().drain();
    expect([...target.buckets]).toEqual(['dst']);
    expectDelivered(3);
  });

  test('is created again when records are refused because it is gone, and nothing is lost', async () => {
    fill(1, 0, 3);
    log.publish();
    const driver = newDriver();
    await driver.drain();
    target.buckets.clear();
    target.stored.clear();
    fill(1, 3, 3);
    log.publish();
    const failed = await driver.slice();
    expect(failed.failure?.kind).toBe('recheck');
    await driver.drain();
    expect(target.recordsOf('dst/a').map(({ ts }) => Number(ts))).toEqual([3, 4, 5]);
  });
});

describe('records refused one by one', () => {
  test('are dead letters when the refusal is for good; the others are delivered', async () => {
    fill(1, 0, 10);
    log.publish();
    target.faultOf = () => ({
      kind: 'records',
      errorOf: (ts) => (ts === 4n ? '422,bad record' : undefined),
    });
    const driver = newDriver();
    await driver.drain();
    expect(target.recordsOf('dst/a')).toHaveLength(9);
    expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toMatchObject([
      { entryName: 'a', ts: 4n, status: 422, message: 'bad record' },
    ]);
  });

  test.each([
    '429,later',
    '503,later',
    '500,storage limit exceeded',
    "400,Quota of 'dst' exceeded",
  ])('are kept with the whole batch for %s', async (error) => {
    fill(1, 0, 10);
    log.publish();
    failOnce({ kind: 'records', errorOf: (ts) => (ts === 4n ? error : undefined) });
    const driver = newDriver();
    const failed = await untilFailed(driver);
    expect(failed.failure?.kind).toBe('refused');
    expect(failed.position.sequence).toBe(1);
    await driver.drain();
    expect(target.recordsOf('dst/a')).toHaveLength(10);
    expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toEqual([]);
  });
});

describe('a request that is refused for its content', () => {
  test.each([400, 413, 422, 431])(
    '%i is halved until the refused record is alone',
    async (status) => {
      fill(1, 0, 40);
      log.publish();
      target.faultOf = ({ timestamps }) =>
        timestamps.includes(23n) ? { kind: 'status', status, text: 'no' } : { kind: 'ok' };
      const driver = newDriver();
      await driver.drain();
      expect(target.recordsOf('dst/a').map(({ ts }) => Number(ts))).toEqual(
        Array.from({ length: 40 }, (_, at) => at).filter((at) => at !== 23),
      );
      expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toMatchObject([
        { ts: 23n, status, message: 'no' },
      ]);
    },
  );

  test('431 for its size is remembered as a limit', async () => {
    target.faultOf = ({ timestamps }) =>
      timestamps.length > 20 ? { kind: 'status', status: 431, text: 'too long' } : { kind: 'ok' };
    const driver = newDriver();
    fill(1, 0, 80);
    log.publish();
    await driver.drain();
    target.requests.length = 0;
    fill(1, 80, 80);
    log.publish();
    await driver.drain();
    expect(target.requests.map(({ timestamps }) => timestamps.length)).toEqual([20, 20, 20, 20]);
    expectDelivered(160);
  });

  test('409 as a whole is tried a few times and becomes dead letters then', async () => {
    fill(1, 0, 1);
    fill(2, 0, 1);
    log.publish();
    target.faultOf = ({ path }) =>
      path.includes('/a/') ? { kind: 'status', status: 409, text: 'conflict' } : { kind: 'ok' };
    const driver = newDriver();
    await driver.drain();
    expect(target.requests.filter(({ path }) => path.includes('/a/'))).toHaveLength(5);
    expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toMatchObject([{ ts: 0n }]);
    expect(target.recordsOf('dst/b')).toHaveLength(1);
  });
});

test('a stop ends a slice whose target is silent at once', async () => {
  fill(1, 0, 5);
  log.publish();
  target.faultOf = () => ({ kind: 'stall' });
  const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
  await driver.slice();
  const running = driver.slice();
  while (target.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  driver.line.stop();
  const result = await running;
  expect(result.failure?.kind).toBe('stopped');
  expect(result.position.sequence).toBe(1);
});

interface Model {
  readonly blocks: readonly {
    readonly entry: number;
    readonly count: number;
    readonly tag: number;
  }[];
  readonly faults: readonly number[];
  readonly ringKiB: number;
  readonly payload: number;
  readonly publishEvery: number;
}

const model: fc.Arbitrary<Model> = fc.record({
  blocks: fc.array(
    fc.record({
      entry: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 120 }),
      tag: fc.integer({ min: 0, max: 2 }),
    }),
    { minLength: 1, maxLength: 60 },
  ),
  faults: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 30 }),
  ringKiB: fc.constantFrom(1024, 4096),
  payload: fc.constantFrom(0, 30, 2000),
  publishEvery: fc.integer({ min: 1, max: 20 }),
});

/** Faults by number; most requests work. */
const FAULTS: readonly Fault[] = [
  { kind: 'reset' },
  { kind: 'reset-mid-answer' },
  { kind: 'status', status: 503, text: 'later' },
  { kind: 'records', errorOf: (ts) => (ts % 3n === 0n ? '429,later' : undefined) },
  { kind: 'records', errorOf: (ts) => (ts % 2n === 0n ? '503,later' : undefined), stores: true },
  { kind: 'status', status: 404, text: 'gone' },
];

test('every matching record arrives exactly once and in order, whatever the layout and the failures', async () => {
  await fc.assert(
    fc.asyncProperty(model, async ({ blocks, faults, ringKiB, payload, publishEvery }) => {
      const own = await LogFixture.open({ ringBytes: ringKiB * 1024 });
      const remote = new FakeTarget();
      await remote.start();
      try {
        const expected = new Map<string, bigint[]>();
        const settings = settingsFor(remote.url, { exclude: { tag: '0' }, entries: ['a', 'b'] });
        const driver = new SliceDriver(newRuntime(own, { sliceMs: 20 }), settings, NAMES);
        let asked = 0;
        remote.faultOf = () => FAULTS[faults[asked++] ?? FAULTS.length] ?? { kind: 'ok' };
        const nextTs = new Map<number, bigint>();
        for (const [at, { entry, count, tag }] of blocks.entries()) {
          const first = nextTs.get(entry) ?? 0n;
          const records = Array.from({ length: count }, (_, i) => {
            const ts = first + BigInt(i);
            return { ts, payload: payloadOf(entry, ts, payload), labels: ['tag', `${tag}`] };
          });
          nextTs.set(entry, first + BigInt(count));
          own.append(BUCKET, entry, records);
          const place = `dst/${NAMES.get(entry)}`;
          if (tag !== 0 && entry !== 3) {
            expected.set(place, [...(expected.get(place) ?? []), ...records.map(({ ts }) => ts)]);
          }
          if (at % publishEvery === 0) {
            own.publish();
            const before = driver.position.sequence;
            await driver.slice();
            expect(driver.position.sequence).toBeGreaterThanOrEqual(before);
          }
        }
        own.publish();
        await driver.drain();
        for (const name of NAMES.values()) {
          const stored = remote.recordsOf(`dst/${name}`);
          const order = stored.map(({ ts }) => ts);
          // A target that takes some records of a batch and wants others again makes an order of its own.
          if (faults.includes(3)) order.sort((a, b) => (a < b ? -1 : 1));
          expect(order).toEqual(expected.get(`dst/${name}`) ?? []);
          const entry = name.charCodeAt(0) - 96;
          for (const { ts, payload: content } of stored) {
            expect(content.equals(payloadOf(entry, ts, payload))).toBe(true);
          }
        }
        expect(driver.position.sequence).toBe(own.headSequence);
      } finally {
        await remote.stop();
        await own.close();
      }
    }),
    { numRuns: 25 },
  );
});
