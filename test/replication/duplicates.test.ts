/** Records that the target has already: 409 is the truth about a timestamp, not about a record. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeTarget, type StoredRecord } from '../lib/fake-target.ts';
import { LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, payloadOf, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

const NAMES = new Map([[1, 'a']]);
const LENGTH = 20;

let log: LogFixture;
let target: FakeTarget;
let driver: SliceDriver;

beforeEach(async () => {
  log = await LogFixture.open();
  target = new FakeTarget();
  await target.start();
  driver = new SliceDriver(newRuntime(log), settingsFor(target.url), NAMES);
});

afterEach(async () => {
  await driver.runtime.close();
  await target.stop();
  await log.close();
});

function fill(count: number, labels: readonly string[] = []): void {
  const records = Array.from({ length: count }, (_, at) => {
    const ts = BigInt(at);
    return { ts, payload: payloadOf(1, ts, LENGTH), labels };
  });
  log.append(BUCKET, 1, records);
  log.publish();
}

function atTarget(...records: readonly Partial<StoredRecord>[]): void {
  const whole = records.map((record) => {
    const ts = record.ts ?? 0n;
    const payload = payloadOf(1, ts, LENGTH);
    return { ts, payload, contentType: '', labels: new Map<string, string>(), ...record };
  });
  target.stored.set('dst/a', whole);
}

function letters() {
  return driver.results.flatMap(({ deadLetters }) => deadLetters);
}

function sumOf(name: 'duplicates' | 'records'): number {
  return driver.results.reduce((sum, { counts }) => sum + counts[name], 0);
}

/** As after a crash: everything may have been sent before. */
function afterCrash(): void {
  driver.resendSequence = log.headSequence;
}

describe.each([
  ['after a crash', true],
  ['the first time', false],
])('a record that the target has, sent %s,', (_name, isResend) => {
  beforeEach(() => {
    if (isResend) driver.resendSequence = 1_000_000;
  });

  test('counts as delivered when size and labels are equal', async () => {
    fill(3, ['unit', 'm/s', 'note', 'a, b']);
    const labels = new Map([
      ['note', 'a, b'],
      ['unit', 'm/s'],
    ]);
    atTarget({ ts: 1n, labels });
    await driver.drain();
    expect([sumOf('duplicates'), sumOf('records')]).toEqual([1, 3]);
    expect(letters()).toEqual([]);
    expect(target.getRequests).toBe(0);
  });

  test('is a conflict when it has another size', async () => {
    fill(3);
    atTarget({ ts: 1n, payload: Buffer.alloc(7) });
    await driver.drain();
    expect(letters()).toMatchObject([
      {
        entryId: 1,
        entryName: 'a',
        ts: 1n,
        reason: 'conflict',
        status: 409,
        message: 'The target has another record at 1: 20 bytes here, 7 bytes there',
        lengthBytes: 20,
        attempts: 1,
      },
    ]);
    expect([sumOf('duplicates'), sumOf('records')]).toEqual([0, 2]);
    expect(driver.results.flatMap(({ counts }) => counts.errors)).toMatchObject([
      { key: 409, count: 1 },
    ]);
    expect(target.recordsOf('dst/a')[0]?.payload).toHaveLength(7);
  });

  test('is a conflict when it has the same size, other labels and other content', async () => {
    fill(3, ['x', '1']);
    atTarget({ ts: 1n, payload: Buffer.alloc(LENGTH) });
    await driver.drain();
    expect(letters()).toMatchObject([
      {
        ts: 1n,
        reason: 'conflict',
        message: 'The target has another record at 1: other content of 20 bytes',
      },
    ]);
    expect(target.recordsOf('dst/a').find(({ ts }) => ts === 1n)?.labels.size).toBe(0);
  });

  test('is compared by its content when only the labels differ, also when it is large', async () => {
    const payload = Buffer.alloc(3_000_000, 'large');
    const labels = ['x', '1'];
    log.appendLarge(BUCKET, 1, { ts: 5n, payload, labels }, 1024 * 1024);
    log.appendLarge(BUCKET, 1, { ts: 6n, payload, labels }, 1024 * 1024);
    log.publish();
    const other = Buffer.from(payload);
    other[2_999_999] = 0;
    atTarget({ ts: 5n, payload }, { ts: 6n, payload: other });
    await driver.drain();
    expect(letters()).toMatchObject([{ ts: 6n, reason: 'conflict' }]);
    expect(sumOf('duplicates')).toBe(1);
  });

  test('is not decided upon as long as the target does not show it', async () => {
    fill(3);
    atTarget({ ts: 1n });
    // The first slice only asks for the names of entries.
    await driver.slice();
    for (const [status, kind] of [
      [403, 'auth'],
      [401, 'auth'],
      [503, 'refused'],
    ] as const) {
      target.readStatus = status;
      driver.isTargetAvailable = true;
      const failed = await driver.slice();
      expect(failed.failure).toMatchObject({ kind, key: status });
      expect(failed.position.sequence).toBe(1);
    }
    target.readStatus = undefined;
    await driver.drain();
    expect(letters()).toEqual([]);
    expect(target.recordsOf('dst/a')).toHaveLength(3);
  });
});

test('labels that changed since the record was sent follow with their update, and not before', async () => {
  fill(3, ['x', 'new']);
  atTarget({ ts: 1n, labels: new Map([['x', 'old']]) });
  afterCrash();
  await driver.drain();
  expect(letters()).toEqual([]);
  expect(target.requests.map(({ method }) => method)).toEqual(['POST']);
  log.appendUpdates(BUCKET, 1, [{ ts: 1n, labels: ['x', 'new'] }]);
  log.publish();
  await driver.drain();
  const stored = target.recordsOf('dst/a').find(({ ts }) => ts === 1n);
  expect(stored?.labels.get('x')).toBe('new');
});

test('a record that somebody else brought to the target gets the labels of the source', async () => {
  fill(3, ['x', '1']);
  atTarget({
    ts: 1n,
    labels: new Map([
      ['x', '0'],
      ['theirs', 'y'],
    ]),
  });
  await driver.drain();
  expect(letters()).toEqual([]);
  expect([sumOf('duplicates'), sumOf('records')]).toEqual([1, 3]);
  const stored = target.recordsOf('dst/a').find(({ ts }) => ts === 1n);
  expect([...(stored?.labels ?? [])]).toEqual([
    ['x', '1'],
    ['theirs', 'y'],
  ]);
});

describe('a whole batch sent again after a crash', () => {
  beforeEach(async () => {
    fill(500, ['unit', 'V']);
    await driver.drain();
    driver.position = { partition: 0, sequence: 1, bucketOrdinal: 0 };
    afterCrash();
    target.requests.length = 0;
  });

  test('costs one query a batch, no request a record', async () => {
    await driver.drain();
    expect(target.queries).toBe(target.requests.length);
    expect(target.headRequests).toBe(0);
    expect(sumOf('duplicates')).toBe(500);
    expect(letters()).toEqual([]);
  });

  test('is compared record by record at a target that knows no queries', async () => {
    target.knowsQueries = false;
    await driver.drain();
    expect(target.headRequests).toBe(500);
    expect(sumOf('duplicates')).toBe(500);
    expect(letters()).toEqual([]);
  });
});
