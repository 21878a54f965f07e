import { describe, expect, test } from 'vitest';
import {
  DURATION_BUCKETS_S,
  groupIndex,
  RequestMetrics,
  ROUTE_GROUPS,
} from '../../src/http/request-metrics.ts';

describe('request metrics', () => {
  test('requests are counted by group and outcome', () => {
    const metrics = new RequestMetrics();
    const write = groupIndex('write');
    for (const status of [200, 204, 302, 404, 422, 503, 0]) metrics.observe(write, status, 1);
    const counts = metrics.snapshot().find(({ group }) => group === 'write');
    expect(counts?.requests).toEqual({ '2xx': 2, '3xx': 1, '4xx': 2, '5xx': 1, aborted: 1 });
    const others = metrics.snapshot().filter(({ group }) => group !== 'write');
    expect(others).toHaveLength(ROUTE_GROUPS.length - 1);
    expect(others.every(({ durationSumS }) => durationSumS === 0)).toBe(true);
  });

  test('a duration falls into the first bucket that holds it, bounds included', () => {
    const metrics = new RequestMetrics();
    const group = groupIndex('query');
    for (const ms of [0, 0.25, 0.26, 1, 10_000, 10_001]) metrics.observe(group, 200, ms);
    const counts = metrics.snapshot()[group];
    expect(counts?.durationCounts).toHaveLength(DURATION_BUCKETS_S.length + 1);
    expect(counts?.durationCounts[0]).toBe(2);
    expect(counts?.durationCounts[1]).toBe(1);
    expect(counts?.durationCounts[2]).toBe(1);
    expect(counts?.durationCounts.at(-2)).toBe(1);
    expect(counts?.durationCounts.at(-1)).toBe(1);
    expect(counts?.durationSumS).toBeCloseTo(20.002_51, 9);
  });
});
