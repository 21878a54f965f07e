/** Link budgets against a relay that counts the bytes of both directions. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ByteCounter } from '../../lib/byte-counter.ts';
import { EngineFixture, until } from '../../lib/engine-fixture.ts';
import { FakeTarget } from '../../lib/fake-target.ts';

const DAY_MS = 86_400_000;
const NOON_MS = Date.UTC(2026, 0, 15, 12);
/** 85 records of some ten bytes with their headers, both heads. */
const BATCH_BYTES = 8_000;

let fixture: EngineFixture;
let target: FakeTarget;
let link: ByteCounter;

beforeEach(async () => {
  // Nothing but the date: whoever waits, waits in real time.
  vi.useFakeTimers({ toFake: ['Date'], now: NOON_MS });
  fixture = await EngineFixture.open();
  target = new FakeTarget();
  await target.start();
  link = new ByteCounter(target.port);
  await link.start();
});

afterEach(async () => {
  await fixture.close();
  await link.stop();
  await target.stop();
  vi.useRealTimers();
});

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

const stored = (entry: string): number[] =>
  target.recordsOf(`dst/${entry}`).map(({ ts }) => Number(ts));

const budgetOf = async () => (await fixture.detail('t', true)).extended.budget;

const isDayUsed = () => until(async () => (await budgetOf()).state === 'day', 25_000);

/** Timestamps of all that was sent, as often as it was. */
const sent = (): number[] => target.requests.flatMap(({ timestamps }) => timestamps.map(Number));

