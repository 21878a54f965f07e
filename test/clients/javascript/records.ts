import { expect } from 'vitest';
import { collect, refusal, writeSeries } from './context.ts';
import type { Scenario } from './context.ts';

export const singleRecords: Scenario = async ({ bucket }) => {
  const labels = { engine_status: 'working', rpm: 1480, ok: true };
  const options = { ts: 1_700_000_000_000_000n, labels, contentType: 'application/x-float32' };
  const record = await bucket.beginWrite('line/sensor-1', options);
  await record.write(Buffer.from('vibration'));
  const read = await bucket.beginRead('line/sensor-1', options.ts);
  expect((await read.read()).toString()).toBe('vibration');
  expect(read).toMatchObject({
    time: options.ts,
    size: 9n,
    contentType: options.contentType,
    labels: { engine_status: 'working', rpm: '1480', ok: 'true' },
  });
  const head = await bucket.beginRead('line/sensor-1', options.ts, true);
  expect(head.size).toBe(9n);
  expect(await head.read()).toHaveLength(0);
  const latest = await bucket.beginRead('line/sensor-1');
  expect(latest.time).toBe(options.ts);
  const now = await bucket.beginWrite('line/sensor-1');
  await now.write('now');
  const newest = await bucket.beginRead('line/sensor-1');
  expect(newest.time).toBeGreaterThan(options.ts);
  const twice = await bucket.beginWrite('line/sensor-1', options.ts);
  expect(await refusal(twice.write('again'))).toEqual({
    status: 409,
    message: `A record with timestamp ${options.ts} already exists`,
  });
  expect(await refusal(bucket.beginRead('absent'))).toMatchObject({ status: 404 });
  expect(await refusal(bucket.beginRead('line/sensor-1', 5n))).toMatchObject({ status: 404 });
};

export const bigRecords: Scenario = async ({ bucket }) => {
  const content = Buffer.alloc(5_000_000, 'abcdefghij');
  const buffer = await bucket.beginWrite('big', 1n);
  await buffer.write(content);
  const streamed = await bucket.beginWrite('big', 2n);
  await streamed.write(new Blob([content]).stream(), content.length);
  for (const ts of [1n, 2n]) {
    const record = await bucket.beginRead('big', ts);
    expect(record.size).toBe(5_000_000n);
    expect((await record.read()).equals(content)).toBe(true);
  }
  const viaStream = await bucket.beginRead('big', 1n);
  let length = 0;
  for await (const chunk of viaStream.stream) length += chunk.length;
  expect(length).toBe(content.length);
};

export const batches: Scenario = async ({ bucket }) => {
  const batch = await bucket.beginWriteBatch('e');
  for (let i = 85; i >= 1; i--) {
    batch.add(BigInt(i), `record ${i}`, 'text/plain', { n: i, text: 'with, comma' });
  }
  expect(batch.recordCount()).toBe(85);
  expect(batch.size()).toBe(BigInt(9 * 8 + 76 * 9));
  expect(batch.lastAccessTime()).toBeGreaterThan(0);
  expect([...batch.items()].map(([ts]) => ts)).toEqual(
    Array.from({ length: 85 }, (_, i) => BigInt(i + 1)),
  );
  expect((await batch.write()).size).toBe(0);
  batch.clear();
  expect(batch.recordCount()).toBe(0);
  batch.add(7n, 'twice');
  batch.add(100n, 'new');
  const errors = await batch.write();
  expect([...errors].map(([ts, { status, message }]) => [ts, status, message])).toEqual([
    [7n, 409, 'A record with timestamp 7 already exists'],
  ]);
  const read = await collect(bucket.query('e'));
  expect(read).toHaveLength(86);
  expect(read[84]).toMatchObject({ time: 85n, labels: { n: '85', text: 'with, comma' } });
};

export const multiEntryBatches: Scenario = async ({ bucket }) => {
  const batch = bucket.beginWriteRecordBatch();
  for (let i = 1; i <= 40; i++) {
    batch.add('a/x', BigInt(i), `a ${i}`, 'text/plain', { n: i });
    batch.add('b', BigInt(1000 + i), `b ${i}`, 'application/json', { n: i, kind: 'b' });
  }
  expect(batch.recordCount()).toBe(80);
  expect(batch.size()).toBeGreaterThan(0n);
  expect(batch.lastAccessTime()).toBeGreaterThan(0);
  expect(batch.items()[0]?.[0]).toEqual(['a/x', 1n]);
  expect((await batch.send()).size).toBe(0);
  batch.clear();
  batch.add('a/x', 3n, 'twice');
  batch.add('bad.name', 3n, 'never');
  batch.add('b', 3n, 'new');
  const errors = await batch.send();
  expect([...(errors.get('a/x') ?? [])].map(([ts, { status }]) => [ts, status])).toEqual([
    [3n, 409],
  ]);
  expect([...(errors.get('bad.name') ?? [])].map(([, { status }]) => status)).toEqual([422]);
  expect(errors.get('b')).toBeUndefined();
  const all = await collect(bucket.query(['a/x', 'b']));
  expect(all).toHaveLength(81);
  const last = all.at(-1);
  expect(last).toMatchObject({ entry: 'b', time: 1040n, contentType: 'application/json' });
  expect(last?.labels).toEqual({ n: '40', kind: 'b' });
  expect(await last?.readAsString()).toBe('b 40');
};

