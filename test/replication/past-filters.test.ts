import { describe, expect, test } from 'vitest';
import {
  filtersOf,
  type PastFilters,
  pastFiltersAt,
  withPastFilters,
} from '../../src/replication/past-filters.ts';
import { settingsFor } from '../lib/slice-driver.ts';

const good = settingsFor('http://x', { include: { state: 'good' } });
const bad = settingsFor('http://x', { include: { state: 'bad' } });
const elsewhere = { ...good, dstBucket: 'elsewhere' };

function past(until: number, settings = good): PastFilters {
  return { until, filters: filtersOf(settings) };
}

describe('filters of former settings', () => {
  test('are kept for what was written under them and waits', () => {
    const waiting = { position: 5, end: 8, head: 9 };
    expect(withPastFilters([], good, bad, waiting)).toEqual([past(9)]);
    expect(withPastFilters([past(7)], bad, good, waiting)).toEqual([past(7), past(9, bad)]);
  });

  test('are not kept when nothing waits under them', () => {
    expect(withPastFilters([], good, bad, { position: 8, end: 8, head: 9 })).toEqual([]);
    const [first] = withPastFilters([past(8)], bad, good, { position: 5, end: 8, head: 9 });
    expect(first).toEqual(past(8));
  });

  test('are not kept when other settings change', () => {
    expect(withPastFilters([], good, elsewhere, { position: 5, end: 8, head: 9 })).toEqual([]);
    const kept = withPastFilters([past(7)], good, elsewhere, { position: 5, end: 8, head: 9 });
    expect(kept).toEqual([past(7)]);
  });

  test('are not kept when nobody can apply them', () => {
    const waiting = { position: 5, end: 8, head: 9 };
    for (const changes of [{ unknownMembers: ['x'] }, { whenText: '{"$no":1}' }]) {
      expect(withPastFilters([], { ...good, ...changes }, bad, waiting)).toEqual([]);
    }
    const locked = { ...good, lockedToken: { sealed: '', problem: '' } };
    expect(withPastFilters([], locked, bad, waiting)).toEqual([past(9)]);
  });

  test('are kept before a change to settings that nobody can apply', () => {
    const unknown = { ...good, unknownMembers: ['x'] };
    const waiting = { position: 5, end: 8, head: 9 };
    expect(withPastFilters([], good, unknown, waiting)).toEqual([past(9)]);
  });

  test('that the position has come to are forgotten', () => {
    const waiting = { position: 7, end: 8, head: 9 };
    expect(withPastFilters([past(7)], bad, good, waiting)).toEqual([past(9, bad)]);
  });

  test('are found by the place in the log', () => {
    const all = [past(7), past(9, bad)];
    expect([6, 7, 8, 9].map((at) => pastFiltersAt(all, at)?.until)).toEqual([7, 9, 9, undefined]);
  });

  test('may be 64, and further changes wait', () => {
    const all = Array.from({ length: 64 }, (_, at) => past(at + 10));
    const waiting = { position: 5, end: 80, head: 81 };
    expect(() => withPastFilters(all, bad, good, waiting)).toThrow(/under 64 former filters/);
    expect(withPastFilters(all, good, elsewhere, waiting)).toBe(all);
  });
});
