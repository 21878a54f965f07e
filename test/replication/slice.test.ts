import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeTarget } from '../lib/fake-target.ts';
import { LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, payloadOf, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

const NAMES = new Map([
  [1, 'sensor-1'],
  [2, 'sensor-2'],
  [3, 'sub/sensor-3'],
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

function record(entryId: number, ts: number, labels: readonly string[] = [], length = 20) {
  return { ts: BigInt(ts), payload: payloadOf(entryId, BigInt(ts), length), labels };
}

function fill(entryId: number, from: number, count: number, labels: readonly string[] = []): void {
  const records = Array.from({ length: count }, (_, at) => record(entryId, from + at, labels));
  log.append(BUCKET, entryId, records);
}

function timestampsAt(place: string): number[] {
  return target.recordsOf(place).map(({ ts }) => Number(ts));
}

describe('a slice', () => {
  test('delivers records byte for byte with labels and content type', async () => {
    log.append(BUCKET, 1, [
      { ...record(1, 100, ['b', '2', 'a', '1,5']), contentType: 'text/plain' },
      record(1, 101),
    ]);
    log.append(BUCKET, 3, [record(3, 50)]);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    const [first, second] = target.recordsOf('dst/sensor-1');
    expect(first?.payload.equals(payloadOf(1, 100n, 20))).toBe(true);
    expect([...(first?.labels ?? [])]).toEqual([
      ['a', '1,5'],
      ['b', '2'],
    ]);
    expect(first?.contentType).toBe('text/plain');
    expect(second?.payload.equals(payloadOf(1, 101n, 20))).toBe(true);
    expect(timestampsAt('dst/sub/sensor-3')).toEqual([50]);
    expect(target.requests[0]?.headers['x-reduct-time-100']).toBe('20,text/plain,a="1,5",b=2');
  });

  test('puts at most 85 records into a batch and keeps one batch of an entry in flight', async () => {
    for (let i = 0; i < 40; i++) {
      fill(1, i * 100, 50);
      fill(2, i * 100, 50);
    }
    log.publish();
    target.delayMs = 2;
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    expect(Math.max(...target.requests.map(({ timestamps }) => timestamps.length))).toBe(85);
    expect([...target.maxInFlight.values()]).toEqual([1, 1]);
    expect(target.maxTotalInFlight).toBe(2);
    expect(target.recordsOf('dst/sensor-1')).toHaveLength(2000);
    expect(timestampsAt('dst/sensor-2')).toEqual(
      timestampsAt('dst/sensor-2').toSorted((a, b) => a - b),
    );
  });

  test('goes past everything when no entry is wanted, without a request for records', async () => {
    for (let i = 0; i < 300; i++) fill(1, i * 10, 3);
    log.publish();
    const settings = settingsFor(target.url, { entries: ['nothing-*'] });
    const driver = new SliceDriver(newRuntime(log), settings, NAMES);
    await driver.drain();
    expect(driver.position).toEqual({ partition: 0, sequence: 301, bucketOrdinal: 900 });
    expect(target.requests).toEqual([]);
  });

  test('applies include and exclude per record', async () => {
    const working = ['engine', 'working'];
    log.append(BUCKET, 1, [
      record(1, 1, working),
      record(1, 2, ['engine', 'idle']),
      record(1, 3, [...working, 'status', 'corrupted']),
      record(1, 4, working),
    ]);
    log.publish();
    const settings = settingsFor(target.url, {
      include: { engine: 'working' },
      exclude: { status: 'corrupted' },
    });
    const driver = new SliceDriver(newRuntime(log), settings, NAMES);
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toEqual([1, 4]);
  });

  test('keeps counting each_n over slices and windows, per entry', async () => {
    const settings = settingsFor(target.url, { eachN: 3 });
    const driver = new SliceDriver(newRuntime(log), settings, NAMES);
    for (let i = 0; i < 5; i++) {
      fill(1, i * 10, 2);
      fill(2, i * 10, 2);
      log.publish();
      await driver.drain();
    }
    expect(timestampsAt('dst/sensor-1')).toEqual([0, 11, 30, 41]);
    expect(timestampsAt('dst/sensor-2')).toEqual([0, 11, 30, 41]);
  });

  test('keeps counting each_n when the log grows while a request is in flight', async () => {
    target.delayMs = 20;
    const runtime = newRuntime(log, { lingerMs: 60, sliceMs: 500 });
    const driver = new SliceDriver(runtime, settingsFor(target.url, { eachN: 3 }), NAMES);
    fill(1, 0, 1);
    log.publish();
    await driver.slice();
    const running = driver.slice();
    for (let ts = 1; ts < 40; ts++) {
      await new Promise((resolve) => setTimeout(resolve, 3));
      fill(1, ts, 1);
      log.publish();
    }
    await running;
    await driver.drain();
    const expected = Array.from({ length: 40 }, (_, ts) => ts).filter((ts) => ts % 3 === 0);
    expect(timestampsAt('dst/sensor-1')).toEqual(expected);
  });

  test('evaluates the condition with its state going with the cursor', async () => {
    const whenText = '{"&n":{"$gt":1},"$each_n":2}';
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url, { whenText }), NAMES);
    for (let ts = 0; ts < 9; ts++) {
      log.append(BUCKET, 1, [record(1, ts, ['n', `${ts}`])]);
      log.publish();
      await driver.drain();
    }
    expect(timestampsAt('dst/sensor-1')).toEqual([3, 5, 7]);
  });

  test('sends context before a match that was scanned by an earlier slice', async () => {
    const whenText = '{"#ctx_before":2,"&hit":{"$eq":1}}';
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url, { whenText }), NAMES);
    for (let ts = 0; ts < 5; ts++) {
      log.append(BUCKET, 1, [record(1, ts, ['hit', ts === 4 ? '1' : '0'])]);
      log.publish();
      await driver.drain();
    }
    expect(timestampsAt('dst/sensor-1')).toEqual([2, 3, 4]);
  });

  test('reads from the store what the ring no longer has, and other buckets are skipped', async () => {
    const small = await LogFixture.open({ ringBytes: 1 << 20 });
    try {
      for (let i = 0; i < 60; i++) {
        small.append(BUCKET, 1, [{ ts: BigInt(i), payload: payloadOf(1, BigInt(i), 40_000) }]);
        small.append(99, 5, [{ ts: BigInt(i), payload: payloadOf(5, BigInt(i), 40_000) }]);
      }
      small.publish();
      const driver = new SliceDriver(newRuntime(small), settingsFor(target.url), NAMES);
      await driver.drain();
      expect(small.ring.stats().tailSequence).toBeGreaterThan(50);
      expect(timestampsAt('dst/sensor-1')).toEqual(Array.from({ length: 60 }, (_, at) => at));
      expect([...target.stored.keys()]).toEqual(['dst/sensor-1']);
    } finally {
      await small.close();
    }
  });

  test('reads blocks that the ring was never given many at a time', async () => {
    log.ring.setReadBuckets(new Set());
    for (let ts = 0; ts < 500; ts++) fill(1, ts, 1);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toHaveLength(500);
    expect(target.requests.length).toBeLessThan(12);
  });

  test('streams a large record chunk by chunk with its length', async () => {
    const payload = payloadOf(1, 9n, 2_500_000);
    fill(1, 1, 2);
    log.appendLarge(BUCKET, 1, { ts: 9n, payload, labels: ['a', 'b'] }, 1_000_000);
    fill(1, 10, 2);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toEqual([1, 2, 9, 10, 11]);
    expect(target.recordsOf('dst/sensor-1')[2]?.payload.equals(payload)).toBe(true);
    expect(target.requests[1]?.headers['content-length']).toBe('2500000');
  });

  test('counts a large record whose content is gone and goes on', async () => {
    const payload = payloadOf(1, 9n, 2_500_000);
    log.appendLarge(BUCKET, 1, { ts: 9n, payload }, 1_000_000);
    fill(1, 10, 2);
    log.publish();
    log.removeChunk(1, 1);
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toEqual([10, 11]);
    expect(driver.results.flatMap(({ counts }) => counts.errors)).toEqual([
      { key: 404, count: 1, message: 'Record 9 not found in entry sensor-1' },
    ]);
  });

  test('notices records that were removed before it came to them', async () => {
    const small = await LogFixture.open({ ringBytes: 1 << 20 });
    try {
      const payload = Buffer.alloc(40_000, 1);
      for (let i = 0; i < 60; i++) small.append(BUCKET, 1, [{ ts: BigInt(i), payload }]);
      small.publish();
      small.removeBlock(3);
      small.removeBlock(4);
      const driver = new SliceDriver(newRuntime(small), settingsFor(target.url), NAMES);
      await driver.drain();
      expect(timestampsAt('dst/sensor-1')).not.toContain(2);
      const removed = driver.results.map(({ counts }) => counts.removedAtSource);
      expect(removed.reduce((sum, count) => sum + count)).toBe(2);
    } finally {
      await small.close();
    }
  });

  test('sorts a batch by time and never puts a timestamp into it twice', async () => {
    log.append(BUCKET, 1, [record(1, 50), record(1, 60)]);
    log.append(BUCKET, 1, [record(1, 10), record(1, 55)]);
    log.append(BUCKET, 1, [record(1, 60, ['again', '1'])]);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    expect(target.requests.map(({ timestamps }) => timestamps.map(Number))).toEqual([
      [10, 50, 55, 60],
      [60],
      // The same content again, with other labels: those are brought over.
      [60],
    ]);
    expect(target.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'PATCH']);
    for (const { ts, payload } of target.recordsOf('dst/sensor-1')) {
      expect(payload.equals(payloadOf(1, ts, 20))).toBe(true);
    }
  });

  test('sends by single request what a batch header cannot carry, and gives up what no header can', async () => {
    log.append(BUCKET, 1, [
      record(1, 1, ['a', 'x,"y"']),
      record(1, 2, ['Upper', '"quoted']),
      record(1, 3, ['a', 'ünicode']),
      record(1, 4, ['a', 'plain']),
    ]);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toEqual([1, 4]);
    expect(target.recordsOf('dst/sensor-1')[0]?.labels.get('a')).toBe('x,"y"');
    const letters = driver.results.flatMap(({ deadLetters }) => deadLetters);
    expect(letters.map(({ ts, status }) => [ts, status])).toEqual([
      [2n, 422],
      [3n, 422],
    ]);
  });

  test('adds the prefix and encodes names for the path', async () => {
    fill(3, 1, 1);
    log.publish();
    const settings = settingsFor(target.url, { dstPrefix: '/edge 1/' });
    const names = new Map([[3, 'sub/ü/$meta']]);
    await new SliceDriver(newRuntime(log), settings, names).drain();
    expect(target.requests[0]?.path).toBe('/api/v1/b/dst/edge%201/sub/%C3%BC/$meta/batch');
  });

  test('stops at the sequence it is told', async () => {
    for (let i = 0; i < 10; i++) fill(1, i, 1);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    driver.stopSequence = 4;
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toEqual([0, 1, 2]);
    expect(driver.position.sequence).toBe(4);
  });

  test('counts what matches without sending', async () => {
    for (let i = 0; i < 100; i++) fill(1, i * 10, 7, i % 2 === 0 ? ['k', 'v'] : []);
    log.publish();
    const settings = settingsFor(target.url, { include: { k: 'v' } });
    const driver = new SliceDriver(newRuntime(log), settings, NAMES);
    const { records, bytes, position } = await driver.count();
    expect([records, bytes, position.sequence]).toEqual([350, 7000, 101]);
    expect(target.requests).toEqual([]);
  });

  test('updates labels at the target, and writes a record in full that is not there', async () => {
    log.append(BUCKET, 1, [record(1, 1, ['a', 'new']), record(1, 2, ['b', 'new'])]);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
    await driver.drain();
    target.stored.set('dst/sensor-1', target.recordsOf('dst/sensor-1').slice(0, 1));
    log.appendUpdates(BUCKET, 1, [
      { ts: 1n, labels: ['c', '3'], removed: ['a'] },
      { ts: 2n, labels: ['b', 'new'] },
    ]);
    log.publish();
    await driver.drain();
    expect(target.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
    expect(target.requests[1]?.headers['x-reduct-time-1']).toBe('0,,a=,c=3');
    const [first, second] = target.recordsOf('dst/sensor-1');
    expect([...(first?.labels ?? [])]).toEqual([['c', '3']]);
    expect(second?.payload.equals(payloadOf(1, 2n, 20))).toBe(true);
  });

  test('writes a removed attachment without its mark and removes it then', async () => {
    const names = new Map([[1, 'e/$meta']]);
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url, { eachN: 5 }), names);
    log.append(BUCKET, 1, [
      record(1, 1, ['key', 'a', 'remove', 'true']),
      record(1, 2, ['key', 'b']),
    ]);
    log.appendUpdates(BUCKET, 1, [{ ts: 2n, labels: ['key', 'b', 'remove', 'true'] }]);
    log.publish();
    await driver.drain();
    expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toEqual([]);
    const stored = target
      .recordsOf('dst/e/$meta')
      .map(({ ts, labels }) => [ts, [...labels].flat()]);
    expect(stored).toEqual([
      [1n, ['key', 'a', 'remove', 'true']],
      [2n, ['key', 'b', 'remove', 'true']],
    ]);
  });

  test('does the same with a removal that the target has no record for', async () => {
    const names = new Map([[1, 'e/$meta']]);
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url), names);
    driver.position = { partition: 0, sequence: 2, bucketOrdinal: 1 };
    log.append(BUCKET, 1, [record(1, 1, ['key', 'a', 'remove', 'true'])]);
    log.appendUpdates(BUCKET, 1, [{ ts: 1n, labels: ['key', 'a', 'remove', 'true'] }]);
    log.publish();
    await driver.drain();
    expect(target.requests.map(({ method }) => method)).toEqual(['PATCH', 'POST', 'PATCH']);
    expect(target.recordsOf('dst/e/$meta')[0]?.labels.get('remove')).toBe('true');
  });

  test('leaves out updates of records that a sampling task did not send', async () => {
    log.append(BUCKET, 1, [record(1, 1), record(1, 2)]);
    log.appendUpdates(BUCKET, 1, [
      { ts: 1n, labels: ['x', '1'] },
      { ts: 2n, labels: ['x', '1'] },
    ]);
    log.publish();
    const driver = new SliceDriver(newRuntime(log), settingsFor(target.url, { eachN: 2 }), NAMES);
    await driver.drain();
    expect(timestampsAt('dst/sensor-1')).toEqual([1]);
    expect(target.recordsOf('dst/sensor-1')[0]?.labels.get('x')).toBe('1');
  });
});
