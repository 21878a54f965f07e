import { describe, expect, test } from 'vitest';
import { resolveTimeRange } from '../../src/query/time-range.ts';

const STATS = { recordCount: 3, oldestTs: 10n, latestTs: 30n };
const EMPTY = { recordCount: 0, oldestTs: 0n, latestTs: 0n };
const MAX = 2n ** 64n - 1n;

function resolve(
  startTs: bigint | undefined,
  stopTs: bigint | undefined,
  stats = STATS,
  continuous = false,
): readonly [bigint, bigint] | undefined {
  const range = resolveTimeRange({ startTs, stopTs, continuous }, stats);
  return range === undefined ? undefined : [range.firstTs, range.lastTs];
}

describe('the time range of a query', () => {
  test('goes from the oldest to the newest record by default', () => {
    expect(resolve(undefined, undefined)).toEqual([10n, 30n]);
  });

  test('includes start and excludes stop', () => {
    expect(resolve(12n, 20n)).toEqual([12n, 19n]);
  });

  test('is empty when start equals stop', () => {
    expect(resolve(12n, 12n)).toBeUndefined();
    expect(resolve(31n, undefined)).toBeUndefined();
    expect(resolve(0n, 0n)).toBeUndefined();
  });

  test.each([
    [32n, undefined],
    [12n, 11n],
    [undefined, 9n],
  ])('start %s behind stop %s is refused', (start, stop) => {
    expect(() => resolve(start, stop)).toThrow(
      expect.objectContaining({ status: 422, message: 'Start time must be before stop time' }),
    );
  });

  test('reaches up to the largest timestamp', () => {
    expect(resolve(MAX, undefined, { ...STATS, latestTs: MAX })).toEqual([MAX, MAX]);
  });

  test('an entry without records counts as one with the record 0', () => {
    expect(resolve(undefined, undefined, EMPTY)).toEqual([0n, 0n]);
    expect(() => resolve(2n, undefined, EMPTY)).toThrow('Start time must be before stop time');
  });

  test('a continuous query ignores stop and accepts a start in the future', () => {
    expect(resolve(undefined, 5n, STATS, true)).toEqual([10n, MAX]);
    expect(resolve(99n, 5n, STATS, true)).toEqual([99n, MAX]);
  });
});
