import { describe, expect, test } from 'vitest';
import { ApiError } from '../../src/errors/errors.ts';
import { compileCondition } from '../../src/when/condition.ts';
import { timeZone } from '../../src/when/operators/time-zone.ts';
import { ZONE_NAMES } from '../../src/when/operators/zone-names.ts';
import { parseJson } from '../../src/wire/json.ts';
import { testRecord } from './lib/test-record.ts';

interface Circumstances {
  readonly labels?: Record<string, string>;
  readonly ts?: bigint;
}

/** Result of a strict evaluation, or the error as `status text`. */
function outcome(when: string, { labels = {}, ts = 0n }: Circumstances = {}): boolean | string {
  try {
    const condition = compileCondition(parseJson(when, { keepFloats: true }));
    return condition.createStream(true).evaluate(testRecord(ts, labels));
  } catch (error) {
    if (error instanceof ApiError) return `${error.status} ${error.message}`;
    throw error;
  }
}

/** One result per record: its timestamp in seconds, and labels. */
function outcomes(when: string, records: readonly (readonly [number, string?])[]): boolean[] {
  const stream = compileCondition(parseJson(when)).createStream(false);
  return records.map(([seconds, v]) =>
    stream.evaluate(testRecord(BigInt(seconds) * 1_000_000n, v === undefined ? {} : { v })),
  );
}

describe('arity', () => {
  test.each([
    ['{"$each_n":[]}', '$each_n requires exactly one operand'],
    ['{"$each_t":[1,2]}', '$each_t requires exactly one operand'],
    ['{"$ref":[]}', '$ref requires exactly one operand'],
    ['{"$div_num":1}', '$div_num requires exactly two operands'],
    ['{"$rem":1}', '$rem requires exactly two operands'],
    ['{"$ends_with":1}', '$ends_with requires exactly two operands'],
    ['{"$has":[]}', '$exists requires at least one operand'],
    ['{"$id":[1]}', '$timestamp requires no operands'],
    ['{"$weekday":[1,2,3]}', '$weekday requires one or two operands'],
  ])('%s', (when, text) => {
    expect(outcome(when)).toBe(`422 ${text}`);
  });
});

describe('arithmetic', () => {
  test.each([
    '{"$eq":[{"$add":[9223372036854775807,1]},-9223372036854775808]}',
    '{"$eq":[{"$sub":[-9223372036854775808,1]},9223372036854775807]}',
    '{"$eq":[{"$mult":[9223372036854775807,2]},-2]}',
    '{"$eq":[{"$div_num":[-9223372036854775808,-1]},-9223372036854775808]}',
    '{"$eq":[{"$abs":-9223372036854775808},-9223372036854775808]}',
    '{"$eq":[{"$rem":[-9223372036854775808,-1]},0]}',
  ])('integers wrap at 64 bits: %s', (when) => {
    expect(outcome(when)).toBe(true);
  });

  test.each([
    ['{"$rem":[10,0]}', '422 Cannot divide by zero'],
    ['{"$rem":[10,0.0]}', true],
    ['{"$rem":["a",1.0]}', '422 Cannot divide string by float'],
    ['{"$rem":["1s","a"]}', '422 Cannot divide duration by string'],
    ['{"$div":["a","b"]}', '422 Cannot divide string'],
    ['{"$div":[1,false]}', '422 Cannot divide by zero'],
    ['{"$div_num":[1,0.5]}', '422 Cannot divide by zero'],
    ['{"$div_num":[1,"a"]}', '422 Cannot divide by string'],
    ['{"$mult":["a","b"]}', '422 Cannot multiply string by string'],
    ['{"$mult":[2.0,"b"]}', '422 Cannot multiply float by string'],
    ['{"$sub":["a","1s"]}', '422 Cannot subtract string from duration'],
    ['{"$add":[1.0,"a"]}', '422 Cannot add float to string'],
    ['{"$eq":[{"$add":[1,2.5]},3.5]}', true],
    ['{"$eq":[{"$cast":[{"$add":["1s"]},"string"]},{"$cast":["1s","string"]}]}', true],
    ['{"$eq":[{"$cast":[{"$add":["1s",0]},"string"]},"$$1000000"]}', false],
    ['{"$contains":[{"$add":["1s",0]},"1000000"]}', true],
  ])('%s', (when, expected) => {
    expect(outcome(when)).toBe(expected);
  });
});

