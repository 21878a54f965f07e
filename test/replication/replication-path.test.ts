import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  acceptedPath,
  extendPath,
  isOnPath,
  placeOf,
} from '../../src/replication/replication-path.ts';

const A = placeOf('11111111-1111-4111-8111-111111111111', 1);
const B = placeOf('22222222-2222-4222-8222-222222222222', 1);

test('a path names buckets, the newest first', () => {
  const path = extendPath(B, extendPath(A, ''));
  expect(path).toBe(`${B},${A}`);
  expect([isOnPath(A, path), isOnPath(B, path), isOnPath(A, B), isOnPath(A, '')]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  // Bucket 1 is not bucket 11.
  expect(isOnPath(A, `${A}1`)).toBe(false);
});

test('a path is accepted as it is sent, also with blanks; anything else counts as none', () => {
  expect(acceptedPath(`${B}, ${A}`)).toBe(`${B},${A}`);
  for (const text of ['', 'x', `${A},`, `,${A}`, `${A};${B}`, `${A}\u0000`, 'a:b', `${A},é`]) {
    expect([text, acceptedPath(text)]).toEqual([text, '']);
  }
});

test('a path of any length stays acceptable, and knows the last places', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), (length) => {
      const places = Array.from({ length }, (_, at) => placeOf('instance-name', at));
      const path = places.reduce((before, place) => extendPath(place, before), '');
      expect(acceptedPath(path)).toBe(path);
      for (const place of places.slice(-16)) expect(isOnPath(place, path)).toBe(true);
      expect(path.length).toBeLessThan(512);
    }),
  );
});
