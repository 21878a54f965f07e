/**
 * The last JavaScript SDK with the filters `include`, `exclude`, `eachN` and `eachS`: the examples people copy are written
 * for it, and newer ones leave these members out in silence (replication §1.2, §12 item 2).
 */
import { Client } from 'reduct-js-1-17';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api } from '../lib/api.ts';
import { CLIENT_TOKEN, useClientServer } from './lib/client-server.ts';

describe('reduct-js 1.17', () => {
  const running = useClientServer();
  let client: Client;
  let api: Api;

  beforeAll(async () => {
    client = new Client(running.url(), { apiToken: CLIENT_TOKEN });
    api = new Api(running.url(), CLIENT_TOKEN);
    await client.createBucket('my-bucket');
    await client.createBucket('demo');
  });

  afterAll(() => api.close());

  /** Without the SDK: beside another undici in this process its fetch sends `content-length` twice. */
  async function write(entry: string, ts: bigint, labels: Record<string, string>): Promise<void> {
    const record = { ts, payload: Buffer.from('x'), labels };
    expect((await api.write('my-bucket', entry, record)).status).toBe(200);
  }

  async function delivered(): Promise<string[]> {
    const names: string[] = [];
    const demo = await client.getBucket('demo');
    for (const { name } of await demo.getEntryList()) {
      for await (const record of demo.query(name)) names.push(`${name} ${record.time}`);
    }
    return names.toSorted((a, b) => a.localeCompare(b));
  }

  test('creates a replication with filters of era A, which filters, shows them and is removed', async () => {
    const settings = {
      srcBucket: 'my-bucket',
      dstBucket: 'demo',
      dstHost: running.url(),
      dstToken: CLIENT_TOKEN,
      entries: ['js-*'],
      include: { anomaly: '1' },
      exclude: { status: 'ok', kind: 'test' },
    };
    await client.createReplication('my-replication', settings);
    await write('js-example', 1n, { anomaly: '1' });
    await write('js-example', 2n, { anomaly: '0' });
    await write('js-example', 3n, { anomaly: '1', status: 'ok', kind: 'test' });
    await write('js-example', 4n, { anomaly: '1', status: 'ok' });
    await write('other', 1n, { anomaly: '1' });
    const expected = ['js-example 1', 'js-example 4'];
    await expect.poll(delivered, { timeout: 15_000 }).toEqual(expected);
    const { info, settings: shown, diagnostics } = await client.getReplication('my-replication');
    expect(info).toMatchObject({ name: 'my-replication', isActive: true, isProvisioned: false });
    expect(shown).toMatchObject({
      srcBucket: 'my-bucket',
      dstBucket: 'demo',
      entries: ['js-*'],
      include: { anomaly: '1' },
      exclude: { status: 'ok', kind: 'test' },
    });
    expect(JSON.stringify(shown)).not.toContain(CLIENT_TOKEN);
    expect(diagnostics.hourly.errored).toBe(0n);
    expect((await client.getReplicationList()).map(({ name }) => name)).toEqual(['my-replication']);
    // The camel-case copies of its members are no filters that nobody knows.
    await client.updateReplication('my-replication', { ...settings, include: { anomaly: '0' } });
    await write('js-example', 5n, { anomaly: '0' });
    await expect.poll(delivered, { timeout: 15_000 }).toEqual([...expected, 'js-example 5']);
    await client.deleteReplication('my-replication');
    await expect(client.getReplication('my-replication')).rejects.toMatchObject({ status: 404 });
  });

  test('samples with eachN', async () => {
    await client.createReplication('sampled', {
      srcBucket: 'my-bucket',
      dstBucket: 'demo',
      dstHost: running.url(),
      dstToken: CLIENT_TOKEN,
      entries: ['sampled'],
      eachN: 2n,
    });
    for (const ts of [1n, 2n, 3n, 4n, 5n]) await write('sampled', ts, {});
    const sampled = async (): Promise<string[]> =>
      (await delivered()).filter((name) => name.startsWith('sampled'));
    await expect
      .poll(sampled, { timeout: 15_000 })
      .toEqual(['sampled 1', 'sampled 3', 'sampled 5']);
    expect((await client.getReplication('sampled')).settings.eachN).toBe(2n);
    await client.deleteReplication('sampled');
  });
});
