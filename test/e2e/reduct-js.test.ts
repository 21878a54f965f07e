/** The published JavaScript SDK, as any user has it, against a real instance. */
import { Client } from 'reduct-js';
import { expect, test } from 'vitest';
import { TEST_TOKEN, withInstance } from '../lib/instance.ts';

function connect(url: string): Client {
  return new Client(url, { apiToken: TEST_TOKEN });
}

test('reduct-js creates a bucket, writes and reads single records with labels', async () => {
  await withInstance(async ({ url }) => {
    const client = connect(url);
    const bucket = await client.createBucket('sensor-data');
    const record = await bucket.beginWrite('sensor-1', {
      ts: 1_700_000_000_000_000n,
      labels: { engine_status: 'working', rpm: 1480 },
      contentType: 'application/x-float32',
    });
    await record.write(Buffer.from('vibration'));
    const read = await bucket.beginRead('sensor-1', 1_700_000_000_000_000n);
    expect((await read.read()).toString()).toBe('vibration');
    expect(read.labels).toEqual({ engine_status: 'working', rpm: '1480' });
    expect(read.contentType).toBe('application/x-float32');
    const info = await bucket.getInfo();
    expect(info.entryCount).toBe(1n);
    expect(await client.getBucketList()).toHaveLength(1);
    expect((await client.getInfo()).bucketCount).toBe(1n);
  });
});

test('reduct-js writes a batch, sees its errors per record, and queries it back', async () => {
  await withInstance(async ({ url }) => {
    const client = connect(url);
    const bucket = await client.createBucket('b');
    const batch = await bucket.beginWriteBatch('e');
    for (let i = 1; i <= 200; i++) {
      if (i <= 80) batch.add(BigInt(i) * 1000n, `record ${i}`, 'text/plain', { n: i });
    }
    expect((await batch.write()).size).toBe(0);
    const again = await bucket.beginWriteBatch('e');
    again.add(1000n, 'twice');
    again.add(999_000n, 'new');
    const errors = await again.write();
    expect([...errors.keys()]).toEqual([1000n]);
    expect(errors.get(1000n)?.status).toBe(409);
    const seen: [bigint, string][] = [];
    for await (const record of bucket.query('e', 10_000n, 20_000n)) {
      seen.push([record.time, (await record.read()).toString()]);
    }
    expect(seen).toEqual(
      Array.from({ length: 10 }, (_, i) => [BigInt(i + 10) * 1000n, `record ${i + 10}`]),
    );
  });
});

test('reduct-js manages a replication', async () => {
  await withInstance(async ({ url }) => {
    const client = connect(url);
    await client.createBucket('src');
    await client.createReplication('to-cloud', {
      srcBucket: 'src',
      dstBucket: 'dst',
      dstHost: 'http://127.0.0.1:9',
      entries: ['sensor-*'],
    });
    const list = await client.getReplicationList();
    expect(list.map(({ name, isActive }) => [name, isActive])).toEqual([['to-cloud', true]]);
    const detail = await client.getReplication('to-cloud');
    expect(detail.settings.entries).toEqual(['sensor-*']);
    await client.updateReplication('to-cloud', {
      srcBucket: 'src',
      dstBucket: 'other',
      dstHost: 'http://127.0.0.1:9',
      entries: [],
    });
    expect((await client.getReplication('to-cloud')).settings.dstBucket).toBe('other');
    await client.setReplicationMode('to-cloud', 'paused');
    expect((await client.getReplication('to-cloud')).info.mode).toBe('paused');
    await client.deleteReplication('to-cloud');
    expect(await client.getReplicationList()).toEqual([]);
  });
});
