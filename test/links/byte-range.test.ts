import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseByteRange } from '../../src/http/byte-range.ts';

test.each([
  ['bytes=0-4', { first: 0, last: 4 }],
  ['bytes=5-', { first: 5, last: 9 }],
  ['bytes=5-100', { first: 5, last: 9 }],
  ['bytes=-3', { first: 7, last: 9 }],
  ['bytes=-30', { first: 0, last: 9 }],
  ['bytes=9-9', { first: 9, last: 9 }],
  ['BYTES= 1-2 ', { first: 1, last: 2 }],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=10-20', 'unsatisfiable'],
  ['bytes=99999999999999999999-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['', undefined],
  ['bytes=', undefined],
  ['bytes=-', undefined],
  ['bytes=5-4', undefined],
  ['bytes=0-1,3-4', undefined],
  ['bytes=a-b', undefined],
  ['items=0-4', undefined],
  ['bytes 0-4', undefined],
])('%j of ten bytes is %j', (header, range) => {
  expect(parseByteRange(header, 10)).toEqual(range);
});

test('nothing of an empty content can be had', () => {
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) {
    expect(parseByteRange(header, 0)).toBe('unsatisfiable');
  }
});

test('a range never leaves the content', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(), (noise, first, last, length) => {
      for (const header of [noise, `bytes=${noise}`, `bytes=${first}-${last}`, `bytes=-${last}`]) {
        const range = parseByteRange(header, length);
        if (range === undefined || range === 'unsatisfiable') continue;
        expect(range.first).toBeGreaterThanOrEqual(0);
        expect(range.last).toBeLessThan(length);
        expect(range.first).toBeLessThanOrEqual(range.last);
      }
    }),
  );
});