describe('a day of bytes', () => {
  test('is exceeded by one batch at most, though a block holds many, and nothing is sent twice on the next day', async () => {
    const perDay = 40_000;
    fixture.write('e', numbers(0, 2_000));
    await fixture.create('t', link.url, { start: 'beginning', budget: { bytes_per_day: perDay } });
    let days = 0;
    for (; stored('e').length < 2_000 && days < 10; days++) {
      const before = link.bytes;
      const isDone = () => JSON.parse(fixture.service.backfills.detail('t', '1')).state === 'done';
      await until(async () => isDone() || (await budgetOf()).state === 'day', 25_000);
      const used = link.bytes - before;
      expect(used).toBeLessThanOrEqual(perDay + BATCH_BYTES);
      const counted = (await budgetOf()).used_bytes_today;
      expect(Math.abs(counted - used) / used, `${counted} of ${used}`).toBeLessThan(0.1);
      vi.setSystemTime(Date.now() + DAY_MS);
      await fixture.restart();
    }
    expect(days).toBeGreaterThan(2);
    expect(stored('e')).toEqual(numbers(0, 2_000));
    expect(sent()).toHaveLength(2_000);
  }, 120_000);

  test('is exceeded by one batch at most, though records of many entries came together', async () => {
    await fixture.create('t', link.url, { budget: { bytes_per_day: 9_000 } });
    for (const ts of numbers(0, 60)) fixture.write(`e${ts % 30}`, [ts]);
    await isDayUsed();
    expect(link.bytes).toBeLessThanOrEqual(9_000 + 1_000);
  }, 60_000);

  test('counts on over blocks that were cut: filters pick what they would have picked', async () => {
    for (const from of [0, 500, 1_000]) fixture.write('e', numbers(from, from + 500));
    await fixture.create('t', link.url, {
      start: 'beginning',
      each_n: 7,
      budget: { bytes_per_day: 6_000 },
    });
    for (let day = 0; stored('e').length < 215 && day < 10; day++) {
      const isDone = () => stored('e').length === 215;
      await until(async () => isDone() || (await budgetOf()).state === 'day', 25_000);
      vi.setSystemTime(Date.now() + DAY_MS);
      await fixture.restart();
    }
    await until(async () => (await fixture.pending('t')) === 0);
    expect(stored('e')).toEqual(numbers(0, 1_500).filter((ts) => ts % 7 === 0));
  }, 120_000);

  test('is not given back by a crash: what may be used is stored before it is', async () => {
    const perDay = 300_000;
    const { store } = fixture;
    let lacking = 0;
    link.onBytes = () => {
      lacking = Math.max(lacking, link.bytes - (store.budgetUse.get(1)?.bytes ?? 0));
    };
    await fixture.create('t', link.url, { budget: { bytes_per_day: perDay } });
    for (let crash = 0; crash < 3; crash++) {
      fixture.write('e', numbers(crash * 2_000, (crash + 1) * 2_000));
      const seen = link.bytes;
      await until(() => link.bytes > seen + 20_000, 25_000);
      const known = store.budgetUse.get(1);
      await fixture.engine.stop(0);
      if (known !== undefined) store.budgetUse.set(1, known);
      await fixture.restart(0);
    }
    fixture.write('e', numbers(10_000, 12_000));
    await isDayUsed();
    expect(lacking).toBeLessThanOrEqual(BATCH_BYTES);
    expect(link.bytes).toBeLessThanOrEqual(perDay + BATCH_BYTES);
    // What the crashes cost.
    expect(link.bytes).toBeGreaterThan(perDay * 0.6);
  }, 120_000);

  test('holds what a comparison asks, stored before anything else is sent', async () => {
    fixture.write('e', numbers(0, 100));
    await fixture.create('t', link.url, {
      start: 'beginning',
      budget: { bytes_per_day: 1_000_000 },
    });
    await until(() => stored('e').length === 100);
    await until(async () => (await budgetOf()).used_bytes_today > 0);
    await fixture.service.setMode('t', '{"mode":"paused"}');
    const before = (await budgetOf()).used_bytes_today;
    await fixture.service.comparisons.start('t', '{}');
    const state = () => JSON.parse(fixture.service.comparisons.detail('t')).state;
    await until(() => state() !== 'running', 25_000);
    const after = (await budgetOf()).used_bytes_today;
    expect(after).toBeGreaterThan(before);
    await until(() => fixture.store.budgetUse.get(1)?.bytes === after);
  });

  test('begins nothing while what may be used cannot be stored', async () => {
    await fixture.create('t', link.url, { budget: { bytes_per_day: 1_000_000 } });
    fixture.store.failure = new Error('disk full');
    fixture.write('e', [1]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(link.bytes).toBe(0);
    fixture.store.failure = null;
    await until(() => stored('e').length === 1);
  });
});

test('bytes per second hold from the first to the last, up to a batch', async () => {
  vi.useRealTimers();
  const perSecond = 60_000;
  const beganMs = performance.now();
  let beyond = 0;
  link.onBytes = () => {
    const allowed = (perSecond * (performance.now() - beganMs)) / 1000;
    beyond = Math.max(beyond, link.bytes - allowed);
  };
  for (const entry of ['a', 'b', 'c']) fixture.write(entry, numbers(0, 500));
  await fixture.create('t', link.url, {
    start: 'beginning',
    budget: { bytes_per_second: perSecond },
  });
  await until(() => ['a', 'b', 'c'].every((entry) => stored(entry).length === 500), 25_000);
  expect(beyond).toBeLessThanOrEqual(BATCH_BYTES);
});

test('a budget leaves several batches in flight, of different entries', async () => {
  vi.useRealTimers();
  target.delayMs = 40;
  for (const entry of ['a', 'b', 'c', 'd']) fixture.write(entry, numbers(0, 300));
  await fixture.create('t', link.url, {
    start: 'beginning',
    budget: { bytes_per_day: 1_000_000_000, bytes_per_second: 100_000_000 },
  });
  await until(() => ['a', 'b', 'c', 'd'].every((entry) => stored(entry).length === 300), 25_000);
  expect(link.maxConnections).toBeGreaterThan(1);
  for (const entry of ['a', 'b', 'c', 'd']) expect(stored(entry)).toEqual(numbers(0, 300));
});
