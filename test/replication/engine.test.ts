import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EngineFixture, until } from '../lib/engine-fixture.ts';
import { FakeTarget } from '../lib/fake-target.ts';

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

async function untilStored(count: number, place = 'dst/e'): Promise<void> {
  await until(() => stored(place).length >= count);
}

describe('a task', () => {
  test('begins at the moment of its creation and is woken by commits', async () => {
    fixture.write('e', [1, 2]);
    await fixture.create('t', target.url);
    fixture.write('e', [3]);
    await untilStored(1);
    fixture.write('e', [4, 5]);
    await untilStored(3);
    expect(stored()).toEqual([3, 4, 5]);
    await until(async () => (await fixture.pending('t')) === 0);
  });

  test('delivers at a commit when it was idle, without any timer that fires', async () => {
    await fixture.create('t', target.url);
    fixture.write('e', [0]);
    await untilStored(1);
    await until(async () => (await fixture.pending('t')) === 0);
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] });
    try {
      for (let ts = 1; ts <= 20; ts++) {
        fixture.write('e', [ts]);
        while (stored().length <= ts) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      vi.useRealTimers();
    }
    expect(stored()).toEqual(Array.from({ length: 21 }, (_, ts) => ts));
  });

  test('says it is active before the target was ever contacted, and not after it failed', async () => {
    const { port } = target;
    await target.stop();
    await fixture.create('t', `http://127.0.0.1:${port}`);
    expect((await fixture.detail('t')).info.is_active).toBe(true);
    fixture.write('e', [1]);
    await until(async () => !(await fixture.detail('t')).info.is_active);
    const { errors } = (await fixture.detail('t')).diagnostics.hourly;
    expect(errors['-3'].last_message).toBe(`ECONNREFUSED 127.0.0.1:${port}`);
  });

  test('sends by itself when its target is back', async () => {
    const { port } = target;
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await untilStored(1);
    await target.stop();
    fixture.write('e', [2]);
    await until(async () => !(await fixture.detail('t')).info.is_active);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await target.start(port);
    await untilStored(2);
  });

  test('does not wait for another task whose target is silent', async () => {
    const silent = new FakeTarget();
    await silent.start();
    silent.faultOf = () => ({ kind: 'stall' });
    try {
      await fixture.create('silent', silent.url);
      await fixture.create('healthy', target.url);
      for (let ts = 0; ts < 50; ts++) fixture.write('e', [ts]);
      await untilStored(50);
      expect(await fixture.pending('silent')).toBe(50);
      await fixture.service.remove('silent');
    } finally {
      await silent.stop();
    }
  });

  test('moves its cursor past records that no filter wants, and stores it', async () => {
    await fixture.create('t', target.url, { entries: ['other'] });
    for (let ts = 0; ts < 20; ts++) fixture.write('e', [ts]);
    const head = fixture.log.headSequence;
    await until(() => fixture.store.load()[0]?.cursor.position.sequence === head);
    expect(await fixture.pending('t')).toBe(0);
    expect(target.requests).toEqual([]);
  });

  test('skips what other buckets wrote while it was idle', async () => {
    fixture.addBucket('busy');
    await fixture.create('t', target.url);
    for (let ts = 0; ts < 100; ts++) {
      fixture.append('busy', 'x', [{ ts: BigInt(ts), payload: Buffer.alloc(1) }]);
      fixture.commit();
    }
    fixture.write('e', [1]);
    await untilStored(1);
    expect([...target.stored.keys()]).toEqual(['dst/e']);
  });

  test('stores dead letters with the cursor, also when the store fails for a while', async () => {
    target.faultOf = () => ({
      kind: 'records',
      errorOf: (ts) => (ts === 2n ? '422,never' : undefined),
    });
    await fixture.create('t', target.url);
    fixture.store.failure = new Error('disk full');
    fixture.write('e', [1, 2, 3]);
    await untilStored(2);
    await until(async () => (await fixture.pending('t')) === 0);
    fixture.store.failure = null;
    fixture.write('e', [4]);
    await until(() => fixture.store.letters.figures(1).added > 0);
    expect(await fixture.store.letters.read(1, 0, 10)).toMatchObject([
      { entryName: 'e', ts: 2n, status: 422, attempts: 1, isQueued: false },
    ]);
    expect((await fixture.detail('t')).diagnostics.hourly.errors['422'].count).toBe(1);
  });
});

