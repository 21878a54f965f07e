/** Targets of each version (replication §5.12), as far as they differ. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ReplicationSettings } from '../../src/replication/settings.ts';
import { FakeTarget } from '../lib/fake-target.ts';
import { LogFixture } from '../lib/log-fixture.ts';
import { BUCKET, newRuntime, payloadOf, settingsFor, SliceDriver } from '../lib/slice-driver.ts';

const NAMES = new Map([
  [1, 'a'],
  [2, 'robot/cam'],
  [3, 'a/$meta'],
]);

const VERSIONS = ['1.8', '1.10', '1.11', '1.14', '1.18', '1.19', '1.20', '1.21', '2.0', null];
const FLAT = ['1.8', '1.10', '1.11', '1.14', '1.18'];

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

function fill(entryId: number, from: number, count: number, labels: readonly string[] = []): void {
  const records = Array.from({ length: count }, (_, at) => {
    const ts = BigInt(from + at);
    return { ts, payload: payloadOf(entryId, ts, 20), labels };
  });
  log.append(BUCKET, entryId, records);
  log.publish();
}

function relabel(entryId: number, ts: number, labels: readonly string[]): void {
  log.appendUpdates(BUCKET, entryId, [{ ts: BigInt(ts), labels }]);
  log.publish();
}

function newDriver(changes: Partial<ReplicationSettings> = {}): SliceDriver {
  const runtime = newRuntime(log, { noProgressTimeoutMs: 2000 });
  return new SliceDriver(runtime, settingsFor(target.url, changes), NAMES);
}

function times(place: string): number[] {
  return target.recordsOf(place).map(({ ts }) => Number(ts));
}

test.each(VERSIONS)('records reach a target of %s, whose bucket is created', async (version) => {
  target.apiVersion = version;
  target.buckets.clear();
  fill(1, 0, 100);
  const driver = newDriver({ compression: 'gzip' });
  await driver.drain();
  expect(times('dst/a')).toEqual(Array.from({ length: 100 }, (_, at) => at));
  expect([...target.buckets]).toEqual(['dst']);
  expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toEqual([]);
});

test.each(['1.8', '1.10'])(
  'label updates at a target of %s write what it lacks, and leave what it has',
  async (version) => {
    target.apiVersion = version;
    fill(1, 0, 1, ['x', 'old']);
    const driver = newDriver();
    await driver.drain();
    target.recordsOf('dst/a')[0]?.labels.set('x', 'theirs');
    relabel(1, 0, ['x', 'old']);
    await driver.drain();
    expect(target.recordsOf('dst/a')[0]?.labels.get('x')).toBe('theirs');
    expect(target.requests.map(({ method }) => method)).not.toContain('PATCH');
    expect(driver.results.flatMap(({ counts }) => counts.errors)).toEqual([
      { key: 405, count: 1, message: expect.stringContaining('cannot update labels') },
    ]);
    expect(driver.results.flatMap(({ deadLetters }) => deadLetters)).toEqual([]);
    // It has lost the record meanwhile: the update brings it back.
    target.stored.clear();
    relabel(1, 0, ['x', 'newest']);
    await driver.drain();
    expect(times('dst/a')).toEqual([0]);
  },
);

test.each(['1.11', '1.20', null])(
  'label updates at a target of %s go by PATCH',
  async (version) => {
    target.apiVersion = version;
    fill(1, 0, 1, ['x', 'old']);
    const driver = newDriver();
    await driver.drain();
    relabel(1, 0, ['x', 'new']);
    await driver.drain();
    expect(target.recordsOf('dst/a')[0]?.labels.get('x')).toBe('new');
    expect(target.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH']);
  },
);

test('a target that does not tell its version and knows no PATCH gets the records in full', async () => {
  target.apiVersion = null;
  target.faultOf = ({ method }) =>
    method === 'PATCH' ? { kind: 'status', status: 405, text: '' } : { kind: 'ok' };
  fill(1, 0, 1);
  relabel(1, 0, ['x', 'new']);
  await newDriver().drain();
  expect(times('dst/a')).toEqual([0]);
});

describe('nested entries and attachments', () => {
  test.each(FLAT)('are dead letters for a target of %s, and the rest goes on', async (version) => {
    target.apiVersion = version;
    fill(2, 0, 100);
    fill(3, 0, 1, ['key', 'k']);
    fill(1, 0, 5);
    const driver = newDriver();
    await driver.drain();
    expect(times('dst/a')).toEqual([0, 1, 2, 3, 4]);
    const letters = driver.results.flatMap(({ deadLetters }) => deadLetters);
    expect(letters).toHaveLength(101);
    expect(new Set(letters.map(({ entryName }) => entryName))).toEqual(
      new Set(['robot/cam', 'a/$meta']),
    );
    // Not one request for each of them.
    expect(target.requests.length).toBeLessThan(10);
  });

  test.each(['1.19', '1.21'])('reach a target of %s', async (version) => {
    target.apiVersion = version;
    fill(2, 0, 3);
    fill(3, 0, 1, ['key', 'k']);
    await newDriver().drain();
    expect(times('dst/robot/cam')).toEqual([0, 1, 2]);
    expect(times('dst/a/$meta')).toEqual([0]);
  });

  test('are kept while an old target has lost its bucket', async () => {
    target.apiVersion = '1.18';
    fill(1, 0, 1);
    const driver = newDriver({ dstPrefix: 'p' });
    target.faultOf = () => ({ kind: 'status', status: 404, text: "Bucket 'dst' is not found" });
    await driver.slice();
    const failed = await driver.slice();
    expect(failed.failure?.kind).toBe('recheck');
    expect(failed.deadLetters).toEqual([]);
  });
});
