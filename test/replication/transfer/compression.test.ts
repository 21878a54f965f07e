import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isCompressedType } from '../../../src/replication/content-types.ts';
import type { ReplicationSettings } from '../../../src/replication/settings.ts';
import { chooseCoding, HAS_ZSTD } from '../../../src/replication/transfer/compression.ts';
import { parseApiVersion, readTargetInfo } from '../../../src/replication/transfer/target-info.ts';
import { FakeTarget } from '../../lib/fake-target.ts';
import { LogFixture } from '../../lib/log-fixture.ts';
import { BUCKET, newRuntime, payloadOf, settingsFor, SliceDriver } from '../../lib/slice-driver.ts';

const NAMES = new Map([[1, 'a']]);

/** As asked for, and as it goes out with this Node.js. */
const CODINGS = [
  ['gzip', 'gzip'],
  ['zstd', HAS_ZSTD ? 'zstd' : 'gzip'],
] as const;

describe('the coding for a target', () => {
  const at = (version: string | undefined) => readTargetInfo({ 'x-reduct-api': version });

  test.each(['1.20', '1.8', '0.99', undefined, '', 'one', '1.21.3', '1'])(
    'is none, with a reason, when it announces %s',
    (version) => {
      const { coding, note } = chooseCoding('gzip', at(version));
      expect(coding).toBeNull();
      expect(note).toMatch(/^sent uncompressed: the target .*, gzip needs 1\.21$/);
    },
  );

  test.each(['1.21', '1.22', '1.100', '2.0', ' 1.21 '])(
    'is gzip when it announces %s',
    (version) => {
      expect(chooseCoding('gzip', at(version))).toEqual({ coding: 'gzip', note: null });
    },
  );

  test('is zstd where Node.js has it, else gzip with a reason', () => {
    const { coding, note } = chooseCoding('zstd', at('1.21'));
    expect(coding).toBe(HAS_ZSTD ? 'zstd' : 'gzip');
    expect(note === null).toBe(HAS_ZSTD);
  });

  test('is none without a reason when nothing was asked for or nothing is known yet', () => {
    expect(chooseCoding('none', at('1.21'))).toEqual({ coding: null, note: null });
    expect(chooseCoding('gzip', null)).toEqual({ coding: null, note: null });
  });

  test('needs a version of two whole numbers', () => {
    expect(parseApiVersion('1.21')).toEqual({ major: 1, minor: 21 });
    expect(parseApiVersion(['1.21', '1.22'])).toBeNull();
  });
});

test('content types of compressed content are known, others are not', () => {
  const compressed = ['image/jpeg', 'IMAGE/PNG', 'video/mp4', 'audio/mp3', 'application/zip'];
  const further = ['application/gzip', 'application/zstd', 'application/zip; x=y', 'image/webp'];
  for (const type of [...compressed, ...further])
    expect([type, isCompressedType(type)]).toEqual([type, true]);
  const plain = ['', 'text/plain', 'application/json', 'image/svg+xml', 'image/bmp', 'audio/wav'];
  const others = ['application/octet-stream', 'application/mcap', 'application/zipcode'];
  for (const type of [...plain, ...others])
    expect([type, isCompressedType(type)]).toEqual([type, false]);
});