export const labelUpdates: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'e', 3);
  await bucket.update('e', 1_000_000n, { n: '', state: 'checked' });
  const first = await bucket.beginRead('e', 1_000_000n);
  expect(first.labels).toEqual({ state: 'checked' });
  expect(await first.readAsString()).toBe('record 1');
  expect(await refusal(bucket.update('e', 5n, { a: 'b' }))).toMatchObject({ status: 404 });
  const batch = await bucket.beginUpdateBatch('e');
  batch.addOnlyLabels(2_000_000n, { n: 22, 'text value': 'a, b' });
  batch.addOnlyLabels(9n, { n: 1 });
  const errors = await batch.write();
  expect([...errors].map(([ts, { status }]) => [ts, status])).toEqual([[9n, 404]]);
  const queried = await collect(bucket.query('e', 2_000_000n, 3_000_000n));
  expect(queried[0]?.labels).toEqual({ n: '22', 'text value': 'a, b' });
};

export const multiEntryUpdates: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'a', 2);
  await writeSeries(bucket, 'b', 2);
  const batch = bucket.beginUpdateRecordBatch();
  batch.addOnlyLabels('a', 1_000_000n, { state: 'x' });
  batch.addOnlyLabels('a', 2_000_000n, { n: '', state: 'z' });
  batch.addOnlyLabels('b', 1_000_000n, { state: 'y' });
  batch.addOnlyLabels('b', 7n, { state: 'never' });
  batch.addOnlyLabels('absent', 1n, { state: 'z' });
  const errors = await batch.send();
  expect([...(errors.get('b') ?? [])].map(([ts, { status }]) => [ts, status])).toEqual([[7n, 404]]);
  expect([...(errors.get('absent') ?? [])].map(([, { status }]) => status)).toEqual([404]);
  expect(errors.get('a')).toBeUndefined();
  const labelsOf = async (entry: string, ts: bigint): Promise<unknown> =>
    (await bucket.beginRead(entry, ts, true)).labels;
  expect(await labelsOf('a', 1_000_000n)).toEqual({ n: '1', state: 'x' });
  expect(await labelsOf('a', 2_000_000n)).toEqual({ state: 'z' });
  expect(await labelsOf('b', 1_000_000n)).toEqual({ n: '1', state: 'y' });
};

export const removals: Scenario = async ({ bucket }) => {
  await writeSeries(bucket, 'e', 10);
  await bucket.removeRecord('e', 1_000_000n);
  expect(await refusal(bucket.beginRead('e', 1_000_000n))).toMatchObject({ status: 404 });
  const batch = await bucket.beginRemoveBatch('e');
  batch.addOnlyTimestamp(2_000_000n);
  batch.addOnlyTimestamp(99n);
  expect([...(await batch.write())].map(([ts, { status }]) => [ts, status])).toEqual([[99n, 404]]);
  expect(await bucket.removeQuery('e', 3_000_000n, 5_000_000n)).toBe(2);
  expect(await bucket.removeQuery('e', undefined, undefined, { when: { '&n': { $gte: 9 } } })).toBe(
    2,
  );
  const left = await collect(bucket.query('e'));
  expect(left.map(({ labels }) => labels['n'])).toEqual(['5', '6', '7', '8']);
  await writeSeries(bucket, 'f', 2);
  const several = bucket.beginRemoveRecordBatch();
  several.addOnlyTimestamp('e', 5_000_000n);
  several.addOnlyTimestamp('f', 1_000_000n);
  several.addOnlyTimestamp('f', 9n);
  const errors = await several.send();
  expect([...(errors.get('f') ?? [])].map(([ts, { status }]) => [ts, status])).toEqual([[9n, 404]]);
  expect(errors.get('e')).toBeUndefined();
  expect(await bucket.removeQuery(['e', 'f'], 2_000_000n, 7_000_000n)).toBe(2);
  await bucket.removeEntry('e');
  await expect.poll(() => refusal(bucket.beginRead('e'))).toMatchObject({ status: 404 });
  expect((await bucket.getEntryList()).map(({ name }) => name)).toEqual(['f']);
};
