import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseByteCount, parseU64 } from '../../src/wire/numbers.ts';

describe('parseU64', () => {
  test('every unsigned 64-bit integer in decimal comes back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(30), (value, zeros) => {
        expect(parseU64(`${'0'.repeat(zeros)}${value}`)).toBe(value);
      }),
    );
  });

  test.each(['', ' 1', '1 ', '-1', '+1', '1.0', '1e3', '0x10', '18446744073709551616', '१'])(
    'refuses %j',
    (text) => {
      expect(parseU64(text)).toBeUndefined();
    },
  );

  test('a text of a million digits is refused without computing it', () => {
    expect(parseU64('9'.repeat(1_000_000))).toBeUndefined();
    expect(parseU64(`${'0'.repeat(1_000_000)}7`)).toBe(7n);
  });
});

describe('parseByteCount', () => {
  test('accepts what a content can have and refuses what it cannot', () => {
    expect(parseByteCount('0')).toBe(0);
    expect(parseByteCount('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(parseByteCount('9007199254740992')).toBeUndefined();
    expect(parseByteCount('-5')).toBeUndefined();
    expect(parseByteCount('')).toBeUndefined();
  });
});
