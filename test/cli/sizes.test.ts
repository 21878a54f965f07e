import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/errors.ts';
import { formatSeconds, formatSize, parseSize, wholeNumber } from '../../src/cli/sizes.ts';

describe('a size', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['10KB', 10_000],
    ['10 kib', 10_240],
    ['1.5GB', 1_500_000_000],
    [' 4 MiB ', 4_194_304],
  ])('%s is understood', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', '-1', '1.5', '10XB', 'KB', '1e3', '99999999999999999999'])(
    '%j is refused',
    (text) => {
      expect(() => parseSize(text)).toThrow(UsageError);
    },
  );

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KB'],
    [1499, '1.5 KB'],
    [999_949, '999.9 KB'],
    [999_950, '1.0 MB'],
    [2n ** 64n - 1n, '18.4 EB'],
  ])('%s is shown as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  test('that is shown is within a twentieth of what it stands for', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), (bytes) => {
        expect(Math.abs(parseSize(formatSize(bytes)) - bytes)).toBeLessThanOrEqual(bytes / 20);
      }),
    );
  });
});

test('a number of seconds is shown in the units of people', () => {
  expect(formatSeconds(0)).toBe('0s');
  expect(formatSeconds(93_784n)).toBe('1d 2h 3m 4s');
});

test('a whole number has bounds', () => {
  expect(wholeNumber(1, 10)('10')).toBe(10);
  for (const text of ['0', '11', '', '-1', '1.5', 'x']) {
    expect(() => wholeNumber(1, 10)(text)).toThrow('no whole number from 1 to 10');
  }
});
