import { Client } from 'reduct-js';
import { expect } from 'vitest';
import { CLIENT_TOKEN } from '../lib/client-server.ts';
import { collect, refusal, writeSeries } from './context.ts';
import type { Scenario } from './context.ts';

export const tokens: Scenario = async ({ url, client, bucket }) => {
  const name = bucket.getName();
  const value = await client.createToken('js-token', {
    fullAccess: false,
    read: [name],
    write: [name, 'other-*'],
  });
  expect(value).toMatch(/^js-token-[0-9a-f]{32}$/);
  const token = await client.getToken('js-token');
  expect(token).toMatchObject({ name: 'js-token', isProvisioned: false, isExpired: false });
  expect(token.permissions).toEqual({ fullAccess: false, read: [name], write: [name, 'other-*'] });
  expect(Math.abs(token.createdAt - Date.now())).toBeLessThan(60_000);
  const limited = new Client(url, { apiToken: value });
  expect((await limited.me()).name).toBe('js-token');
  await writeSeries(await limited.getBucket(name), 'e', 1);
  expect(await refusal(limited.createBucket('js-forbidden'))).toEqual({
    status: 403,
    message: "Token 'js-token' doesn't have full access",
  });
  const list = await client.getTokenList();
  expect(list.map((item) => item.name)).toEqual(expect.arrayContaining(['init-token', 'js-token']));
  const rotated = await client.rotateToken('js-token');
  expect(rotated).not.toBe(value);
  expect(await refusal(limited.me())).toEqual({ status: 401, message: 'Invalid token' });
  expect((await new Client(url, { apiToken: rotated }).me()).name).toBe('js-token');
  await client.deleteToken('js-token');
  expect(await refusal(client.getToken('js-token'))).toEqual({
    status: 404,
    message: "Token 'js-token' doesn't exist",
  });
};

export const limitedTokens: Scenario = async ({ url, client }) => {
  const expiresAt = Date.now() + 3_600_000;
  const value = await client.createToken('js-limited', {
    permissions: { fullAccess: true },
    expiresAt,
    ttl: 600,
    ipAllowlist: ['127.0.0.0/8', '::1'],
  });
  const token = await client.getToken('js-limited');
  expect(token).toMatchObject({ expiresAt, ttl: 600, ipAllowlist: ['127.0.0.0/8', '::1'] });
  expect(await new Client(url, { apiToken: value }).getBucketList()).not.toHaveLength(0);
  const elsewhere = await client.createToken('js-elsewhere', {
    permissions: { fullAccess: true },
    ipAllowlist: ['10.0.0.1'],
  });
  expect(await refusal(new Client(url, { apiToken: elsewhere }).getInfo())).toEqual({
    status: 401,
    message: 'Token is not allowed for client IP 127.0.0.1',
  });
  await client.deleteToken('js-limited');
  await client.deleteToken('js-elsewhere');
};

export const replications: Scenario = async ({ url, client, bucket }) => {
  const target = await client.createBucket(`${bucket.getName()}-copy`);
  const settings = {
    srcBucket: bucket.getName(),
    dstBucket: target.getName(),
    dstHost: url,
    dstToken: CLIENT_TOKEN,
    entries: ['sensor-*'],
    when: { '&n': { $lte: 2 } },
  };
  await client.createReplication('js-task', settings);
  expect(await refusal(client.createReplication('js-task', settings))).toMatchObject({
    status: 409,
  });
  await writeSeries(bucket, 'sensor-1', 3);
  await writeSeries(bucket, 'other', 1);
  const copied = async (): Promise<string[]> =>
    (await collect(target.query('*'))).map(({ entry, time }) => `${entry} ${time}`);
  await expect.poll(copied, { timeout: 10_000 }).toEqual(['sensor-1 1000000', 'sensor-1 2000000']);
  const list = await client.getReplicationList();
  expect(list).toMatchObject([{ name: 'js-task', mode: 'enabled', isProvisioned: false }]);
  const detail = await client.getReplication('js-task');
  expect(detail.settings).toMatchObject({ srcBucket: settings.srcBucket, when: settings.when });
  expect(detail.diagnostics.hourly.errored).toBe(0n);
  await client.updateReplication('js-task', { ...settings, entries: ['other'], mode: 'paused' });
  const updated = await client.getReplication('js-task');
  expect(updated.settings.entries).toEqual(['other']);
  expect(updated.info.mode).toBe('paused');
  await client.setReplicationMode('js-task', 'disabled');
  expect((await client.getReplication('js-task')).info.mode).toBe('disabled');
  await client.deleteReplication('js-task');
  expect(await refusal(client.getReplication('js-task'))).toMatchObject({ status: 404 });
};

export const lifecycles: Scenario = async ({ client, bucket }) => {
  const settings = {
    lifecycleType: 'delete' as const,
    bucket: bucket.getName(),
    entries: ['sensor-*'],
    olderThan: '30d',
    interval: '1h',
    when: { '&state': { $eq: 'done' } },
    mode: 'disabled' as const,
  };
  await client.createLifecycle('js-policy', settings);
  const list = await client.getLifecycleList();
  expect(list).toMatchObject([
    { name: 'js-policy', type: 'delete', mode: 'disabled', isRunning: true, isProvisioned: false },
  ]);
  expect(list[0]?.lastRun).toBeUndefined();
  const detail = await client.getLifecycle('js-policy');
  expect(detail.settings).toMatchObject(settings);
  await client.updateLifecycle('js-policy', { ...settings, olderThan: '60d', mode: 'dry_run' });
  expect((await client.getLifecycle('js-policy')).settings).toMatchObject({
    olderThan: '60d',
    mode: 'dry_run',
  });
  await client.setLifecycleMode('js-policy', 'enabled');
  expect((await client.getLifecycle('js-policy')).info.mode).toBe('enabled');
  const tooShort = { ...settings, olderThan: '1m' };
  expect(await refusal(client.updateLifecycle('js-policy', tooShort))).toMatchObject({
    status: 422,
  });
  await client.deleteLifecycle('js-policy');
  expect(await refusal(client.getLifecycle('js-policy'))).toEqual({
    status: 404,
    message: "Lifecycle 'js-policy' does not exist",
  });
};

export const systemEvents: Scenario = async ({ client }) => {
  const names = async (): Promise<string[]> =>
    (await client.getBucketList()).map(({ name }) => name);
  await expect.poll(names, { timeout: 15_000, interval: 6_000 }).toContain('$system');
  const system = await client.getBucket('$system');
  const entries = await system.getEntryList();
  expect(entries.map(({ name }) => name)).toContain('audit/clients/init-token');
  const [event] = await collect(system.query('audit/clients/init-token'));
  expect(JSON.parse((await event?.readAsString()) ?? '')).toMatchObject({
    token_name: 'init-token',
    instance: 'clients',
  });
  expect(await refusal(system.remove())).toMatchObject({ status: 409 });
};
