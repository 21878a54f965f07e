/** Which part of the log tasks need: what lies before it may be trimmed. */
import { afterEach, beforeEach, expect, test } from 'vitest';
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

const sourceId = (): number => fixture.buckets.get('src')?.id ?? 0;

test('a bucket without tasks is not needed at all', async () => {
  fixture.addBucket('other');
  await fixture.create('t', target.url);
  fixture.write('e', [1]);
  const otherId = fixture.buckets.get('other')?.id ?? 0;
  expect(fixture.engine.neededFrom(otherId)).toBe(Number.POSITIVE_INFINITY);
});

test('the slowest task of a bucket counts, also while it is paused, until it is removed', async () => {
  await fixture.create('fast', target.url);
  await fixture.create('slow', target.url, { mode: 'paused', dst_bucket: 'slow' });
  const begin = fixture.engine.neededFrom(sourceId());
  fixture.write('e', [1]);
  fixture.write('e', [2]);
  await until(async () => (await fixture.pending('fast')) === 0);
  expect(fixture.engine.neededFrom(sourceId())).toBe(begin);
  await fixture.restart();
  expect(fixture.engine.neededFrom(sourceId())).toBe(begin);
  await fixture.service.remove('slow');
  await until(() => fixture.engine.neededFrom(sourceId()) > begin);
});

test('what a back-fill has left is needed until it ends', async () => {
  fixture.write('e', [1]);
  await fixture.create('t', target.url);
  fixture.write('e', [2]);
  await until(async () => (await fixture.pending('t')) === 0);
  const before = fixture.engine.neededFrom(sourceId());
  target.faultOf = () => ({ kind: 'status', status: 503, text: 'busy' });
  const { backfills } = fixture.service;
  const id = String(JSON.parse(await backfills.create('t', '{}')).id);
  await backfills.setState('t', id, '{"state":"paused"}');
  expect(fixture.engine.neededFrom(sourceId())).toBeLessThan(before);
  await backfills.cancel('t', id);
  expect(fixture.engine.neededFrom(sourceId())).toBeGreaterThanOrEqual(before);
});

test('a place that could not be stored is not passed', async () => {
  await fixture.create('t', target.url);
  fixture.write('e', [1]);
  await until(() => target.recordsOf('dst/e').length === 1);
  fixture.store.failure = new Error('no space');
  fixture.write('e', [2]);
  await until(() => fixture.engine.neededFrom(sourceId()) === -1);
  fixture.store.failure = null;
  fixture.write('e', [3]);
  await until(() => fixture.engine.neededFrom(sourceId()) > 0);
});
