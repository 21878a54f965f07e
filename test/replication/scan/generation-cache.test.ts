import { expect, test } from 'vitest';
import { GenerationCache } from '../../../src/replication/scan/generation-cache.ts';

test('never holds more than its bound, and the newest half is always there', () => {
  const cache = new GenerationCache<number, number>(1000);
  for (let i = 0; i < 1000; i++) {
    cache.add(i, i, 10);
    expect(cache.bytes).toBeLessThanOrEqual(1000);
    for (let known = Math.max(0, i - 40); known <= i; known++) expect(cache.get(known)).toBe(known);
  }
  expect(cache.get(0)).toBeUndefined();
  expect(cache.evictions).toBeGreaterThan(800);
});

test('does not keep what is larger than half of the bound', () => {
  const cache = new GenerationCache<string, number>(1000);
  cache.add('small', 1, 100);
  cache.add('large', 2, 501);
  expect(cache.get('large')).toBeUndefined();
  expect(cache.get('small')).toBe(1);
});