describe('constants', () => {
  test.each([
    ['{"$gt":[9223372036854775807,9223372036854775806]}', true],
    ['9223372036854775808', '422 Integer value out of range: 9223372036854775808'],
    ['18446744073709551615', '422 Integer value out of range: 18446744073709551615'],
    ['{"$eq":[18446744073709551616,1.8446744073709552e19]}', true],
    ['{"$eq":[-9223372036854775809,-9223372036854775808.0]}', true],
    ['{"&a":{"$eq":9007199254740993}}', true],
    ['"$"', `422 Unknown '$' literal '$'; use '$$' to escape a string value`],
    ['"$in"', `422 Unknown '$' literal '$in'; use '$$' to escape a string value`],
    ['{"$eq":["$add",0]}', true],
    ['{"$in":["$not","$or","$and"]}', true],
    ['{"10":{"$eq":"10"},"$timestamp":{"$eq":0}}', true],
  ])('%s', (when, expected) => {
    expect(outcome(when, { labels: { a: '9007199254740993' } })).toBe(expected);
  });
});

describe('order of evaluation', () => {
  test.each([
    ['{"$has":["nope","&missing"]}', false],
    ['{"$has":["&missing","nope"]}', `404 Reference 'missing' not found`],
    ['{"$in":[1,1,"&missing"]}', true],
    ['{"$xor":[true,true,"&missing"]}', `404 Reference 'missing' not found`],
    ['{"$eq":["a","&missing"]}', `404 Reference 'missing' not found`],
    ['{"5":{"$eq":6},"&missing":{"$eq":1}}', false],
  ])('%s', (when, expected) => {
    expect(outcome(when)).toBe(expected);
  });

  test('an object with several members is several operands', () => {
    expect(outcome('{"$eq":[{"$add":[1,1],"$mult":[1,2]}]}')).toBe(true);
    expect(outcome('{"$xor":[{"$and":[],"$or":[]}]}')).toBe(true);
    expect(outcome('{"$xor":[{"$and":[],"$not":[]}]}')).toBe(false);
  });

  test('of several mistakes the innermost is reported', () => {
    expect(outcome('{"foo":[{"$eq":1},null]}')).toBe('422 $eq requires exactly two operands');
    expect(outcome('{"&a":{"foo":[1]}}')).toBe('422 Array type is not supported: [1]');
    expect(outcome('{"foo":[{"#ctx_before":1}]}')).toBe(
      `422 Operator '#ctx_before' must start with '$'`,
    );
  });
});

describe('computed labels', () => {
  test('they are found by their own lookup, and not by $has', () => {
    const record = { ...testRecord(0n), computedLabel: () => '5' };
    const stream = compileCondition(parseJson('{"@s":{"$eq":5},"$not":[{"$has":"s"}]}'));
    expect(stream.createStream(true).evaluate(record)).toBe(true);
  });
});

