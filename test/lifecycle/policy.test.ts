import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bucket } from '../../src/catalog/model.ts';
import { ApiError } from '../../src/errors/errors.ts';
import { Policy } from '../../src/lifecycle/policy.ts';
import type { PolicyDeps } from '../../src/lifecycle/policy.ts';
import { checkLifecycle } from '../../src/lifecycle/settings-checks.ts';
import { Turns } from '../../src/lifecycle/turns.ts';
import type { LifecycleRun, LifecycleSettings } from '../../src/lifecycle/types.ts';
import { WindowWork } from '../../src/lifecycle/window-work.ts';
import { FakeLifecycleClock } from '../lib/lifecycle-clock.ts';
import {
  decodeV1,
  inlineExecutor,
  openQueryHarness,
  querySpec,
  readAllBatches,
} from '../lib/query-harness.ts';
import type { QueryHarness } from '../lib/query-harness.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = 1_800_000_000_000;

let path = '';
let harness: QueryHarness;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path);
});

afterAll(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

/** µs of so many hours before `NOW_MS`. */
function hoursAgo(hours: number): bigint {
  return BigInt(NOW_MS - hours * HOUR_MS) * 1000n;
}

interface Setup {
  readonly bucket: Bucket;
  readonly clock: FakeLifecycleClock;
  readonly policy: Policy;
  readonly runs: LifecycleRun[];
  /** Hours before `NOW_MS` of the records that are left. */
  readonly left: (entryName?: string) => Promise<number[]>;
  readonly write: (
    hours: readonly number[],
    entryName?: string,
    labels?: readonly string[],
  ) => Promise<void>;
}

async function setup(
  overrides: Partial<LifecycleSettings> = {},
  deps: Partial<PolicyDeps> = {},
): Promise<Setup> {
  const bucket = await harness.newBucket();
  const clock = new FakeLifecycleClock(NOW_MS);
  const runs: LifecycleRun[] = [];
  const settings: LifecycleSettings = {
    type: 'delete',
    bucketName: bucket.name,
    entries: [],
    olderThan: '48h',
    interval: '1h',
    whenText: undefined,
    processingInterval: undefined,
    mode: 'enabled',
    ...overrides,
  };
  const { removals, queries, store } = harness;
  const executor = inlineExecutor(store.db);
  const policy = new Policy(
    'p',
    checkLifecycle('p', settings, () => true),
    false,
    {
      clock,
      work: new WindowWork({ removals, executor, reserveId: () => queries.reserveId() }),
      turns: new Turns(1),
      bucket: (name) => (name === bucket.name ? bucket : undefined),
      onRun: (run) => runs.push(run),
      ...deps,
    },
  );
  policy.start();
  return {
    bucket,
    clock,
    policy,
    runs,
    left: async (entryName = 'e') => {
      const entry = bucket.entries.get(entryName);
      if (entry === undefined) return [];
      const id = queries.create(bucket, entry, querySpec());
      const batches = await readAllBatches(queries, bucket, entry, id);
      const timestamps = batches.flatMap(decodeV1).map(({ ts }) => ts);
      return timestamps.map((ts) => (NOW_MS - Number(ts / 1000n)) / HOUR_MS);
    },
    write: async (hours, entryName = 'e', labels = []) => {
      const records = hours.map((hour) => ({ ts: hoursAgo(hour), labels }));
      await harness.write(bucket, entryName, records);
    },
  };
}

describe('runs', () => {
  test('come one interval after the start, and again after each interval', async () => {
    const { clock, runs, policy } = await setup();
    expect(policy.lastRunMs).toBeUndefined();
    for (let i = 1; i <= 3; i++) {
      expect(clock.delaysMs).toEqual([HOUR_MS]);
      await clock.runNext();
      expect(policy.lastRunMs).toBe(NOW_MS + i * HOUR_MS);
    }
    expect(runs).toHaveLength(3);
  });

  test('remove what is old enough, to the µs, and nothing else', async () => {
    const { bucket, clock, runs } = await setup({ processingInterval: '10000h' });
    const cutoff = BigInt(NOW_MS + HOUR_MS - 48 * HOUR_MS) * 1000n;
    await harness.write(
      bucket,
      'e',
      [cutoff - 1n, cutoff, cutoff + 1n, hoursAgo(0)].map((ts) => ({ ts })),
    );
    await clock.runNext();
    expect(bucket.entries.get('e')?.stats).toMatchObject({
      recordCount: 2,
      oldestTs: cutoff + 1n,
    });
    expect(runs).toEqual([
      {
        policyName: 'p',
        actionType: 'delete',
        bucketName: bucket.name,
        startedAtMs: NOW_MS + HOUR_MS,
        durationMs: 0,
        processedRecords: 2,
        processedBlocks: 0,
        isCaughtUp: true,
        lastProcessedTs: cutoff,
        status: 200,
        message: '',
      },
    ]);
  });

  test('go through a bounded stretch of record time each', async () => {
    const { clock, runs, left, write } = await setup({ processingInterval: '10h' });
    await write([100, 95, 91, 89, 70, 60, 10]);
    await clock.runNext();
    expect(await left()).toEqual([89, 70, 60, 10]);
    expect(runs.at(-1)).toMatchObject({ processedRecords: 3, isCaughtUp: false });
    expect(clock.delaysMs).toEqual([HOUR_MS]);
    await clock.runNext();
    expect(await left()).toEqual([70, 60, 10]);
    await clock.runNext();
    await clock.runNext();
    expect(await left()).toEqual([10]);
    await clock.runNext();
    expect(runs.at(-1)).toMatchObject({ processedRecords: 0, isCaughtUp: true });
  });

  test('that meet no record and are not at the end are repeated soon', async () => {
    const whenText = '{"&keep":{"$ne":1}}';
    const { clock, runs, left, write } = await setup({ processingInterval: '10h', whenText });
    await write([100, 99, 88], 'e', ['keep', '1']);
    await write([70, 60, 10], 'e', ['keep', '0']);
    const delays: (number | undefined)[] = [];
    while (runs.at(-1)?.isCaughtUp !== true) {
      await clock.runNext();
      delays.push(clock.delaysMs[0]);
    }
    expect(await left()).toEqual([100, 99, 88, 10]);
    expect(delays.filter((delay) => delay === HOUR_MS)).toHaveLength(3);
    expect(delays.filter((delay) => delay === 100).length).toBeGreaterThanOrEqual(2);
  });

  test('of a huge gap end', async () => {
    const { bucket, clock, runs, left } = await setup({ whenText: '{}' });
    await harness.write(bucket, 'e', [{ ts: hoursAgo(24 * 40) }, { ts: hoursAgo(100) }]);
    while (runs.at(-1)?.isCaughtUp !== true) await clock.runNext();
    expect(await left()).toEqual([]);
    expect(runs.length).toBeLessThan(50);
  });
});

describe('what a policy is for', () => {
  test('entries are selected by their patterns, attachments never are', async () => {
    const { clock, left, write } = await setup({ entries: ['a', 'c/*', '!c/x'] });
    for (const name of ['a', 'b', 'c/x', 'c/y']) await write([100], name);
    await write([100], 'a/$meta', ['key', 'k']);
    await clock.runNext();
    expect(await left('a')).toEqual([]);
    expect(await left('b')).toEqual([100]);
    expect(await left('c/x')).toEqual([100]);
    expect(await left('c/y')).toEqual([]);
    expect(await left('a/$meta')).toEqual([100]);
  });

  test('a condition leaves the others, and errors of it as well', async () => {
    const { clock, left, write } = await setup({ whenText: '{"&n":{"$gt":5}}' });
    await write([60], 'e', ['n', '9']);
    await write([59], 'e', ['n', '1']);
    await write([58], 'e');
    await clock.runNext();
    expect(await left()).toEqual([59, 58]);
  });

  test('records written later with old timestamps go too: at once, or within a day', async () => {
    for (const [whenText, runsNeeded] of [
      [undefined, 1],
      ['{"&n":{"$eq":1}}', 25],
    ] as const) {
      const { clock, runs, left, write } = await setup({ whenText });
      await write([60], 'e', ['n', '0']);
      while (runs.at(-1)?.isCaughtUp !== true) await clock.runNext();
      await write([200], 'e', ['n', '1']);
      const before = runs.length;
      while ((await left()).includes(200)) await clock.runNext();
      expect(runs.length - before, String(whenText)).toBeLessThanOrEqual(runsNeeded);
      expect(clock.ms - NOW_MS).toBeLessThan(2 * DAY_MS);
    }
  });

  test('dry_run counts and removes nothing', async () => {
    for (const whenText of [undefined, '{"&n":{"$eq":1}}']) {
      const { clock, runs, left, write } = await setup({ mode: 'dry_run', whenText });
      await write([100, 99], 'e', ['n', '1']);
      await write([60], 'f', ['n', '1']);
      await write([10], 'e', ['n', '1']);
      while (runs.at(-1)?.isCaughtUp !== true) await clock.runNext();
      expect(runs.reduce((sum, { processedRecords }) => sum + processedRecords, 0)).toBe(3);
      expect(await left()).toEqual([100, 99, 10]);
    }
  });

  test('compress changes nothing that can be seen', async () => {
    const { clock, policy, runs, left, write } = await setup({ type: 'compress' });
    await write([100]);
    await clock.runNext();
    expect(await left()).toEqual([100]);
    expect(runs).toMatchObject([{ actionType: 'compress', isCaughtUp: true }]);
    expect(policy.lastRunMs).toBe(NOW_MS + HOUR_MS);
  });

  test('disabled does nothing until it is enabled', async () => {
    const { clock, policy, runs, left, write } = await setup({ mode: 'disabled' });
    await write([100]);
    await clock.runNext();
    expect(policy.lastRunMs).toBeUndefined();
    policy.setMode('enabled');
    await clock.runNext();
    expect(await left()).toEqual([]);
    expect(runs).toHaveLength(1);
  });

  test('what is removed and what is left is what a list of records says', async () => {
    const record = fc.record({ hours: fc.integer({ min: 1, max: 300 }), n: fc.nat(3) });
    const filter = fc.constantFrom(undefined, '{"&n":{"$eq":1}}', '{"&n":{"$gt":1}}');
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(record, { selector: ({ hours }) => hours, minLength: 1, maxLength: 30 }),
        filter,
        fc.constantFrom('7h', '24h', '1000h'),
        async (records, whenText, processingInterval) => {
          const { clock, runs, left, write } = await setup({ whenText, processingInterval });
          for (const { hours, n } of records)
            await write([hours], `e${hours % 2}`, ['n', String(n)]);
          while (runs.at(-1)?.isCaughtUp !== true) await clock.runNext();
          const cutoffHours = 48 - (clock.ms - NOW_MS) / HOUR_MS;
          const isRemoved = ({ hours, n }: { hours: number; n: number }): boolean =>
            hours >= cutoffHours &&
            (whenText === undefined || (whenText.includes('$eq') ? n === 1 : n > 1));
          const kept = records.filter((r) => !isRemoved(r)).map(({ hours }) => hours);
          const found = [...(await left('e0')), ...(await left('e1'))];
          expect(found.toSorted((a, b) => a - b)).toEqual(kept.toSorted((a, b) => a - b));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a run that cannot go on', () => {
  test('for want of its bucket is reported, and tried again after an interval', async () => {
    const { clock, runs, policy } = await setup({ bucketName: 'nowhere' });
    await clock.runNext();
    expect(runs).toMatchObject([
      { status: 404, message: "Bucket 'nowhere' is not found", isCaughtUp: false },
    ]);
    expect(clock.delaysMs).toEqual([HOUR_MS]);
    expect(policy.lastRunMs).toBe(NOW_MS + HOUR_MS);
  });

  test('for an error is reported with it, and what it left is done later', async () => {
    let isBroken = true;
    const { clock, runs, left, write, bucket } = await setup(
      {},
      {
        work: {
          count: () => Promise.resolve(0),
          remove: async (entry, { firstTs, lastTs }) => {
            if (isBroken) throw new ApiError(503, 'not now');
            return harness.changes.removeRange(entry, firstTs, lastTs + 1n);
          },
        },
      },
    );
    await write([100]);
    await clock.runNext();
    expect(runs).toMatchObject([{ status: 503, message: 'not now', processedRecords: 0 }]);
    isBroken = false;
    await clock.runNext();
    expect(await left()).toEqual([]);
    expect(bucket.entries.get('e')?.stats.recordCount).toBe(0);
  });

  test('is called off by a stop and by another mode, and says nothing', async () => {
    for (const change of ['stop', 'mode'] as const) {
      let wanted: (() => boolean) | undefined;
      let finish: (() => void) | undefined;
      const started = new Promise<void>((resolve) => {
        finish = resolve;
      });
      let release: (removed: number) => void = () => {};
      const { clock, policy, runs, write } = await setup(
        {},
        {
          work: {
            count: () => Promise.resolve(0),
            remove: (_entry, _window, _when, isWanted) =>
              new Promise<number>((resolve) => {
                wanted = isWanted;
                release = resolve;
                finish?.();
              }),
          },
        },
      );
      await write([100], 'a');
      await write([100], 'b');
      clock.fire();
      await started;
      expect(wanted?.()).toBe(true);
      if (change === 'stop') policy.stop();
      else policy.setMode('disabled');
      expect(wanted?.()).toBe(false);
      release(1);
      await expect.poll(() => clock.delaysMs).toEqual(change === 'stop' ? [] : [HOUR_MS]);
      expect(runs).toEqual([]);
    }
  });

  test('leaves off in the middle of many records when it is called off', async () => {
    const { bucket, write } = await setup();
    await write(Array.from({ length: 500 }, (_, i) => 1000 - i));
    const entry = bucket.entries.get('e');
    if (entry === undefined) throw new Error('no entry');
    let asked = 0;
    const { removals, queries, store } = harness;
    const executor = inlineExecutor(store.db);
    const work = new WindowWork({ removals, executor, reserveId: () => queries.reserveId() });
    const window = { firstTs: hoursAgo(1000), lastTs: hoursAgo(501) };
    const removed = await work.remove(entry, window, undefined, () => ++asked <= 2);
    expect(removed).toBeGreaterThan(0);
    expect(entry.stats.recordCount).toBe(500 - removed);
    expect(await work.remove(entry, window, '{}', () => false)).toBe(0);
    expect(await work.remove(entry, window, '{}', () => true)).toBe(500 - removed);
  });
});

test('only so many runs go on at the same time, in the order they came', async () => {
  const turns = new Turns(2);
  const order: string[] = [];
  const release: (() => void)[] = [];
  const work = (name: string): Promise<void> =>
    turns.run(async () => {
      order.push(name);
      await new Promise<void>((resolve) => release.push(resolve));
    });
  const all = ['a', 'b', 'c', 'd'].map(work);
  await Promise.resolve();
  expect(order).toEqual(['a', 'b']);
  release.shift()?.();
  await expect.poll(() => order).toEqual(['a', 'b', 'c']);
  const failing = turns.run(() => Promise.reject(new Error('x')));
  for (let i = 0; i < 3; i++) {
    await expect.poll(() => release.length).toBeGreaterThan(0);
    release.shift()?.();
  }
  await expect(failing).rejects.toThrow('x');
  await Promise.all(all);
  expect(order).toEqual(['a', 'b', 'c', 'd']);
});
