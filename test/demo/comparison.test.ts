import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  comparing,
  differenceOf,
  drain,
  filtered,
  holds,
  newTally,
  type Tally,
} from '../../src/demo/comparison.ts';
import type { StoredRecord } from '../../src/demo/plan.ts';

function record(timestampUs: number, changes: Partial<StoredRecord> = {}): StoredRecord {
  return {
    timestampUs: BigInt(timestampUs),
    contentType: 'text/plain',
    labels: { a: '1', b: '2' },
    payload: Buffer.from(String(timestampUs)),
    ...changes,
  };
}

async function* stream(records: Iterable<StoredRecord>): AsyncGenerator<StoredRecord> {
  yield* records;
}

async function compare(
  expected: Iterable<StoredRecord>,
  actual: Iterable<StoredRecord>,
): Promise<Tally> {
  const tally = newTally('side');
  await drain(comparing(expected, stream(actual), tally));
  return tally;
}

const timestamps = fc.uniqueArray(fc.nat(60), { maxLength: 40 });
const ascending = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

describe('comparing', () => {
  test('counts exactly what is equal, missing and unexpected, wherever it is', async () => {
    await fc.assert(
      fc.asyncProperty(timestamps, timestamps, async (expected, actual) => {
        const tally = await compare(
          ascending(expected).map((at) => record(at)),
          ascending(actual).map((at) => record(at)),
        );
        const common = expected.filter((at) => actual.includes(at)).length;
        expect(tally).toMatchObject({
          equal: common,
          missing: expected.length - common,
          unexpected: actual.length - common,
          different: 0,
        });
        expect(holds(tally)).toBe(common === expected.length && common === actual.length);
      }),
    );
  });

  test('a record that is there twice is unexpected', async () => {
    const tally = await compare([record(1), record(2)], [record(1), record(1), record(2)]);
    expect(tally).toMatchObject({ equal: 2, unexpected: 1, missing: 0 });
  });

  test.each<[string, Partial<StoredRecord>, RegExp]>([
    ['one payload byte', { payload: Buffer.from('8') }, /payload/],
    ['a shorter payload', { payload: Buffer.alloc(0) }, /payload of 0 bytes instead of 1/],
    ['the content type', { contentType: 'text/csv' }, /content type 'text\/csv'/],
    ['a label value', { labels: { a: '1', b: '3' } }, /labels \{"a":"1","b":"3"\}/],
    ['a missing label', { labels: { a: '1' } }, /labels/],
    ['a label more', { labels: { a: '1', b: '2', c: '' } }, /labels/],
    ['a renamed label', { labels: { a: '1', c: '2' } }, /labels/],
  ])('sees a difference in %s', async (_name, changes, text) => {
    const tally = await compare([record(7)], [record(7, changes)]);
    expect(tally).toMatchObject({ equal: 0, different: 1, missing: 0, unexpected: 0 });
    expect(tally.examples[0]).toMatch(text);
    expect(holds(tally)).toBe(false);
  });

  test('the order of labels is no difference', () => {
    expect(differenceOf(record(1), record(1, { labels: { b: '2', a: '1' } }))).toBeUndefined();
  });

  test('hands on every record it reads, so that comparisons chain', async () => {
    const edge = newTally('edge');
    const cloud = newTally('cloud');
    const stored = [1, 2, 3, 4].map((at) => record(at, { labels: { odd: String(at % 2) } }));
    const passing = filtered(
      comparing(stored, stream(stored), edge),
      (labels) => labels['odd'] === '1',
    );
    await drain(comparing(passing, stream(stored.slice(0, 1)), cloud));
    expect([edge.equal, cloud.equal, cloud.missing]).toEqual([4, 1, 1]);
  });

  test('keeps a few examples and counts the rest', async () => {
    const tally = await compare(
      Array.from({ length: 100 }, (_, at) => record(at)),
      [],
    );
    expect(tally.missing).toBe(100);
    expect(tally.examples).toHaveLength(5);
    expect(tally.examples[0]).toBe('side: missing at 0');
  });

  test('a stream that fails fails the comparison', async () => {
    async function* failing(): AsyncGenerator<StoredRecord> {
      yield record(1);
      throw new Error('cut');
    }
    const tally = newTally('side');
    await expect(drain(comparing([record(1)], failing(), tally))).rejects.toThrow('cut');
  });
});
