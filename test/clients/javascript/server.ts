import { Client, QuotaType } from 'reduct-js';
import { expect } from 'vitest';
import { CLIENT_TOKEN } from '../lib/client-server.ts';
import { refusal, writeSeries } from './context.ts';
import type { Scenario } from './context.ts';

export const serverInformation: Scenario = async ({ client, bucket }) => {
  await writeSeries(bucket, 'e', 2);
  const info = await client.getInfo();
  expect(info.version >= '1.11.0').toBe(true);
  expect(info.bucketCount).toBeGreaterThanOrEqual(1n);
  expect(info.usage).toBeGreaterThan(0n);
  expect(info.uptime).toBeGreaterThanOrEqual(0n);
  expect(info.latestRecord).toBeGreaterThanOrEqual(2_000_000n);
  expect(info.license).toBeFalsy();
  expect(info.defaults.bucket).toEqual({
    quotaType: QuotaType.NONE,
    quotaSize: 0n,
    maxBlockSize: 64_000_000n,
    maxBlockRecords: 1024n,
  });
  const list = await client.getBucketList();
  const own = list.find(({ name }) => name === bucket.getName());
  expect(own).toMatchObject({ entryCount: 1n, oldestRecord: 1_000_000n, status: 'READY' });
  const me = await client.me();
  expect(me).toMatchObject({ name: 'init-token', isProvisioned: true });
  expect(me.permissions?.fullAccess).toBe(true);
};

export const connections: Scenario = async ({ url, bucket }) => {
  const kept = new Client(url, { apiToken: CLIENT_TOKEN, keepAlive: true, timeout: 10_000 });
  const found = await kept.getBucket(bucket.getName());
  await writeSeries(found, 'kept', 10);
  for (let i = 1; i <= 10; i++) {
    const record = await found.beginRead('kept', BigInt(i) * 1_000_000n);
    expect(await record.readAsString()).toBe(`record ${i}`);
  }
  const stranger = new Client(url, { apiToken: 'wrong' });
  expect(await refusal(stranger.getInfo())).toEqual({ status: 401, message: 'Invalid token' });
  const anonymous = new Client(url, { apiToken: '' });
  expect(await refusal(anonymous.getBucketList())).toEqual({
    status: 401,
    message: 'No bearer token in request header',
  });
};

export const bucketSettings: Scenario = async ({ client }) => {
  const settings = {
    quotaType: QuotaType.FIFO,
    quotaSize: 1_000_000_000n,
    maxBlockSize: 1_000_000n,
    maxBlockRecords: 256n,
  };
  const bucket = await client.createBucket('js-settings', settings);
  expect(bucket.getName()).toBe('js-settings');
  expect(await bucket.getSettings()).toEqual(settings);
  await bucket.setSettings({ quotaType: QuotaType.HARD, quotaSize: 500n });
  expect(await bucket.getSettings()).toEqual({
    ...settings,
    quotaType: QuotaType.HARD,
    quotaSize: 500n,
  });
  const again = await client.getOrCreateBucket('js-settings', { quotaSize: 1n });
  expect((await again.getSettings()).quotaSize).toBe(500n);
  expect(await refusal(client.createBucket('js-settings'))).toEqual({
    status: 409,
    message: "Bucket 'js-settings' already exists",
  });
  expect(await refusal(client.createBucket('js.settings'))).toMatchObject({ status: 422 });
  const record = await bucket.beginWrite('e', 1n);
  expect(await refusal(record.write('x'.repeat(600)))).toEqual({
    status: 400,
    message: "Quota of 'js-settings' exceeded",
  });
  await bucket.remove();
  await expect
    .poll(() => refusal(client.getBucket('js-settings')))
    .toEqual({ status: 404, message: "Bucket 'js-settings' is not found" });
  const created = await client.getOrCreateBucket('js-settings');
  expect((await created.getSettings()).quotaType).toBe(QuotaType.NONE);
};

/** Sizes are part of the contract (http-api.md §4.3: 83 without labels, 49 more with three of them). */
export const bucketContents: Scenario = async ({ bucket }) => {
  const first = await bucket.beginWrite('entry-1', 1_000_000n);
  await first.write('somedata');
  const labels = { label1: 'label1', label2: 100, label3: true };
  const second = await bucket.beginWrite('entry-2', { ts: 2_000_000n, labels });
  await second.write('somedata');
  const entries = await bucket.getEntryList();
  expect(entries).toMatchObject([
    { name: 'entry-1', size: 40n, recordCount: 1n, blockCount: 1n, status: 'READY' },
    { name: 'entry-2', size: 89n, oldestRecord: 2_000_000n, latestRecord: 2_000_000n },
  ]);
  expect(await bucket.getInfo()).toMatchObject({
    name: bucket.getName(),
    entryCount: 2n,
    size: 129n,
    oldestRecord: 1_000_000n,
    latestRecord: 2_000_000n,
    isProvisioned: false,
  });
};

export const renames: Scenario = async ({ client, bucket }) => {
  await writeSeries(bucket, 'old/part', 3);
  await bucket.renameEntry('old', 'new');
  expect((await bucket.getEntryList()).map(({ name }) => name)).toEqual(['new', 'new/part']);
  const record = await bucket.beginRead('new/part', 2_000_000n);
  expect(await record.readAsString()).toBe('record 2');
  expect(await refusal(bucket.renameEntry('absent', 'x'))).toMatchObject({ status: 404 });
  const name = bucket.getName();
  await bucket.rename(`${name}-moved`);
  expect(bucket.getName()).toBe(`${name}-moved`);
  expect((await bucket.getInfo()).entryCount).toBe(2n);
  expect(await refusal(client.getBucket(name))).toMatchObject({ status: 404 });
  await client.createBucket(name);
  expect(await refusal(bucket.rename(name))).toEqual({
    status: 409,
    message: `Bucket '${name}' already exists`,
  });
};
