import { describe, expect, test } from 'vitest';
import { ByteLru } from '../../src/query/byte-lru.ts';

describe('a cache bounded in bytes', () => {
  test('drops the value used longest ago', () => {
    const cache = new ByteLru<string, number>(10);
    cache.set('a', 1, 4);
    cache.set('b', 2, 4);
    expect(cache.get('a')).toBe(1);
    cache.set('c', 3, 4);
    expect(cache.get('b')).toBeUndefined();
    expect(cache.get('a')).toBe(1);
    expect(cache.get('c')).toBe(3);
    expect(cache.bytes).toBe(8);
  });

  test('replacing a value counts its new size only', () => {
    const cache = new ByteLru<string, number>(10);
    cache.set('a', 1, 8);
    cache.set('a', 2, 3);
    expect(cache.bytes).toBe(3);
    expect(cache.get('a')).toBe(2);
  });

  test('does not keep a value above the bound, nor an older one under its key', () => {
    const cache = new ByteLru<string, number>(10);
    cache.set('a', 1, 4);
    cache.set('b', 1, 4);
    cache.set('a', 2, 11);
    expect(cache.get('a')).toBeUndefined();
    expect(cache.get('b')).toBe(1);
    expect(cache.bytes).toBe(4);
  });
});
