import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instantOf, parseRfc3339 } from '../../src/wire/rfc3339.ts';

describe('dates of the wire', () => {
  test.each([
    ['2026-08-21T15:14:17Z', '2026-08-21T15:14:17Z'],
    ['2026-08-21t15:14:17z', '2026-08-21T15:14:17Z'],
    ['2026-08-21 15:14:17Z', '2026-08-21T15:14:17Z'],
    ['2026-08-21T15:14:17.5Z', '2026-08-21T15:14:17.500Z'],
    ['2026-08-21T15:14:17.123456Z', '2026-08-21T15:14:17.123456Z'],
    ['2026-08-21T15:14:17.123456789Z', '2026-08-21T15:14:17.123456789Z'],
    ['2026-08-21T15:14:17.1234567891Z', '2026-08-21T15:14:17.123456789Z'],
    ['2026-08-21T15:14:17.000000001Z', '2026-08-21T15:14:17.000000001Z'],
    ['2026-08-21T15:14:17.000Z', '2026-08-21T15:14:17Z'],
    ['2026-08-21T01:00:00+02:30', '2026-08-20T22:30:00Z'],
    ['2026-12-31T23:59:59-00:30', '2027-01-01T00:29:59Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ])('%s is %s', (given, text) => {
    const instant = parseRfc3339(given);
    expect(instant?.text).toBe(text);
    expect(instant?.epochMs).toBe(Date.parse(text));
  });

  test.each([
    '',
    '2026-08-21',
    '2026-08-21T15:14:17',
    '2026-08-21T15:14Z',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00.Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+0100',
    '9999-12-31T23:59:59-01:00',
    '0000-01-01T00:00:00+01:00',
    ' 2026-01-01T00:00:00Z',
  ])('%j is none', (given) => {
    expect(parseRfc3339(given)).toBeUndefined();
  });

  test('what is given out is read back as the same moment', () => {
    const ms = fc.integer({ min: -62_000_000_000_000, max: 253_402_300_799_999 });
    fc.assert(
      fc.property(ms, (epochMs) => {
        const instant = instantOf(epochMs);
        expect(parseRfc3339(instant.text)).toEqual(instant);
        expect(instant.epochMs).toBe(epochMs);
        expect(Date.parse(instant.text)).toBe(epochMs);
      }),
    );
  });
});
