import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bucket } from '../../src/catalog/model.ts';
import type { QuerySpec } from '../../src/query/types.ts';
import { QueryService } from '../../src/query/query-service.ts';
import type { QueryHarness } from '../lib/query-harness.ts';
import {
  bodyBytes,
  decodeV1,
  newReadMemory,
  decodeV2,
  inlineExecutor,
  openQueryHarness,
  querySpec,
  readAllBatches,
  readAllMulti,
} from '../lib/query-harness.ts';

let path = '';
let harness: QueryHarness;

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  harness = await openQueryHarness(path);
});

afterAll(async () => {
  await harness.close();
  await rm(path, { recursive: true, force: true });
});

interface ModelRecord {
  readonly entryName: string;
  readonly ts: bigint;
  readonly payload: Buffer;
  readonly color: string;
}

const ENTRY_NAMES = ['a', 'a/b', 'c'];

const recordArbitrary = fc.record({
  entryName: fc.constantFrom(...ENTRY_NAMES),
  ts: fc.oneof(fc.bigInt(0n, 60n), fc.constantFrom(0n, 2n ** 64n - 1n)),
  payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  color: fc.constantFrom('red', 'green', ''),
});

/** Each item is one commit group; records of equal time after the first are refused. */
const groupsArbitrary = fc.array(fc.array(recordArbitrary, { minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 12,
});

const limitsArbitrary = fc.record({
  maxRecords: fc.integer({ min: 1, max: 12 }),
  maxBodyBytes: fc.integer({ min: 1, max: 400 }),
  maxMetadataBytes: fc.integer({ min: 50, max: 1_000 }),
});

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const specArbitrary: fc.Arbitrary<QuerySpec> = fc
  .record({
    startTs: optional(fc.bigInt(0n, 60n)),
    stopTs: optional(fc.bigInt(61n, 70n)),
    include: fc.constantFrom([], ['color', 'red'], ['none', 'x']),
    exclude: fc.constantFrom([], ['color', 'green']),
    eachS: optional(fc.constantFrom(0.000_003, 0.000_01)),
    eachN: optional(fc.integer({ min: 1, max: 4 })),
    limit: optional(fc.integer({ min: 1, max: 15 })),
    whenText: fc.constantFrom(
      undefined,
      '{"&color":{"$eq":"red"}}',
      '{"$each_n":2}',
      '{"&color":{"$eq":"red"},"$limit":3}',
      '{"#ctx_before":2,"#ctx_after":1,"&color":{"$eq":"red"}}',
    ),
  })
  .map((overrides) => querySpec(overrides));

async function writeGroups(groups: readonly ModelRecord[][]): Promise<{
  bucket: Bucket;
  records: ModelRecord[];
}> {
  const bucket = await harness.newBucket();
  const records = new Map<string, ModelRecord>();
  for (const group of groups) {
    const accepted: Promise<unknown>[] = [];
    for (const record of group) {
      const key = `${record.entryName} ${record.ts}`;
      if (!records.has(key)) records.set(key, record);
      const { ts, payload, color } = record;
      const labels = color === '' ? [] : ['color', color];
      const target = harness.store.catalog.entryForWrite(bucket.name, record.entryName);
      accepted.push(harness.store.write(target, ts, payload, labels));
    }
    await Promise.all(accepted);
  }
  const order = (a: ModelRecord, b: ModelRecord): number =>
    a.ts === b.ts ? (a.entryName < b.entryName ? -1 : 1) : a.ts < b.ts ? -1 : 1;
  return { bucket, records: [...records.values()].toSorted(order) };
}

/** What a query of one entry returns, written down independently of the implementation. */
function expected(records: readonly ModelRecord[], spec: QuerySpec): ModelRecord[] {
  const start = spec.startTs ?? records[0]?.ts ?? 0n;
  const stop = spec.stopTs ?? (records.at(-1)?.ts ?? 0n) + 1n;
  let found = records.filter(({ ts }) => ts >= start && ts < stop);
  if (spec.include[0] === 'color') found = found.filter(({ color }) => color === 'red');
  if (spec.include[0] === 'none') found = [];
  if (spec.exclude.length > 0) found = found.filter(({ color }) => color !== 'green');
  if (spec.eachS !== undefined) {
    const gap = BigInt(Math.round(spec.eachS * 1e6));
    let last: bigint | undefined;
    found = found.filter(({ ts }) => {
      if (last !== undefined && ts - last < gap) return false;
      last = ts;
      return true;
    });
  }
  const { eachN } = spec;
  if (eachN !== undefined) found = found.filter((_, index) => index % eachN === 0);
  found = applyWhen(found, spec.whenText);
  return found.slice(0, spec.limit);
}

function applyWhen(records: readonly ModelRecord[], whenText: string | undefined): ModelRecord[] {
  const isRed = ({ color }: ModelRecord): boolean => color === 'red';
  if (whenText === undefined) return [...records];
  if (whenText.includes('$each_n')) return records.filter((_, index) => index % 2 === 1);
  if (whenText.includes('$limit')) return records.filter(isRed).slice(0, 3);
  if (!whenText.includes('#ctx')) return records.filter(isRed);
  const kept = new Set<number>();
  records.forEach((record, index) => {
    if (isRed(record)) for (let at = index - 2; at <= index + 1; at++) kept.add(at);
  });
  return records.filter((_, index) => kept.has(index));
}

function queriesWith(limits: {
  maxRecords: number;
  maxBodyBytes: number;
  maxMetadataBytes: number;
}): QueryService {
  return new QueryService({
    executor: inlineExecutor(harness.store.db),
    memory: newReadMemory(),
    limits,
    batchTimeoutMs: 5_000,
    maxQueries: 100,
    maxStateBytes: 1 << 20,
    extensionRefusal: () => undefined,
    nowMs: () => performance.now(),
  });
}

const key = ({ entryName, ts }: { entryName: string; ts: bigint }): string => `${entryName}@${ts}`;

describe('batches of one entry', () => {
  test('are together the matching records, each once, in order, with labels and contents', async () => {
    const property = fc.asyncProperty(
      groupsArbitrary,
      specArbitrary,
      limitsArbitrary,
      async (groups, spec, limits) => {
        const { bucket, records } = await writeGroups(groups);
        const queries = queriesWith(limits);
        for (const entry of bucket.entries.values()) {
          const own = records.filter(({ entryName }) => entryName === entry.name);
          const wanted = expected(own, spec);
          const start = spec.startTs ?? entry.stats.oldestTs;
          if (start > (spec.stopTs ?? entry.stats.latestTs + 1n)) continue;
          const id = queries.create(bucket, entry, spec);
          const batches = await readAllBatches(queries, bucket, entry, id);
          const found = batches.flatMap(decodeV1);
          expect(found.map(({ ts }) => ts)).toEqual(wanted.map(({ ts }) => ts));
          expect(found.map(({ labels }) => labels[1] ?? '')).toEqual(wanted.map((r) => r.color));
          const contents = Buffer.concat(batches.map(bodyBytes));
          expect(contents).toEqual(Buffer.concat(wanted.map(({ payload }) => payload)));
          for (const batch of batches) {
            expect(batch.recordCount).toBeLessThanOrEqual(limits.maxRecords);
            expect(batch.bodyBytes).toBe(bodyBytes(batch).length);
            if (batch.recordCount > 1) {
              expect(batch.headerLines.length).toBeLessThanOrEqual(limits.maxMetadataBytes);
            }
          }
        }
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  test('single reads and batch reads share the cursor', async () => {
    const property = fc.asyncProperty(
      groupsArbitrary,
      specArbitrary,
      fc.array(fc.boolean(), { maxLength: 20 }),
      async (groups, spec, singles) => {
        const { bucket, records } = await writeGroups(groups);
        const queries = queriesWith({ maxRecords: 3, maxBodyBytes: 1e6, maxMetadataBytes: 1e6 });
        for (const entry of bucket.entries.values()) {
          const own = records.filter(({ entryName }) => entryName === entry.name);
          const start = spec.startTs ?? entry.stats.oldestTs;
          if (start > (spec.stopTs ?? entry.stats.latestTs + 1n)) continue;
          const id = BigInt(queries.create(bucket, entry, spec));
          const found: bigint[] = [];
          for (const isSingle of singles) {
            if (isSingle) {
              const record = await queries.readRecord(bucket, entry, id, true);
              if (record === undefined) break;
              found.push(record.ts);
              const wanted = own.find(({ ts }) => ts === record.ts);
              expect(Buffer.from(record.payload ?? [])).toEqual(wanted?.payload);
            } else {
              const batch = await queries.readBatch(bucket, entry, id, false);
              if (batch === undefined) break;
              found.push(...decodeV1(batch).map(({ ts }) => ts));
            }
          }
          const rest = await readAllBatches(queries, bucket, entry, Number(id), false);
          found.push(...rest.flatMap(decodeV1).map(({ ts }) => ts));
          expect(found).toEqual(expected(own, spec).map(({ ts }) => ts));
        }
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('batches of several entries', () => {
  test('are together the records of all, merged by time and name', async () => {
    const property = fc.asyncProperty(
      groupsArbitrary,
      specArbitrary,
      limitsArbitrary,
      fc.boolean(),
      async (groups, spec, limits, isInterleavingSafe) => {
        const { bucket, records } = await writeGroups(groups);
        const queries = queriesWith(limits);
        const wanted = ENTRY_NAMES.flatMap((name) => {
          const own = records.filter(({ entryName }) => entryName === name);
          return own.length === 0 ? [] : expected(own, spec);
        }).toSorted((a, b) => records.indexOf(a) - records.indexOf(b));
        const id = queries.createMulti(bucket, undefined, spec);
        const batches = await readAllMulti(queries, bucket, id, isInterleavingSafe);
        let at = 0;
        for (const batch of batches) {
          const found = decodeV2(batch);
          const part = wanted.slice(at, at + found.length);
          const byName = (name: string): ModelRecord[] => part.filter((r) => r.entryName === name);
          const names = [...new Set(part.map(({ entryName }) => entryName))];
          const inBodyOrder = names.flatMap(byName);
          expect(found.map(key)).toEqual(inBodyOrder.map(key));
          if (!isInterleavingSafe) expect(found.map(key)).toEqual(part.map(key));
          expect(found.map(({ labels }) => labels[1] ?? '')).toEqual(
            inBodyOrder.map((r) => r.color),
          );
          expect(bodyBytes(batch)).toEqual(Buffer.concat(inBodyOrder.map((r) => r.payload)));
          if (batch.recordCount > 1) {
            expect(batch.headerLines.length).toBeLessThanOrEqual(limits.maxMetadataBytes);
          }
          at += found.length;
        }
        expect(at).toBe(wanted.length);
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });
});