describe('modes', () => {
  test('paused: nothing is sent, the pending count is exact, everything is sent afterwards', async () => {
    await fixture.create('t', target.url, { mode: 'paused', include: { k: 'v' } });
    for (let ts = 0; ts < 30; ts++) fixture.write('e', [ts], ts % 3 === 0 ? ['k', 'v'] : []);
    expect(await fixture.pending('t')).toBe(10);
    fixture.write('e', [30], ['k', 'v']);
    expect(await fixture.pending('t')).toBe(11);
    await until(async () => (await fixture.detail('t')).info.is_active);
    expect(target.recordsOf('dst/e')).toEqual([]);
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    await untilStored(11);
    await until(async () => (await fixture.pending('t')) === 0);
  });

  test('disabled: what is written meanwhile is never sent, what was pending before is', async () => {
    await fixture.create('t', target.url, { mode: 'paused' });
    fixture.write('e', [1, 2]);
    await fixture.service.setMode('t', '{"mode":"disabled"}');
    fixture.write('e', [3, 4]);
    expect(await fixture.pending('t')).toBe(2);
    expect((await fixture.detail('t')).info.is_active).toBe(false);
    await fixture.service.setMode('t', '{"mode":"paused"}');
    fixture.write('e', [5]);
    await fixture.service.setMode('t', '{"mode":"disabled"}');
    fixture.write('e', [6]);
    await fixture.restart();
    fixture.write('e', [7]);
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    fixture.write('e', [8]);
    await untilStored(4);
    await until(async () => (await fixture.pending('t')) === 0);
    expect(stored()).toEqual([1, 2, 5, 8]);
  });

  test('created disabled: begins where it is enabled', async () => {
    await fixture.create('t', target.url, { mode: 'disabled' });
    fixture.write('e', [1]);
    expect(await fixture.pending('t')).toBe(0);
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    fixture.write('e', [2]);
    await untilStored(1);
    expect(stored()).toEqual([2]);
  });

  test('pausing cuts off a request of a silent target at once; the records stay', async () => {
    target.faultOf = () => ({ kind: 'stall' });
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await until(() => target.requests.length === 1);
    await fixture.service.setMode('t', '{"mode":"paused"}');
    await until(async () => (await fixture.pending('t')) === 1);
    target.faultOf = () => ({ kind: 'ok' });
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    await untilStored(1);
  });
});

describe('changes of settings', () => {
  test('a new destination gets what is pending, and diagnostics begin anew', async () => {
    const other = new FakeTarget();
    await other.start();
    try {
      target.faultOf = () => ({ kind: 'status', status: 503, text: 'no' });
      await fixture.create('t', target.url);
      fixture.write('e', [1, 2]);
      await until(() => target.requests.length > 0);
      const body = { src_bucket: 'src', dst_bucket: 'dst', dst_host: other.url };
      await fixture.service.update('t', JSON.stringify(body));
      await until(() => other.recordsOf('dst/e').length === 2);
      await until(async () => (await fixture.detail('t')).diagnostics.hourly.ok === 120);
      expect((await fixture.detail('t')).diagnostics.hourly.errors).toEqual({});
    } finally {
      await other.stop();
    }
  });

  test('another source bucket drops what was pending of the old one', async () => {
    fixture.addBucket('src2');
    await fixture.create('t', target.url, { mode: 'paused' });
    fixture.write('e', [1]);
    fixture.append('src2', 'e', [{ ts: 10n, payload: Buffer.alloc(1) }]);
    fixture.commit();
    const body = { src_bucket: 'src2', dst_bucket: 'dst', dst_host: target.url };
    await fixture.service.update('t', JSON.stringify(body));
    fixture.append('src2', 'e', [{ ts: 11n, payload: Buffer.alloc(1) }]);
    fixture.commit();
    await untilStored(1);
    expect(stored()).toEqual([11]);
  });

  test('a task is gone at once when it is removed, also with a silent target', async () => {
    target.faultOf = () => ({ kind: 'stall' });
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await until(() => target.requests.length === 1);
    await fixture.service.remove('t');
    expect(fixture.store.load()).toEqual([]);
    target.faultOf = () => ({ kind: 'ok' });
    fixture.write('e', [2]);
    await expect(fixture.service.detail('t', false)).rejects.toMatchObject({ status: 404 });
    expect(target.recordsOf('dst/e')).toEqual([]);
  });
});

