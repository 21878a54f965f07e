import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineFixture, until } from '../../lib/engine-fixture.ts';
import { FakeTarget } from '../../lib/fake-target.ts';

let fixture: EngineFixture;
let target: FakeTarget;

beforeEach(async () => {
  const limits = { lagMs: 3_600_000, records: 500 };
  fixture = await EngineFixture.open({}, {}, undefined, limits);
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

const extended = async () => (await fixture.detail('t', true)).extended;

/** Three segments of 600 records, and 10 records that are live when the target comes back. */
async function outage(): Promise<number> {
  const { port } = target;
  await fixture.create('t', target.url, { order: 'newest' });
  fixture.write('e', [0]);
  await until(() => stored().length === 1);
  await target.stop();
  for (let segment = 0; segment < 3; segment++) {
    for (let at = 0; at < 600; at += 100) {
      const from = 1 + segment * 600 + at;
      fixture.write('e', numbers(from, from + 100));
    }
    await until(async () => (await extended()).backlog_segments === segment + 1);
  }
  fixture.write('e', numbers(1801, 1811));
  return port;
}

describe('a task that sends the newest first', () => {
  test('sends after an outage what is live, then the newest segments', async () => {
    const port = await outage();
    const shown = await fixture.detail('t', true);
    expect(shown.info.pending_records).toBe(1810);
    expect(shown.settings.order).toBe('newest');
    expect(shown.extended).toMatchObject({ backlog_segments: 3, backlog_records: 1800 });
    expect(shown.extended.lag_seconds).toBeGreaterThan(0);
    await target.start(port);
    await until(() => stored().length === 1811);
    expect(stored()).toEqual([
      0,
      ...numbers(1801, 1811),
      ...numbers(1201, 1801),
      ...numbers(601, 1201),
      ...numbers(1, 601),
    ]);
    await until(async () => (await fixture.pending('t')) === 0);
    expect(await extended()).toMatchObject({ backlog_segments: 0, lag_seconds: 0 });
    // Nothing of the segments is left in the store.
    await until(() => fixture.store.load()[0]?.ranges.length === 0);
  });

  test('sends all of it after restarts in the middle', async () => {
    const port = await outage();
    await fixture.restart(0);
    expect(await extended()).toMatchObject({ backlog_segments: 3 });
    target.delayMs = 5;
    await target.start(port);
    await until(() => stored().length > 400);
    await fixture.restart(0);
    await until(() => stored().length > 900);
    await fixture.restart(1000);
    target.delayMs = 0;
    await until(() => stored().length === 1811);
    expect(stored().toSorted((a, b) => a - b)).toEqual(numbers(0, 1811));
  });

  test('does not jump over a backlog that is neither old nor much', async () => {
    const { port } = target;
    await fixture.create('t', target.url, { order: 'newest' });
    await target.stop();
    fixture.write('e', numbers(0, 400));
    await until(async () => !(await fixture.detail('t')).info.is_active);
    fixture.write('e', numbers(400, 450));
    await target.start(port);
    await until(() => stored().length === 450);
    expect(stored()).toEqual(numbers(0, 450));
  });

  test('jumps no more after a change to the oldest first, and sends the segments it has', async () => {
    const port = await outage();
    const body = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url, order: 'oldest' };
    await fixture.service.update('t', JSON.stringify(body));
    fixture.write('e', numbers(1811, 2811));
    await target.start(port);
    await until(() => stored().length === 2811);
    expect((await fixture.detail('t')).settings.order).toBe('oldest');
    expect(stored().slice(0, 1011)).toEqual([0, ...numbers(1801, 2811)]);
  });

  test('sends updates of a segment with the labels of now', async () => {
    const { port } = target;
    await fixture.create('t', target.url, { order: 'newest' });
    const sequence = fixture.log.headSequence;
    fixture.write('e', [1, 2], ['state', 'first', 'mark', 'yes']);
    await until(() => stored().length === 2);
    await target.stop();
    // Into the segment: one label changes, another goes.
    fixture.relabel('src', sequence, 1, ['state', 'second']);
    fixture.write('e', numbers(10, 700));
    await until(async () => (await extended()).backlog_segments === 1);
    fixture.relabel('src', sequence, 1, ['state', 'third', 'late', 'yes']);
    await target.start(port);
    await until(async () => (await fixture.pending('t')) === 0);
    const [record] = target.recordsOf('dst/e');
    await until(() => record?.labels.has('mark') === false);
    expect(Object.fromEntries(record?.labels ?? [])).toEqual({ state: 'third', late: 'yes' });
  });

  test('has a setting that is answered when it was set, kept by PUT, and cleared by null', async () => {
    await fixture.create('t', target.url);
    expect((await fixture.detail('t')).settings).not.toHaveProperty('order');
    const body = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url };
    await fixture.service.update('t', JSON.stringify({ ...body, order: 'newest' }));
    await fixture.service.update('t', JSON.stringify(body));
    expect((await fixture.detail('t')).settings.order).toBe('newest');
    await fixture.restart();
    expect((await fixture.detail('t')).settings.order).toBe('newest');
    await fixture.service.update('t', JSON.stringify({ ...body, order: null }));
    expect((await fixture.detail('t')).settings).not.toHaveProperty('order');
    const update = fixture.service.update('t', JSON.stringify({ ...body, order: 'random' }));
    await expect(update).rejects.toMatchObject({ status: 422 });
  });
});

test('a task with the default order never jumps', async () => {
  const { port } = target;
  await fixture.create('t', target.url);
  await target.stop();
  for (let from = 0; from < 2000; from += 100) fixture.write('e', numbers(from, from + 100));
  await until(async () => !(await fixture.detail('t')).info.is_active);
  expect(await extended()).toMatchObject({ backlog_segments: 0 });
  await target.start(port);
  await until(() => stored().length === 2000);
  expect(stored()).toEqual(numbers(0, 2000));
});
