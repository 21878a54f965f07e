import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineFixture, until } from '../../lib/engine-fixture.ts';
import { FakeTarget } from '../../lib/fake-target.ts';

let fixture: EngineFixture;
let target: FakeTarget;

beforeEach(async () => {
  fixture = await EngineFixture.open();
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

function writeMany(entry: string, from: number, to: number): void {
  for (let at = from; at < to; at += 100) fixture.write(entry, numbers(at, Math.min(to, at + 100)));
}

async function backfill(body: object = {}) {
  return JSON.parse(await fixture.service.backfills.create('t', JSON.stringify(body)));
}

function detail(id: number) {
  return JSON.parse(fixture.service.backfills.detail('t', String(id)));
}

async function setState(id: number, state: string) {
  const body = JSON.stringify({ state });
  return JSON.parse(await fixture.service.backfills.setState('t', String(id), body));
}

const untilDone = (id: number) => until(() => detail(id).state === 'done', 25_000);

describe('a task that starts at', () => {
  test('the beginning sends what was written before it, and after', async () => {
    fixture.write('e', [1, 2]);
    fixture.write('f', [3]);
    await fixture.create('t', target.url, { start: 'beginning' });
    fixture.write('e', [4]);
    await until(() => stored().length === 3);
    expect(new Set(stored())).toEqual(new Set([1, 2, 4]));
    await until(() => stored('dst/f').length === 1);
    await untilDone(1);
    await until(async () => (await fixture.pending('t')) === 0);
    expect(detail(1)).toMatchObject({
      state: 'done',
      progress: { done_records: 3, total_records: 3 },
      sent_records: 3,
      start: null,
      stop: null,
    });
  });

  test('a timestamp sends records from there on, wherever they lie in the log', async () => {
    fixture.write('e', [50, 60, 70]);
    fixture.write('e', [10, 20]);
    fixture.write('e', [65, 80]);
    await fixture.create('t', target.url, { start: 60 });
    await untilDone(1);
    expect(stored()).toEqual([60, 65, 70, 80]);
    const { settings } = await fixture.detail('t');
    expect(settings).not.toHaveProperty('start');
  });

  test('a date reads it to the microsecond', async () => {
    const us = Date.UTC(2026, 0, 31) * 1000;
    fixture.write('e', [us + 122, us + 123, us + 124]);
    await fixture.create('t', target.url, { start: '2026-01-31T00:00:00.000123Z' });
    await untilDone(1);
    expect(stored()).toEqual([us + 123, us + 124]);
  });

  test('nonsense is refused and not created', async () => {
    const create = fixture.create('t', target.url, { start: 'yesterday' });
    await expect(create).rejects.toMatchObject({ status: 422 });
    expect(fixture.store.load()).toEqual([]);
  });

  test('the beginning while it is disabled begins when it is enabled', async () => {
    fixture.write('e', [1, 2]);
    await fixture.create('t', target.url, { start: 'beginning', mode: 'disabled' });
    fixture.write('e', [3]);
    expect(detail(1)).toMatchObject({ state: 'running', waiting_for: 'task_mode' });
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    await untilDone(1);
    expect(stored()).toEqual([1, 2]);
  });

  test('an update does not start a second time', async () => {
    await fixture.create('t', target.url);
    const body = { src_bucket: 'src', dst_bucket: 'dst', dst_host: target.url, start: 'beginning' };
    const update = fixture.service.update('t', JSON.stringify(body));
    await expect(update).rejects.toMatchObject({ status: 422 });
  });
});

describe('a back-fill', () => {
  test('sends the records of its times and entries that pass the filters of the task', async () => {
    fixture.write('a/1', numbers(0, 50), ['ok', 'yes']);
    fixture.write('a/1', numbers(50, 100), ['ok', 'no']);
    fixture.write('a/2', numbers(0, 100), ['ok', 'yes']);
    fixture.write('b', numbers(0, 100), ['ok', 'yes']);
    await fixture.create('t', target.url, { entries: ['a/*'], include: { ok: 'yes' } });
    const { id } = await backfill({ start: 40, stop: 60, entries: ['a/1', 'b'] });
    await untilDone(id);
    expect(stored('dst/a/1')).toEqual(numbers(40, 50));
    expect([...target.stored.keys()]).toEqual(['dst/a/1']);
    expect(detail(id)).toMatchObject({ progress: { done_records: 20 }, sent_records: 10 });
  });

  test('knows from the index that there is nothing to read', async () => {
    writeMany('e', 0, 1000);
    await fixture.create('t', target.url);
    const { id } = await backfill({ start: 5000 });
    await untilDone(id);
    expect(detail(id).progress).toEqual({
      done_records: 0,
      total_records: 0,
      done_bytes: 0,
      total_bytes: 0,
    });
    expect(target.requests).toEqual([]);
  });

  test('leaves what comes later to live sending', async () => {
    fixture.write('e', [1]);
    await fixture.create('t', target.url);
    const { id } = await backfill();
    fixture.write('e', [2]);
    await untilDone(id);
    await until(() => stored().length === 2);
    expect(detail(id).sent_records).toBe(1);
    expect(target.requests).toHaveLength(2);
  });

  test('counts what the target has already as duplicates', async () => {
    fixture.write('e', [1, 2, 3]);
    target.stored.set('dst/e', [
      { ts: 2n, contentType: '', labels: new Map(), payload: Buffer.from('e@2') },
    ]);
    await fixture.create('t', target.url);
    const { id } = await backfill();
    await untilDone(id);
    expect(stored()).toEqual([2, 1, 3]);
    expect(detail(id)).toMatchObject({ sent_records: 3, duplicates: 1 });
  });

  test('gives records that the target has already the labels of the source, also after a restart', async () => {
    fixture.write('e', numbers(0, 200), ['state', 'here']);
    target.stored.set(
      'dst/e',
      [2, 150].map((ts) => ({
        ts: BigInt(ts),
        contentType: 'application/octet-stream',
        labels: new Map([['state', 'there']]),
        payload: Buffer.from(`e@${ts}`),
      })),
    );
    await fixture.create('t', target.url);
    await fixture.service.setMode('t', '{"mode":"paused"}');
    const { id } = await backfill();
    await fixture.restart();
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    await untilDone(id);
    const labels = target.recordsOf('dst/e').map((record) => record.labels.get('state'));
    expect(labels).toEqual(Array<string>(200).fill('here'));
    expect(detail(id)).toMatchObject({ sent_records: 200, duplicates: 2 });
  });

  test('moves refused records to the dead letters and goes on', async () => {
    target.faultOf = () => ({
      kind: 'records',
      errorOf: (ts) => (ts === 2n ? '422,never' : undefined),
    });
    fixture.write('e', [1, 2, 3]);
    await fixture.create('t', target.url);
    const { id } = await backfill();
    await untilDone(id);
    expect(stored()).toEqual([1, 3]);
    expect(detail(id)).toMatchObject({ sent_records: 2, dead_letters: 1 });
    await until(() => fixture.store.letters.figures(1).current === 1);
  });

  test('waits for a target that is away and goes on where it was', async () => {
    const { port } = target;
    writeMany('e', 0, 500);
    await fixture.create('t', target.url);
    await target.stop();
    const { id } = await backfill();
    await until(() => detail(id).waiting_for === 'target');
    await target.start(port);
    await untilDone(id);
    expect(stored()).toEqual(numbers(0, 500));
  });

  test('samples by a state of its own', async () => {
    fixture.write('e', numbers(0, 10));
    await fixture.create('t', target.url, { each_n: 4 });
    fixture.write('e', numbers(10, 16));
    await until(() => stored().length === 2);
    expect(stored()).toEqual([10, 14]);
    const { id } = await backfill();
    await untilDone(id);
    fixture.write('e', numbers(16, 20));
    // Live sending counts on from where it was: 18 is the ninth after 10.
    await until(() => stored().includes(18));
    expect(stored().filter((ts) => ts < 10)).toEqual([0, 4, 8]);
  });

  test('leaves updates to live sending: records carry their labels of now', async () => {
    fixture.write('e', [1], ['state', 'old']);
    const entryId = fixture.entryId('src', 'e');
    await fixture.create('t', target.url);
    fixture.log.appendUpdates(1, entryId, [{ ts: 1n, labels: ['state', 'newer'] }]);
    fixture.append('src', 'e', [{ ts: 2n, payload: Buffer.from('x') }]);
    fixture.commit();
    await until(() => stored().length === 2);
    const { id } = await backfill();
    await untilDone(id);
    const patches = target.requests.filter(({ method }) => method === 'PATCH');
    expect(patches).toHaveLength(1);
  });

  test('ends as failed when its bucket is replaced, with the reason', async () => {
    fixture.write('e', [1]);
    target.delayMs = 50;
    await fixture.create('t', target.url);
    const { id } = await backfill({ start: 1 });
    await setState(id, 'paused');
    fixture.addBucket('src');
    fixture.write('e', [2]);
    await until(() => detail(id).state === 'failed');
    expect(detail(id).reason).toContain('removed');
    await until(() => stored().includes(2));
  });

  test('is refused for nonsense, too many, or a task that is not there', async () => {
    await fixture.create('t', target.url);
    await expect(backfill({ start: 5, stop: 5 })).rejects.toMatchObject({ status: 422 });
    await expect(backfill({ entries: 'e' })).rejects.toMatchObject({ status: 422 });
    await expect(backfill({ start: -1 })).rejects.toMatchObject({ status: 422 });
    await expect(fixture.service.backfills.create('t', '{')).rejects.toMatchObject({ status: 422 });
    await expect(fixture.service.backfills.create('u', '{}')).rejects.toMatchObject({
      status: 404,
    });
    expect(() => fixture.service.backfills.detail('t', '1')).toThrow(/no back-fill '1'/);
    await fixture.service.setMode('t', '{"mode":"paused"}');
    for (let i = 0; i < 16; i++) await backfill();
    await expect(backfill()).rejects.toMatchObject({ status: 409 });
  });
});

describe('live records', () => {
  test('go first, and the back-fill goes on behind them', async () => {
    writeMany('e', 0, 20_000);
    target.delayMs = 2;
    await fixture.create('t', target.url);
    const { id } = await backfill();
    await until(() => stored().length > 100);
    fixture.write('live', [1]);
    await until(() => stored('dst/live').length === 1);
    expect(detail(id).state).toBe('running');
    expect(stored().length).toBeLessThan(20_000);
    target.delayMs = 0;
    await untilDone(id);
    expect(stored()).toEqual(numbers(0, 20_000));
  });

  test('that never pause leave the back-fill a turn from time to time', async () => {
    writeMany('e', 0, 2_000);
    await fixture.create('t', target.url);
    let ts = 0;
    const stream = setInterval(() => fixture.write('live', [ts++]), 1);
    try {
      const { id } = await backfill();
      await until(() => detail(id).state === 'done');
      expect(stored()).toEqual(numbers(0, 2_000));
    } finally {
      clearInterval(stream);
    }
    await until(() => stored('dst/live').length === ts);
  });
});

describe('the state of a back-fill', () => {
  test('can be paused, resumed and cancelled; what was sent stays sent', async () => {
    writeMany('e', 0, 20_000);
    target.delayMs = 2;
    await fixture.create('t', target.url);
    const { id } = await backfill();
    await until(() => stored().length > 100);
    expect((await setState(id, 'paused')).state).toBe('paused');
    await until(() => target.requests.length > 0 && !isBusy());
    const before = stored().length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stored().length).toBe(before);
    expect(before).toBeLessThan(20_000);
    await fixture.restart();
    expect(detail(id).state).toBe('paused');
    await setState(id, 'running');
    await until(() => stored().length > before);
    const cancelled = JSON.parse(await fixture.service.backfills.cancel('t', String(id)));
    expect(cancelled).toMatchObject({ state: 'cancelled', estimated_end: null });
    await until(() => !isBusy());
    const after = stored().length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stored().length).toBe(after);
    await expect(setState(id, 'running')).rejects.toMatchObject({ status: 409 });
    expect(await fixture.pending('t')).toBe(0);
  });

  function isBusy(): boolean {
    return [...fixture.service.tasks()].some(({ running }) => running !== null);
  }

  test('shows progress, rate and an estimated end while it runs', async () => {
    writeMany('e', 0, 10_000);
    target.delayMs = 5;
    await fixture.create('t', target.url);
    const { id } = await backfill();
    await until(() => detail(id).estimated_end !== null);
    const shown = detail(id);
    expect(shown.progress.total_records).toBe(10_000);
    expect(shown.progress.done_records).toBeGreaterThan(0);
    expect(shown.records_per_second).toBeGreaterThan(0);
    expect(Date.parse(shown.estimated_end)).toBeGreaterThan(Date.now() - 1000);
    const { extended } = await fixture.detail('t', true);
    expect(extended.pending_is_exact).toBe(false);
    expect((await fixture.detail('t')).info.pending_records).toBeGreaterThan(0);
  });

  test('survives restarts in the middle of planning and sending', async () => {
    writeMany('e', 0, 5_000);
    await fixture.create('t', target.url);
    target.delayMs = 1;
    const { id } = await backfill();
    for (let i = 0; i < 5; i++) {
      await fixture.restart(i % 2 === 0 ? 0 : 1000);
      await until(() => detail(id).progress.done_records >= (i + 1) * 200);
    }
    await untilDone(id);
    expect(stored()).toEqual(numbers(0, 5_000));
  });
});