describe('batches', () => {
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

  function newDriver(changes: Partial<ReplicationSettings> = {}): SliceDriver {
    const settings = settingsFor(target.url, { compression: 'gzip', ...changes });
    return new SliceDriver(newRuntime(log, { noProgressTimeoutMs: 2000 }), settings, NAMES);
  }

  function fill(from: number, count: number, contentType = ''): void {
    const records = Array.from({ length: count }, (_, at) => {
      const ts = BigInt(from + at);
      return { ts, payload: payloadOf(1, ts, 200), contentType };
    });
    log.append(BUCKET, 1, records);
    log.publish();
  }

  function expectDelivered(count: number): void {
    const stored = target.recordsOf('dst/a');
    expect(stored.map(({ ts }) => Number(ts))).toEqual(
      Array.from({ length: count }, (_, at) => at),
    );
    for (const { ts, payload } of stored) expect(payload).toEqual(payloadOf(1, ts, 200));
  }

  test.each(CODINGS)(
    'go out in %s to a target of 1.21: chunked, with the lengths of the records as they are',
    async (compression, used) => {
      target.apiVersion = '1.21';
      fill(0, 10);
      const driver = newDriver({ compression });
      await driver.drain();
      expectDelivered(10);
      const [request] = target.requests;
      expect(request?.headers).toMatchObject({
        'content-encoding': used,
        'transfer-encoding': 'chunked',
        'content-type': 'application/octet-stream',
        'x-reduct-time-0': '200,',
      });
      expect(request?.headers['content-length']).toBeUndefined();
      const { plainBytes, compressedBytes } = driver.results.at(-1)?.counts ?? {};
      expect(plainBytes).toBe(2000);
      expect(compressedBytes).toBeGreaterThan(0);
      expect(compressedBytes).toBeLessThan(1000);
    },
  );

  test.each(['1.20', '1.8', null])('go out as they are to a target of %s', async (version) => {
    target.apiVersion = version;
    fill(0, 10);
    const driver = newDriver();
    await driver.drain();
    expectDelivered(10);
    expect(target.requests[0]?.headers['content-encoding']).toBeUndefined();
    expect(target.requests[0]?.headers['content-length']).toBe('2000');
    expect(driver.results.at(-1)?.counts.compressedBytes).toBe(0);
  });

  test('are compressed or not as the target says at each new contact', async () => {
    target.apiVersion = '1.21';
    fill(0, 5);
    const driver = newDriver();
    await driver.drain();
    const { port } = target;
    await target.stop();
    fill(5, 5);
    expect((await driver.slice()).failure?.key).toBeLessThan(0);
    target.apiVersion = '1.20';
    await target.start(port);
    await driver.drain();
    const codings = target.requests.map(({ headers }) => headers['content-encoding']);
    expect(codings).toEqual(['gzip', undefined]);
    expectDelivered(10);
  });

  test('of compressed content only, and those that do not shrink, go out as they are', async () => {
    target.apiVersion = '1.21';
    fill(0, 5, 'image/jpeg');
    const driver = newDriver();
    await driver.drain();
    const noise = randomBytes(500);
    log.append(BUCKET, 1, [{ ts: 100n, payload: noise }]);
    log.publish();
    await driver.drain();
    for (const { headers } of target.requests) expect(headers['content-encoding']).toBeUndefined();
    expect(target.recordsOf('dst/a')[5]?.payload).toEqual(noise);
  });

  test('with some content that is not compressed yet are compressed', async () => {
    target.apiVersion = '1.21';
    const records = ['image/jpeg', 'text/plain'].map((contentType, at) => ({
      ts: BigInt(at),
      payload: payloadOf(1, BigInt(at), 200),
      contentType,
    }));
    log.append(BUCKET, 1, records);
    log.publish();
    await newDriver().drain();
    expect(target.requests[0]?.headers['content-encoding']).toBe('gzip');
    expectDelivered(2);
  });

  test.each(CODINGS)(
    'of a record that is read while it is sent are compressed as a stream of %s',
    async (compression, used) => {
      target.apiVersion = '1.21';
      const payload = Buffer.alloc(3_000_000, 'large content;');
      log.appendLarge(BUCKET, 1, { ts: 1n, payload }, 1_000_000);
      log.publish();
      const driver = newDriver({ compression });
      await driver.drain();
      expect(target.requests[0]?.headers['content-encoding']).toBe(used);
      expect(target.recordsOf('dst/a')[0]?.payload.equals(payload)).toBe(true);
      expect(driver.results.at(-1)?.counts).toMatchObject({ plainBytes: 3_000_000, records: 1 });
    },
  );

  test('updates have no body to compress', async () => {
    target.apiVersion = '1.21';
    fill(0, 1);
    log.appendUpdates(BUCKET, 1, [{ ts: 0n, labels: ['x', 'y'] }]);
    log.publish();
    await newDriver().drain();
    const update = target.requests.find(({ method }) => method === 'PATCH');
    expect(update?.headers['content-encoding']).toBeUndefined();
    expect(target.recordsOf('dst/a')[0]?.labels.get('x')).toBe('y');
  });

  test('stopping a task while a silent target has its compressed batch ends at once', async () => {
    target.apiVersion = '1.21';
    target.faultOf = () => ({ kind: 'stall' });
    fill(0, 5);
    const driver = newDriver();
    // Learns the names of entries.
    await driver.slice();
    const slice = driver.slice();
    while (target.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    driver.line.stop();
    expect((await slice).failure?.kind).toBe('stopped');
  });
});
