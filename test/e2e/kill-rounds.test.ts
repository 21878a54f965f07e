/**
 * The promise of the product, tried the hard way: two real servers, several writers, SIGKILL of source and target at
 * random moments, and then a look at every record that was acknowledged.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestRecord } from '../lib/api.ts';
import { Api } from '../lib/api.ts';
import { freePort, ServerProcess } from '../lib/server-process.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const ROUNDS = Number(process.env['KILL_ROUNDS'] ?? 20);
const ENTRIES = ['sensor-1', 'sensor-2', 'line/motor'];
const TOKEN = 'kill-rounds';
const BUCKET = 'sensor-data';

/** A record that says itself what it must contain. */
function makeRecord(ts: bigint, size: number): TestRecord {
  const seed = createHash('sha256').update(String(ts)).digest();
  const payload = Buffer.concat(Array.from({ length: Math.ceil(size / 32) }, () => seed));
  const isWorking = ts % 3n !== 0n;
  return {
    ts,
    payload: payload.subarray(0, size),
    labels: { engine_status: isWorking ? 'working' : 'idle', serial: String(ts) },
  };
}

function matches(record: TestRecord): boolean {
  return record.labels['engine_status'] === 'working';
}

/** Writes until told to stop; remembers what was acknowledged. A connection that breaks is simply used again. */
class Writer {
  readonly acknowledged = new Map<string, Map<bigint, TestRecord>>();
  readonly #api: Api;
  readonly #offset: bigint;
  #serial = 0n;
  isStopped = false;

  constructor(api: Api, offset: bigint) {
    this.#api = api;
    this.#offset = offset;
    for (const entry of ENTRIES) this.acknowledged.set(entry, new Map());
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      const entry = ENTRIES[Number(this.#serial % 3n)] ?? 'sensor-1';
      const isBatch = this.#serial % 2n === 0n;
      const records = Array.from({ length: isBatch ? 20 : 1 }, () => {
        this.#serial++;
        return makeRecord(this.#serial * 16n + this.#offset, 64 + Number(this.#serial % 900n));
      });
      await this.#write(entry, isBatch, records);
    }
  }

  async #write(entry: string, isBatch: boolean, records: TestRecord[]): Promise<void> {
    const [first] = records;
    if (first === undefined) return;
    try {
      const answer = isBatch
        ? await this.#api.writeBatch(BUCKET, entry, records)
        : await this.#api.write(BUCKET, entry, first);
      if (answer.status !== 200) return;
      const known = this.acknowledged.get(entry);
      for (const record of records) {
        if (answer.headers[`x-reduct-error-${record.ts}`] === undefined) {
          known?.set(record.ts, record);
        }
      }
    } catch {
      // The server was killed: these records were not acknowledged. They may or may not be there.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function pendingRecords(api: Api): Promise<number> {
  const { text } = await api.ok('GET', '/replications/to-cloud');
  const detail: { info: { pending_records: number } } = JSON.parse(text);
  return detail.info.pending_records;
}

async function expectHolds(
  api: Api,
  bucket: string,
  entry: string,
  expected: ReadonlyMap<bigint, TestRecord>,
): Promise<TestRecord[]> {
  const stored = await api.readAll(bucket, entry);
  const byTs = new Map(stored.map((record) => [record.ts, record]));
  expect(byTs.size, `duplicates in ${bucket}/${entry}`).toBe(stored.length);
  const missing = [...expected.keys()].filter((ts) => !byTs.has(ts));
  expect(missing, `acknowledged records missing in ${bucket}/${entry}`).toEqual([]);
  for (const record of stored) {
    const { payload, labels } = makeRecord(record.ts, record.payload.length);
    if (!payload.equals(record.payload))
      throw new Error(`content of ${entry}/${record.ts} differs`);
    expect(record.labels).toEqual(labels);
  }
  return stored;
}

test(
  `after ${ROUNDS} rounds of SIGKILL every acknowledged record is in the source, and every matching one exactly once in the target`,
  { timeout: 240_000 + ROUNDS * 30_000 },
  async () => {
    await withTempDir(async (path) => {
      const options = { token: TOKEN, env: { MILLRACE_DURABILITY: 'os' } };
      const target = new ServerProcess({
        dataPath: join(path, 'target'),
        port: await freePort(),
        ...options,
      });
      const source = new ServerProcess({
        dataPath: join(path, 'source'),
        port: await freePort(),
        ...options,
      });
      await Promise.all([source.start(), target.start()]);
      const sourceApi = new Api(source.url, TOKEN);
      const targetApi = new Api(target.url, TOKEN);
      await sourceApi.ok('POST', `/b/${BUCKET}`);
      await sourceApi.ok(
        'POST',
        '/replications/to-cloud',
        {},
        JSON.stringify({
          src_bucket: BUCKET,
          dst_bucket: 'remote-data',
          dst_host: target.url,
          dst_token: TOKEN,
          entries: ['sensor-*', 'line/*'],
          include: { engine_status: 'working' },
        }),
      );
      const writers = [1n, 2n, 3n, 4n].map((offset) => new Writer(sourceApi, offset));
      const running = writers.map((writer) => writer.run());
      try {
        for (let round = 0; round < ROUNDS; round++) {
          await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400));
          const victims =
            round % 3 === 0 ? [source] : round % 3 === 1 ? [target] : [source, target];
          await Promise.all(victims.map((victim) => victim.kill()));
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
          await Promise.all(victims.map((victim) => victim.start()));
        }
      } finally {
        for (const writer of writers) writer.isStopped = true;
        await Promise.all(running);
      }
      await expect
        .poll(() => pendingRecords(sourceApi), { timeout: 200_000, interval: 100 })
        .toBe(0);
      for (const entry of ENTRIES) {
        const acknowledged = new Map(
          writers.flatMap((writer) => [...(writer.acknowledged.get(entry) ?? [])]),
        );
        expect(acknowledged.size).toBeGreaterThan(0);
        const stored = await expectHolds(sourceApi, BUCKET, entry, acknowledged);
        const matching = new Map(stored.filter(matches).map((record) => [record.ts, record]));
        const delivered = await expectHolds(targetApi, 'remote-data', entry, matching);
        expect(delivered.length, 'records in the target that the filter rejects').toBe(
          matching.size,
        );
      }
      expect(await source.stop(), source.output).toBe(0);
      expect(await target.stop(), target.output).toBe(0);
      await Promise.all([sourceApi.close(), targetApi.close()]);
    });
  },
);
