import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/errors.ts';
import { formatTime, parseTime, zoneName } from '../../src/cli/times.ts';

const NOW_US = 1_700_000_000_000_000n;
const HOUR_US = 3_600_000_000n;
const zoneBefore = process.env['TZ'];

afterEach(() => {
  if (zoneBefore === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zoneBefore;
});

describe('a time', () => {
  test.each([
    ['0', 0n],
    ['1700000000000001', 1_700_000_000_000_001n],
    ['18446744073709551615', 18_446_744_073_709_551_615n],
    ['1970-01-01T00:00:01Z', 1_000_000n],
    ['2023-11-14T22:13:20.123456Z', NOW_US + 123_456n],
    ['2023-11-14T22:13:20.1234567Z', NOW_US + 123_456n],
    ['2023-11-14 23:13:20.5+01:00', NOW_US + 500_000n],
    ['now', NOW_US],
    ['NOW', NOW_US],
    ['now-1h', NOW_US - HOUR_US],
    ['now - 1h', NOW_US - HOUR_US],
    ['now-1h-30m', NOW_US - HOUR_US - HOUR_US / 2n],
    ['now + 1w -1d + 5s - 7ms', NOW_US + 6n * 24n * HOUR_US + 4_993_000n],
  ])('%s is understood', (text, us) => {
    expect(parseTime(text, NOW_US)).toBe(us);
  });

  test.each(
    [
      [
        '',
        'yesterday',
        '-1',
        '1.5',
        'now-',
        'now-1',
        'now-1y',
        'now 1h',
        'nowish',
        'now-99999999w',
      ],
      [
        '2023-02-29',
        '2023-13-01',
        '2023-01-01T24:00',
        '2023-01-01T00:00:60',
        '1969-01-01T00:00:00Z',
      ],
      ['18446744073709551616', '2023-1-1', '10:00'],
    ].flat(),
  )('%j is refused with the forms that are accepted', (text) => {
    process.env['TZ'] = 'UTC';
    expect(() => parseTime(text, NOW_US)).toThrow(UsageError);
    expect(() => parseTime(text, NOW_US)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('RFC 3339') }),
    );
  });

  test('without a zone is local', () => {
    process.env['TZ'] = 'Europe/Berlin';
    expect(parseTime('2023-11-14', NOW_US)).toBe(1_699_916_400_000_000n);
    expect(parseTime('2023-11-14 23:13', NOW_US)).toBe(NOW_US - 20_000_000n);
    expect(parseTime('2023-07-01T12:00:00.25', NOW_US)).toBe(1_688_205_600_250_000n);
    process.env['TZ'] = 'America/New_York';
    expect(parseTime('2023-11-14T17:13:20', NOW_US)).toBe(NOW_US);
  });

  test('that a change of clocks skips is the one after the change', () => {
    process.env['TZ'] = 'Europe/Berlin';
    expect(parseTime('2023-03-26 02:30', NOW_US)).toBe(1_679_794_200_000_000n);
  });

  test.each(['UTC', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Apia'])(
    'that is shown in %s is read back as the same',
    (zone) => {
      process.env['TZ'] = zone;
      // Offsets of whole minutes only: before 1972 there were others.
      const times = fc.bigInt({ min: 63_072_000_000_000n, max: 250_000_000_000_000_000n });
      fc.assert(
        fc.property(times, fc.boolean(), (us, utc) => {
          expect(parseTime(formatTime(us, { utc }), NOW_US)).toBe(us);
        }),
      );
    },
  );

  test('is shown in the local zone or in UTC', () => {
    process.env['TZ'] = 'America/St_Johns';
    expect(formatTime(NOW_US, { utc: false })).toBe('2023-11-14T18:43:20-03:30');
    expect(formatTime(NOW_US + 120n, { utc: true })).toBe('2023-11-14T22:13:20.000120Z');
    expect(formatTime(NOW_US + 120_000n, { utc: true })).toBe('2023-11-14T22:13:20.120Z');
    expect(zoneName({ utc: false })).toBe('America/St_Johns');
    expect(zoneName({ utc: true })).toBe('UTC');
  });

  test('that no calendar has is shown as it is', () => {
    expect(formatTime(2n ** 64n - 1n, { utc: true })).toBe('18446744073709551615');
  });

  test('whatever is typed is a time or a usage error', () => {
    const typed = fc.oneof(fc.string(), fc.stringMatching(/^(now)?[-+0-9 :.TZhmsdw]{0,24}$/));
    fc.assert(
      fc.property(typed, (text) => {
        try {
          const us = parseTime(text, NOW_US);
          expect(us >= 0n && us < 2n ** 64n).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
