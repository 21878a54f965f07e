import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBatchV2Keys, parseBatchV2Updates } from '../../src/wire/batch-v2.ts';
import type { BatchV2Headers } from '../../src/wire/batch-v2.ts';

const request = (changes: Partial<BatchV2Headers>): BatchV2Headers => ({
  entries: 'a,b%2F%24meta',
  startTs: '100',
  labels: undefined,
  others: [],
  ...changes,
});

const refusal = (message: string): unknown => expect.objectContaining({ status: 422, message });

describe('updates', () => {
  const operations = (others: string[], labels?: string): [bigint, readonly string[]][] =>
    parseBatchV2Updates(request({ others, labels })).records.map((r) => [r.ts, r.labels]);

  test('an empty value is kept: it removes the label', () => {
    expect(operations(['x-reduct-0-1', '0,,a=1,b=,c="x,y",d=""'])).toEqual([
      [101n, ['a', '1', 'b', '', 'c', 'x,y', 'd', '']],
    ]);
  });

  test('operations add up within an entry, later ones win, and "0" repeats them', () => {
    const others = [
      'x-reduct-0-3',
      '0',
      'x-reduct-0-1',
      '0,,a=1,b=',
      'x-reduct-0-2',
      '0,,b=2,c=',
      'x-reduct-1-1',
      '0,,z=1',
    ];
    expect(operations(others)).toEqual([
      [101n, ['a', '1', 'b', '']],
      [102n, ['a', '1', 'b', '2', 'c', '']],
      [103n, ['a', '1', 'b', '2', 'c', '']],
      [101n, ['z', '1']],
    ]);
  });

  test('names may be indexes', () => {
    expect(operations(['x-reduct-0-0', '0,,1=x,0='], 'first,second')).toEqual([
      [100n, ['second', 'x', 'first', '']],
    ]);
  });

  test('operations of any length add up as an object would', () => {
    const value = fc.constantFrom('', '1', '2');
    const delta = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c'), value), {
      selector: ([name]) => name,
    });
    fc.assert(
      fc.property(fc.array(delta, { minLength: 1, maxLength: 8 }), (deltas) => {
        const others = deltas.flatMap((pairs, i) => [
          `x-reduct-0-${i}`,
          `0,,${pairs.map(([name, text]) => `${name}=${text}`).join(',')}`,
        ]);
        let expected: Record<string, string> = {};
        const found = operations(others).map(([, labels]) => labels);
        for (const [i, pairs] of deltas.entries()) {
          expected = { ...expected, ...Object.fromEntries(pairs) };
          const flat = found[i] ?? [];
          const actual: Record<string, string> = {};
          for (let at = 0; at < flat.length; at += 2) actual[flat[at] ?? ''] = flat[at + 1] ?? '';
          expect(actual).toEqual(expected);
        }
      }),
    );
  });

  test.each([
    [
      ['x-reduct-0-1', '0'],
      'Content-type and labels must be provided for the first record of an entry',
    ],
    [
      ['x-reduct-0-1', '0,,@a=1'],
      "Label names must not start with '@': reserved for computed labels",
    ],
    [['x-reduct-0-1', 'x,,a=1'], 'Invalid batched header'],
    [['x-reduct-2-1', '0,'], "Invalid header 'x-reduct-2-1': entry index out of range"],
  ])('%j is refused', (others, message) => {
    expect(() => operations(others)).toThrow(refusal(message));
  });
});

describe('names of records to be removed', () => {
  const accept = (): void => undefined;

  test('come by entry and time, whatever the values', () => {
    const others = ['x-reduct-1-0', '', 'x-reduct-0-7', 'grün', 'x-reduct-0-2', '0,,a'];
    const { entryNames, startTs, records } = parseBatchV2Keys(request({ others }), accept);
    expect(entryNames).toEqual(['a', 'b/$meta']);
    expect(startTs).toBe(100n);
    expect(records.map(({ entryIndex, ts }) => [entryIndex, ts])).toEqual([
      [0, 102n],
      [0, 107n],
      [1, 100n],
    ]);
  });

  test('start-ts is looked at before entries, entries before records', () => {
    const broken = { startTs: 'x', entries: ' ', others: ['x-reduct-9-1', ''] };
    expect(() => parseBatchV2Keys(request(broken), accept)).toThrow(
      refusal('Invalid x-reduct-start-ts header'),
    );
    expect(() => parseBatchV2Keys(request({ ...broken, startTs: '1' }), accept)).toThrow(
      refusal('x-reduct-entries header is required'),
    );
    const refuse = (names: readonly string[]): void => {
      throw new Error(names.join());
    };
    const { others } = broken;
    expect(() => parseBatchV2Keys(request({ others }), refuse)).toThrow('a,b/$meta');
    expect(() => parseBatchV2Keys(request({ others }), accept)).toThrow(
      refusal("Invalid header 'x-reduct-9-1': entry index out of range"),
    );
  });

  test('of two spellings of one number the record counts once', () => {
    const others = ['x-reduct-0-1', '', 'x-reduct-0-01', ''];
    expect(parseBatchV2Keys(request({ others }), accept).records).toHaveLength(1);
  });
});