describe('date parts', () => {
  // 2024-02-29 23:59:59.999999 UTC, a Thursday.
  const ts = 1_709_251_199_999_999n;
  test.each([
    ['$second', '59'],
    ['$minute', '59'],
    ['$hour', '23'],
    ['$day', '29'],
    ['$month', '2'],
    ['$year', '2024'],
    ['$weekday', '3'],
  ])('%s', (operator, value) => {
    expect(outcome(`{"$eq":[{"${operator}":"$timestamp"},${value}]}`, { ts })).toBe(true);
  });

  test('parts agree with the calendar of the runtime over 20 000 years', () => {
    for (let day = -3_650_000; day <= 3_650_000; day += 997) {
      const date = new Date(day * 86_400_000);
      const us = day * 86_400_000_000;
      const parts = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
      const when = `{"$and":[
        {"$eq":[{"$year":${us}},${parts[0]}]}, {"$eq":[{"$month":${us}},${parts[1]}]},
        {"$eq":[{"$day":${us}},${parts[2]}]}, {"$eq":[{"$weekday":${us}},${(date.getUTCDay() + 6) % 7}]}]}`;
      expect(outcome(when)).toBe(true);
    }
  });

  test.each([
    // The clock is put forward at 01:00 UTC on 2024-03-31.
    ['Europe/Berlin', 1_711_846_799, 1],
    ['Europe/Berlin', 1_711_846_800, 3],
    ['America/New_York', 1_711_846_800, 21],
    ['Asia/Kolkata', 1_711_846_800, 6],
    ['US/Pacific', 1_711_846_800, 18],
    ['Etc/GMT+1', 1_711_846_800, 0],
    ['UTC', 1_711_846_800, 1],
  ])('the hour in %s at %d is %d', (zone, seconds, hour) => {
    const when = `{"$eq":[{"$hour":[${seconds}000000,"${zone}"]},${hour}]}`;
    expect(outcome(when)).toBe(true);
  });

  test('local mean time has seconds', () => {
    const seconds = Date.UTC(1900, 0, 1) / 1_000;
    expect(outcome(`{"$eq":[{"$second":[${seconds}000000,"Europe/Paris"]},21]}`)).toBe(true);
    expect(outcome(`{"$eq":[{"$minute":[${seconds}000000,"Europe/Paris"]},9]}`)).toBe(true);
  });

  test('offsets are right in any order of the instants', () => {
    const change = 1_711_846_800;
    const zone = timeZone('Europe/Berlin');
    const offsets = [change, change - 1, change + 86_400, change - 86_400, change, change + 1];
    expect(offsets.map((seconds) => zone?.offsetSeconds(seconds))).toEqual([
      7_200, 3_600, 7_200, 3_600, 7_200, 7_200,
    ]);
  });

  test.each(['europe/berlin', 'EUROPE/BERLIN', 'Mars/Base', '', '+01:00', 'Factory'])(
    'the zone %j is refused',
    (zone) => {
      const text = `422 Invalid timezone: '${zone}'`;
      expect(outcome(`{"$hour":["$timestamp","${zone}"]}`)).toBe(text);
    },
  );

  test('nearly every listed zone is known to the runtime, and every zone of the runtime is listed', () => {
    const unknown = [...ZONE_NAMES].filter((name) => timeZone(name) === undefined);
    expect(unknown.length).toBeLessThan(5);
    const unlisted = Intl.supportedValuesOf('timeZone').filter((name) => !ZONE_NAMES.has(name));
    expect(unlisted.length).toBeLessThan(5);
  });

  test.each([
    ['9223372036854775807', '9223372036854775807'],
    ['8210266876800000000', '8210266876800000000'],
    ['-8334601228801000000', '-8334601228801000000'],
  ])('%s µs is no date', (timestamp, got) => {
    expect(outcome(`{"$year":${timestamp}}`)).toBe(
      `422 $year requires a valid timestamp in microseconds, got ${got}`,
    );
  });

  test('the first and the last year', () => {
    expect(outcome('{"$eq":[{"$year":8210266876799999999},262142]}')).toBe(true);
    expect(outcome('{"$eq":[{"$year":-8334601228800000000},-262143]}')).toBe(true);
  });
});

describe('stateful operators', () => {
  test('an error in the operand counts as an evaluation', () => {
    const records = [[1], [2, '3'], [3, '3'], [4, '3']] as const;
    expect(outcomes('{"$each_n":"&v"}', records)).toEqual([false, false, true, false]);
  });

  test('$each_n with a negative number goes by its magnitude', () => {
    expect(outcomes('{"$each_n":-2}', [[1], [2], [3], [4]])).toEqual([false, true, false, true]);
  });

  test('$each_t starts anew when time goes backwards', () => {
    const records = [[10], [12], [5], [6], [7]] as const;
    expect(outcomes('{"$each_t":2}', records)).toEqual([false, true, false, false, true]);
  });

  test('$gate is reset when time goes backwards', () => {
    const records = [
      [10, '1'],
      [13, '1'],
      [14, '1'],
      [2, '1'],
      [3, '1'],
      [4, '1'],
    ] as const;
    const expected = [true, false, false, true, true, false];
    expect(outcomes('{"$gate":["2s","&v"]}', records)).toEqual(expected);
  });

  test('$gate after a pause longer than its span waits for a false input', () => {
    const records = [
      [1, '1'],
      [2, '0'],
      [9, '1'],
      [10, '0'],
      [11, '1'],
    ] as const;
    const expected = [true, false, false, false, true];
    expect(outcomes('{"$gate":["2s","&v"]}', records)).toEqual(expected);
  });

  test('two occurrences of an operator count apart', () => {
    const when = '{"$or":[{"$each_n":2},{"$each_n":3}]}';
    const results = outcomes(when, [[1], [2], [3], [4], [5], [6]]);
    expect(results).toEqual([false, true, false, true, true, true]);
  });
});
