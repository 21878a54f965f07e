/** `RS_REPLICATION_LOG_SIZE` (replication §12, item 9): the oldest are dropped, counted, and the newest delivered. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineFixture, until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';

const LIMIT = 100;

let fixture: EngineFixture;
let target: FakeTarget;

beforeEach(async () => {
  fixture = await EngineFixture.open({ noProgressTimeoutMs: 1_000 });
  fixture.maxPendingRecords = LIMIT;
  await fixture.restart();
  target = new FakeTarget();
  await target.start();
});

afterEach(async () => {
  await fixture.close();
  await target.stop();
});

function stored(place = 'dst/e'): number[] {
  return target.recordsOf(place).map(({ ts }) => Number(ts));
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

async function dropped(): Promise<number> {
  return (await fixture.detail('t', true)).extended.dropped_by_log_size;
}

/** Until it is known how much is pending, which is counted between attempts. */
async function untilCounted(): Promise<void> {
  await until(async () => (await fixture.detail('t', true)).extended.pending_is_exact);
}

describe('with a small bound of pending records', () => {
  test('an outage costs the oldest, which are counted, and nothing of the newest', async () => {
    const { port } = target;
    await fixture.create('t', target.url);
    await target.stop();
    for (let from = 0; from < 1000; from += 50) fixture.write('e', numbers(from, from + 50));
    await until(async () => !(await fixture.detail('t')).info.is_active);
    await untilCounted();
    await target.start(port);
    await until(async () => (await fixture.pending('t')) === 0);
    expect(stored()).toEqual(numbers(900, 1000));
    await until(async () => (await dropped()) === 900);
    expect((await fixture.detail('t', true)).extended.dropped_records).toBe(0);
    fixture.write('e', [1000]);
    await until(() => stored().includes(1000));
    await fixture.restart();
    expect(await dropped()).toBe(900);
  });

  test('what no filter wants does not count', async () => {
    const { port } = target;
    await fixture.create('t', target.url, { entries: ['wanted'], include: { keep: 'yes' } });
    await target.stop();
    fixture.write('wanted', numbers(0, 80), ['keep', 'yes']);
    fixture.write('wanted', numbers(80, 400), ['keep', 'no']);
    fixture.write('other', numbers(0, 400), ['keep', 'yes']);
    await until(async () => !(await fixture.detail('t')).info.is_active);
    await untilCounted();
    await target.start(port);
    await until(async () => (await fixture.pending('t')) === 0);
    expect(stored('dst/wanted')).toEqual(numbers(0, 80));
    expect(await dropped()).toBe(0);
  });

  test('an overflow while a batch hangs takes nothing but the oldest behind it', async () => {
    await fixture.create('t', target.url);
    target.faultOf = () => ({ kind: 'stall' });
    fixture.write('e', numbers(0, 50));
    await until(() => target.requests.length === 1);
    for (let from = 50; from < 650; from += 50) fixture.write('e', numbers(from, from + 50));
    target.faultOf = () => ({ kind: 'ok' });
    await until(async () => (await fixture.pending('t')) === 0);
    const there = stored();
    // Whatever was dropped is counted, and it is older than everything that arrived.
    await until(async () => there.length + (await dropped()) === 650);
    expect(there).toEqual(numbers(650 - there.length, 650));
    expect(there.length).toBeGreaterThanOrEqual(LIMIT);
    expect(await dropped()).toBeGreaterThan(0);
  });

  test('a task that keeps up loses nothing', async () => {
    await fixture.create('t', target.url);
    for (let from = 0; from < 2000; from += 50) {
      fixture.write('e', numbers(from, from + 50));
      await until(() => stored().length === from + 50);
    }
    expect(await dropped()).toBe(0);
  });
});

test('without the bound nothing is dropped', async () => {
  fixture.maxPendingRecords = null;
  await fixture.restart();
  const { port } = target;
  await fixture.create('t', target.url);
  await target.stop();
  for (let from = 0; from < 1000; from += 50) fixture.write('e', numbers(from, from + 50));
  await until(async () => !(await fixture.detail('t')).info.is_active);
  await target.start(port);
  await until(() => stored().length === 1000);
  expect(await dropped()).toBe(0);
});
