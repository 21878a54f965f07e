import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareText, compareValues, isEqual } from '../../src/when/compare.ts';
import { floatText, toInteger, toIntervalUs, toText } from '../../src/when/convert.ts';
import { formatDuration, parseDuration } from '../../src/when/duration-text.ts';
import { INT64_MAX, INT64_MIN } from '../../src/when/int64.ts';
import { parseSizeText } from '../../src/when/size-text.ts';
import { Duration, inferLabel, type Value } from '../../src/when/value.ts';

const int64 = fc.bigInt({ min: INT64_MIN, max: INT64_MAX });

describe('types of label texts', () => {
  test.each<[string, Value]>([
    ['true', true],
    ['false', false],
    ['TRUE', 'TRUE'],
    ['007', 7n],
    ['+5', 5n],
    ['-0', 0n],
    ['9223372036854775807', INT64_MAX],
    ['-9223372036854775808', INT64_MIN],
    ['00000000000000000000000000042', 42n],
    ['9223372036854775808', 9223372036854775808],
    ['.5', 0.5],
    ['5.', 5],
    ['-1E3', -1000],
    ['1e400', Infinity],
    ['INF', Infinity],
    ['-Infinity', -Infinity],
    ['+nan', NaN],
    ['.', '.'],
    ['+', '+'],
    ['1e', '1e'],
    ['', ''],
    [' 1', ' 1'],
    ['1\n', '1\n'],
    ['0x10', '0x10'],
    ['1_000', '1_000'],
    ['infinit', 'infinit'],
    ['1s', '1s'],
    ['١', '١'],
  ])('%j', (text, value) => {
    expect(inferLabel(text)).toEqual(value);
  });

  test('every 64-bit integer is read exactly', () => {
    fc.assert(fc.property(int64, (value) => inferLabel(String(value)) === value));
  });
});

describe('durations as text', () => {
  test.each([
    ['1h 30m', 5_400_000_000n],
    [' \t1h\u00a0-30m ', 1_800_000_000n],
    ['-1h', -3_600_000_000n],
    ['2d', 172_800_000_000n],
    ['500us', 500n],
    ['1s2', 12_000_000n],
    ['m1s', 1_000n],
    ['9223372036854775807s', BigInt.asIntN(64, INT64_MAX * 1_000_000n)],
  ])('%j is a duration', (text, us) => {
    expect(parseDuration(text)).toBe(us);
  });

  test.each([
    '',
    ' ',
    '5',
    's',
    '1.5s',
    '1S',
    '1-s',
    '--1s',
    '+1s',
    '1s 5',
    '1 s',
    '9223372036854775808s',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test.each([
    [0n, '0us'],
    [5_400_000_000n, '1h 30m'],
    [-5_400_000_000n, '-1h -30m'],
    [90_061_001_001n, '1d 1h 1m 1s 1ms 1us'],
  ])('%d µs reads %s', (us, text) => {
    expect(formatDuration(us)).toBe(text);
  });

  test('the text of a duration is a duration of the same length', () => {
    fc.assert(fc.property(int64, (us) => parseDuration(formatDuration(us)) === us));
  });
});

describe('floats as text', () => {
  test.each([
    [10, '10'],
    [0.1, '0.1'],
    [-0, '-0'],
    [1e21, '1000000000000000000000'],
    [-1.5e22, '-15000000000000000000000'],
    [1.25e-7, '0.000000125'],
    [NaN, 'NaN'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
  ])('%d reads %s', (value, text) => {
    expect(floatText(value)).toBe(text);
  });

  test('the text has no exponent and reads back as the same float', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(floatText(value)).toMatch(/^-?\d+(\.\d+)?$/);
        expect(Number(floatText(value))).toBe(value);
      }),
    );
  });
});

describe('conversions', () => {
  test.each<[Value, bigint]>([
    [1e300, INT64_MAX],
    [-Infinity, INT64_MIN],
    [NaN, 0n],
    [-3.9, -3n],
    [new Duration(7n), 7n],
    ['+08', 8n],
  ])('%s as integer is %d', (value, integer) => {
    expect(toInteger(value)).toBe(integer);
  });

  test.each<[Value, bigint]>([
    [2n, 2_000_000n],
    [0.0000019, 1n],
    [-5n, 0n],
    [new Duration(-1n), 0n],
    [true, 1_000_000n],
    ['0.5', 500_000n],
    [INT64_MAX, INT64_MAX],
  ])('%s as interval is %d µs', (value, us) => {
    expect(toIntervalUs(value)).toBe(us);
  });

  test('a duration as text has units', () => {
    expect(toText(new Duration(60_000_000n))).toBe('1m');
  });
});

describe('comparison', () => {
  test('integers beyond 2^53 are compared exactly, and with floats as doubles', () => {
    expect(isEqual(9007199254740993n, 9007199254740992n)).toBe(false);
    expect(isEqual(9007199254740993n, 9007199254740992)).toBe(true);
    expect(compareValues(9007199254740993n, 9007199254740992n)).toBeGreaterThan(0);
  });

  test('strings are ordered like their bytes', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\uffff', '😀', '\ue000a'),
    );
    fc.assert(
      fc.property(text, text, (left, right) => {
        const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right));
        expect(Math.sign(compareText(left, right))).toBe(bytes);
      }),
      { examples: [['😀', '\uffff']] },
    );
  });
});

describe('sizes as text', () => {
  test.each([
    ['1MB', 1_000_000],
    ['1MiB', 1_048_576],
    ['10 gb', 10_000_000_000],
    ['1.5k', 1_500],
    ['2Ki', 2_048],
    ['7', 7],
    ['7b', 7],
    ['9999999PB', Number.MAX_SAFE_INTEGER],
  ])('%j', (text, bytes) => {
    expect(parseSizeText(text)).toBe(bytes);
  });

  test.each(['', 'MB', '1X', '-1', '1MBB', '1ib', '1,5MB'])('%j is none', (text) => {
    expect(parseSizeText(text)).toBeUndefined();
  });
});
