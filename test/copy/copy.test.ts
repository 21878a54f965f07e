import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { NO_FILTER } from '../../src/copy/types.ts';
import type { TestRecord } from '../lib/api.ts';
import { copyBetween, fill, someRecords, withPair } from './lib/copy-harness.ts';

/** Contents by their hash: comparing megabytes element by element takes minutes. */
function digest({ ts, payload, labels }: TestRecord): unknown {
  return { ts, labels, hash: createHash('sha256').update(payload).digest('hex') };
}

describe('a copy from bucket to bucket', () => {
  test('copies all records with labels and creates the bucket with the settings of the source', async () => {
    await withPair(async ({ source, target }) => {
      const settings = { quota_type: 'FIFO', quota_size: 1_000_000_000 };
      await source.api.ok('POST', '/b/src', {}, JSON.stringify(settings));
      const records = someRecords(300, (index) => ({ index: `${index}`, kind: 'a' }));
      await fill(source.api, 'src', 'one', records);
      await fill(source.api, 'src', 'deep/er', someRecords(7));

      const report = await copyBetween(source.url, target.url);

      expect(report).toMatchObject({
        createdBucket: true,
        failedEntries: [],
        stoppedBecause: null,
      });
      expect(report.tally).toMatchObject({
        copiedRecords: 307,
        skippedRecords: 0,
        failedRecords: 0,
      });
      expect(await target.api.readAll('dst', 'one')).toEqual(records);
      expect(await target.api.readAll('dst', 'deep/er')).toEqual(someRecords(7));
      const { settings: found } = JSON.parse((await target.api.ok('GET', '/b/dst')).text);
      expect(found).toMatchObject(settings);
    });
  });

  test('copies again only what is missing, wherever the holes are', async () => {
    await withPair(async ({ source, target }) => {
      const records = someRecords(1_000, (index) => ({ index: `${index}` }));
      await fill(source.api, 'src', 'one', records);
      const there = records.filter((_, index) => index % 7 === 0 || (index > 200 && index < 700));
      await fill(target.api, 'dst', 'one', there);

      const first = await copyBetween(source.url, target.url);
      const second = await copyBetween(source.url, target.url, { verify: true });

      expect(first.tally).toMatchObject({
        copiedRecords: records.length - there.length,
        skippedRecords: there.length,
        failedRecords: 0,
      });
      expect(second.tally).toMatchObject({ copiedRecords: 0, skippedRecords: 1_000 });
      expect(second.verifiedRecords).toBe(1_000);
      expect(await target.api.readAll('dst', 'one')).toEqual(records);
    });
  });

  test('reports records whose timestamps are taken by others and copies the rest', async () => {
    await withPair(async ({ source, target }) => {
      const records = someRecords(200);
      await fill(source.api, 'src', 'one', records);
      const other = { ts: 1_010_000n, payload: Buffer.from('somebody else'), labels: {} };
      await fill(target.api, 'dst', 'one', [other]);

      const report = await copyBetween(source.url, target.url);

      expect(report.tally).toMatchObject({ copiedRecords: 199, failedRecords: 1 });
      expect(report.failures.first).toMatchObject([{ entry: 'one', ts: 1_010_000n, status: 409 }]);
    });
  });

  test('streams records of any size beside small ones', async () => {
    await withPair(async ({ source, target }) => {
      await fill(source.api, 'src', 'one', someRecords(3));
      const large = {
        ts: 1_001_500n,
        payload: Buffer.alloc(9_000_000, 'large'),
        labels: { a: 'b' },
      };
      expect((await source.api.write('src', 'one', large)).status).toBe(200);
      const middle = { ts: 1_001_700n, payload: Buffer.alloc(4_500_000, 'mid'), labels: {} };
      expect((await source.api.write('src', 'one', middle)).status).toBe(200);

      const report = await copyBetween(source.url, target.url, { verify: true });

      expect(report.tally).toMatchObject({ copiedRecords: 5, failedRecords: 0 });
      const copied = await target.api.readAll('dst', 'one');
      expect(copied.map(digest)).toEqual((await source.api.readAll('src', 'one')).map(digest));
    });
  });

  test('applies era A filters as text, in their order, and limits per entry', async () => {
    await withPair(async ({ source, target }) => {
      const records = someRecords(400, (index) => ({
        anomaly: index % 2 === 0 ? 'true' : '01',
        status: index % 3 === 0 ? 'ok' : 'bad',
      }));
      await fill(source.api, 'src', 'one', records);
      const filter = {
        ...NO_FILTER,
        include: { anomaly: 'true' },
        exclude: { status: 'ok' },
        eachN: 3,
        limit: 20,
      };

      const report = await copyBetween(source.url, target.url, { filter });
      const again = await copyBetween(source.url, target.url, { filter });

      const passing = records
        .filter(({ labels }) => labels['anomaly'] === 'true' && labels['status'] !== 'ok')
        .filter((_, index) => index % 3 === 0)
        .slice(0, 20);
      expect(await target.api.readAll('dst', 'one')).toEqual(passing);
      expect(report.tally.copiedRecords).toBe(20);
      expect(again.tally).toMatchObject({ copiedRecords: 0, skippedRecords: 20 });
    });
  });
});
