/** A crash with requests under way: each of them has happened or has not, and an answered one has. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Answer, Api, TestRecord } from '../../lib/api.ts';
import type { RunningInstance } from '../../lib/instance.ts';

const BASE_RECORDS = 20n;

function record(ts: bigint, text: string): TestRecord {
  return { ts, payload: Buffer.from(`${text} ${ts} ${'.'.repeat(Number(ts % 700n))}`), labels: {} };
}

const baseRecords = (text: string): TestRecord[] =>
  Array.from({ length: Number(BASE_RECORDS) }, (_, i) => record(BigInt(i), text));

/** A request under way, and how to see afterwards whether it has happened. Throws when it has by half. */
interface Attempt {
  readonly name: string;
  readonly request: Promise<Answer>;
  readonly happened: (api: Api) => Promise<boolean>;
}

async function recordsOf(api: Api, bucket: string, entry: string): Promise<Map<bigint, string>> {
  const records = await api.readAll(bucket, entry);
  return new Map(records.map(({ ts, payload }) => [ts, payload.toString()]));
}

/** All of these records, byte by byte, or none of them. */
function allOrNone(found: ReadonlyMap<bigint, string>, wanted: readonly TestRecord[]): boolean {
  const there = wanted.filter(({ ts }) => found.has(ts));
  for (const { ts, payload } of there) expect(found.get(ts)).toBe(payload.toString());
  expect([0, wanted.length]).toContain(there.length);
  return there.length > 0;
}

function singleWrites(api: Api, bucket: string): Attempt[] {
  return Array.from({ length: 12 }, (_, i) => {
    const entry = `single-${i % 3}`;
    const own = record(BigInt(i), 'single');
    return {
      name: `write ${entry}@${i}`,
      request: api.write(bucket, entry, own),
      happened: async (after) => allOrNone(await recordsOf(after, bucket, entry), [own]),
    };
  });
}

function largeWrite(api: Api, bucket: string): Attempt {
  const payload = Buffer.alloc(3_000_000, 'large ');
  return {
    name: 'write of 3 MB',
    request: api.write(bucket, 'large', { ts: 1n, payload, labels: {} }),
    happened: async (after) => {
      const answer = await after.call('GET', `/b/${bucket}/large?ts=1`);
      if (answer.status === 404) return false;
      expect([answer.status, answer.body.equals(payload)]).toEqual([200, true]);
      return true;
    },
  };
}

function multiWrite(api: Api, bucket: string): Attempt {
  const headers = {
    'x-reduct-entries': 'multi-a,multi-b',
    'x-reduct-start-ts': '7',
    'x-reduct-0-0': '1,text/plain',
    'x-reduct-1-0': '2,text/plain',
  };
  return {
    name: 'write of a batch over two entries',
    request: api.call('POST', `/io/${bucket}/write`, headers, 'abb'),
    happened: async (after) => {
      const [a, b] = await Promise.all(
        ['multi-a', 'multi-b'].map(async (entry) =>
          (await recordsOf(after, bucket, entry)).get(7n),
        ),
      );
      expect([undefined, 'a']).toContain(a);
      expect([undefined, 'bb']).toContain(b);
      return a !== undefined && b !== undefined;
    },
  };
}

/** Changes of records that were acknowledged before. */
function changes(api: Api, bucket: string): Attempt[] {
  const base = baseRecords('base');
  const status = async (after: Api, path: string): Promise<number> =>
    (await after.call('GET', `/b/${bucket}/${path}`)).status;
  return [
    {
      name: 'label update',
      request: api.call('PATCH', `/b/${bucket}/base?ts=1`, { 'x-reduct-label-state': 'new' }),
      happened: async (after) => {
        const { headers, body } = await after.ok('GET', `/b/${bucket}/base?ts=1`);
        expect(body.toString()).toBe(base[1]?.payload.toString());
        return headers['x-reduct-label-state'] === 'new';
      },
    },
    {
      name: 'removal of a record',
      request: api.call('DELETE', `/b/${bucket}/base?ts=2`),
      happened: async (after) => (await status(after, 'base?ts=2')) === 404,
    },
    {
      name: 'rename of an entry',
      request: api.call('PUT', `/b/${bucket}/old/rename`, {}, '{"new_name":"new"}'),
      happened: async (after) => {
        const [before, now] = await Promise.all(
          ['old/part', 'new/part'].map((entry) => recordsOf(after, bucket, entry)),
        );
        const isMoved = allOrNone(now ?? new Map(), baseRecords('part'));
        expect(allOrNone(before ?? new Map(), baseRecords('part'))).toBe(!isMoved);
        return isMoved;
      },
    },
  ];
}

/** A bucket with records is wholly there or on its way out, and one that is on its way goes. */
function bucketRemoval(api: Api, bucket: string): Attempt {
  return {
    name: 'removal of a bucket',
    request: api.call('DELETE', `/b/${bucket}`),
    happened: async (after) => {
      const first = await after.call('GET', `/b/${bucket}`);
      if (first.status === 200) {
        expect(allOrNone(await recordsOf(after, bucket, 'e'), baseRecords('gone'))).toBe(true);
        return false;
      }
      await expect.poll(async () => (await after.call('GET', `/b/${bucket}`)).status).toBe(404);
      return true;
    },
  };
}

/**
 * Sends requests of all kinds at once, kills the server after `delayMs`, starts it again and looks.
 * @param serial makes the names of the buckets, which are used once.
 * @param holder gets the instance that runs afterwards, whatever is found in it.
 * @returns how many requests had been answered.
 */
export async function crash(
  holder: { instance: RunningInstance },
  serial: number,
  delayMs: number,
): Promise<number> {
  const { api } = holder.instance;
  const [side, gone] = [`side-${serial}`, `gone-${serial}`];
  for (const bucket of [side, gone]) await api.ok('POST', `/b/${bucket}`);
  await api.writeBatch(side, 'base', baseRecords('base'));
  await api.writeBatch(side, 'old/part', baseRecords('part'));
  await api.writeBatch(gone, 'e', baseRecords('gone'));
  const attempts = [
    ...singleWrites(api, side),
    largeWrite(api, side),
    multiWrite(api, side),
    ...changes(api, side),
    bucketRemoval(api, gone),
  ];
  const outcomes = attempts.map(({ request }) => request.catch(() => undefined));
  await delay(delayMs);
  holder.instance = await holder.instance.restart();
  let answered = 0;
  for (const [i, { name, happened }] of attempts.entries()) {
    const answer = await outcomes[i];
    const hasHappened = await happened(holder.instance.api);
    if (answer === undefined) continue;
    expect([name, answer.status, answer.error]).toEqual([name, 200, '']);
    expect([name, hasHappened]).toEqual([name, true]);
    answered++;
  }
  return answered;
}
