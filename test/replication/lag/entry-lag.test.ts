import { afterEach, beforeEach, expect, test } from 'vitest';
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

async function lag() {
  return (await fixture.detail('t', true)).extended.lag;
}

test('the lag of a task says what of each entry waits, through its filters, oldest first', async () => {
  await fixture.create('t', target.url, { mode: 'paused', include: { keep: '1' } });
  fixture.write('b', [1, 2], ['keep', '1']);
  fixture.write('a', [1, 2, 3], ['keep', '1']);
  fixture.write('filtered', [1], ['keep', '0']);
  fixture.write('b', [3], ['keep', '1']);
  const first = await lag();
  expect(first).toMatchObject({
    pending_records: 6,
    pending_bytes: 18,
    is_exact: true,
    records_per_second: 0,
    entries: [
      { entry: 'b', pending_records: 3, pending_bytes: 9 },
      { entry: 'a', pending_records: 3, pending_bytes: 9 },
    ],
    other_entries: { entries: 0, pending_records: 0, pending_bytes: 0 },
    entries_are_exact: true,
  });
  const [b, a] = first.entries;
  expect(b.oldest_unsent_seconds).toBeGreaterThanOrEqual(a.oldest_unsent_seconds);
  expect(first.oldest_unsent_seconds).toBeGreaterThanOrEqual(0);
});

test('the lag of a task that has caught up is nothing, and its rate is what it sent', async () => {
  await fixture.create('t', target.url);
  fixture.write('e', [1, 2, 3]);
  await until(() => target.recordsOf('dst/e').length === 3);
  await until(async () => (await lag()).pending_records === 0);
  const after = await lag();
  expect(after).toMatchObject({
    oldest_unsent_seconds: 0,
    pending_bytes: 0,
    catch_up_seconds: 0,
    entries: [],
    entries_are_exact: true,
  });
  // Known with the end of the slice.
  await until(async () => (await lag()).records_per_second > 0);
});

test('entries that a worker has never heard of are in it', async () => {
  await fixture.create('t', target.url, { mode: 'paused' });
  for (let entry = 0; entry < 150; entry++) fixture.write(`e${entry}`, [1]);
  const { entries, other_entries: others } = await lag();
  expect(entries).toHaveLength(100);
  expect(others).toEqual({ entries: 50, pending_records: 50, pending_bytes: 50 * 'e100@1'.length });
});

test('a list has the figures without entries, and answers without ext have none', async () => {
  await fixture.create('t', target.url, { mode: 'paused' });
  fixture.write('e', [1]);
  const list = JSON.parse(await fixture.service.list(true));
  expect(list.replications[0].extended.lag).toMatchObject({ pending_records: 1 });
  expect(list.replications[0].extended.lag).not.toHaveProperty('entries');
  expect(await fixture.service.list(false)).not.toContain('lag');
  expect(await fixture.detail('t')).not.toHaveProperty('extended');
});

test('a task that cannot run has no entries, and says that this is not exact', async () => {
  await fixture.create('t', target.url, { what_is_this: 1 });
  fixture.write('e', [1]);
  expect(await lag()).toMatchObject({ entries: [], entries_are_exact: false });
});