describe('the source bucket', () => {
  test('may go and come back under its name', async () => {
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await untilStored(1);
    fixture.buckets.delete('src');
    expect((await fixture.detail('t')).info.is_active).toBe(false);
    fixture.addBucket('other');
    fixture.append('other', 'e', [{ ts: 5n, payload: Buffer.alloc(1) }]);
    fixture.commit();
    fixture.addBucket('src');
    fixture.write('e', [2]);
    await untilStored(2);
    expect(stored()).toEqual([1, 2]);
    expect((await fixture.detail('t', true)).extended.dropped_records).toBe(0);
  });
});

describe('renames', () => {
  test('of an entry hold for all that is not sent yet', async () => {
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await untilStored(1);
    await until(async () => (await fixture.pending('t')) === 0);
    await fixture.service.setMode('t', '{"mode":"paused"}');
    fixture.write('e', [2]);
    expect(await fixture.pending('t')).toBe(1);
    const bucket = fixture.buckets.get('src');
    const id = fixture.entryId('src', 'e');
    bucket?.entries.set(id, 'new');
    fixture.service.entriesRenamed('src');
    await fixture.service.setMode('t', '{"mode":"enabled"}');
    fixture.write('new', [3]);
    await untilStored(2, 'dst/new');
    expect(stored('dst/new')).toEqual([2, 3]);
    expect(stored()).toEqual([1]);
  });

  test('of the source bucket are followed, and stored', async () => {
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await untilStored(1);
    const bucket = fixture.buckets.get('src');
    if (bucket === undefined) throw new Error('no bucket');
    fixture.buckets.delete('src');
    fixture.buckets.set('moved', bucket);
    await fixture.service.withRenamedSource('src', 'moved', async () => undefined);
    expect((await fixture.detail('t')).settings.src_bucket).toBe('moved');
    expect((await fixture.detail('t')).info.is_active).toBe(true);
    fixture.append('moved', 'e', [{ ts: 2n, payload: Buffer.alloc(1) }]);
    fixture.commit();
    await untilStored(2);
    await fixture.restart();
    fixture.append('moved', 'e', [{ ts: 3n, payload: Buffer.alloc(1) }]);
    fixture.commit();
    await untilStored(3);
  });
});

describe('a restart', () => {
  test('goes on where the cursor is, and answers to a resend count as delivered', async () => {
    await fixture.create('t', target.url, { each_n: 2 });
    for (let ts = 0; ts < 10; ts++) fixture.write('e', [ts]);
    await untilStored(5);
    const cursor = fixture.store.cursors.get(1);
    for (let ts = 10; ts < 20; ts++) fixture.write('e', [ts]);
    await untilStored(10);
    await fixture.restart();
    // As if the last cursors had not been stored: the process was killed.
    await fixture.engine.stop(0);
    fixture.store.cursors.set(1, cursor ?? Buffer.alloc(0));
    await fixture.restart();
    fixture.write('e', [20]);
    await untilStored(11);
    await until(async () => (await fixture.pending('t')) === 0);
    expect(stored()).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
    expect((await fixture.detail('t')).diagnostics.hourly.errored).toBe(0);
    expect(target.headRequests).toBe(0);
  });

  test('goes on with the counters of sampling as they are at the cursor', async () => {
    await fixture.create('t', target.url, { each_n: 3 });
    for (let ts = 0; ts < 10; ts++) {
      fixture.write('e', [ts]);
      const head = fixture.log.headSequence;
      await until(() => fixture.store.load()[0]?.cursor.position.sequence === head);
      if (ts === 4) await fixture.restart();
    }
    expect(stored()).toEqual([0, 3, 6, 9]);
  });

  test('a stop with a silent target is bounded, and nothing is lost', async () => {
    await fixture.close();
    // Without its bound the stop would take longer than the test may.
    fixture = await EngineFixture.open({ noProgressTimeoutMs: 600_000 });
    target.faultOf = () => ({ kind: 'stall' });
    await fixture.create('t', target.url);
    fixture.write('e', [1]);
    await until(() => target.requests.length === 1);
    await fixture.restart(50);
    target.faultOf = () => ({ kind: 'ok' });
    await untilStored(1);
  });
});

test('sixteen equal tasks read, filter and encode once', async () => {
  const targets = 16;
  for (let i = 0; i < targets; i++) {
    await fixture.create(`t${i}`, target.url, { dst_bucket: `dst${i}` });
    target.buckets.add(`dst${i}`);
  }
  for (let ts = 0; ts < 300; ts++) fixture.write('e', [ts]);
  for (let i = 0; i < targets; i++) await untilStored(300, `dst${i}/e`);
  for (let i = 0; i < targets; i++) expect(stored(`dst${i}/e`)).toHaveLength(300);
});
