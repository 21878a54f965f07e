import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BugError } from '../../src/errors/errors.ts';
import { compileCondition } from '../../src/when/condition.ts';
import type { ConditionStream } from '../../src/when/evaluate/stream.ts';
import { parseJson } from '../../src/wire/json.ts';
import { type TestRecord, testRecord } from './lib/test-record.ts';

function stream(when: string, strict = false): ConditionStream<TestRecord> {
  return compileCondition(parseJson(when)).createStream<TestRecord>(strict);
}

const record = (seconds: number, v: string): TestRecord =>
  testRecord(BigInt(seconds) * 1_000_000n, { v });

/** Seconds of the records that come out until the stream stops. */
function returned(from: ConditionStream<TestRecord>, records: readonly TestRecord[]): number[] {
  const seconds: number[] = [];
  for (const item of records) {
    const { emit, stop } = from.push(item);
    seconds.push(...emit.map(({ timestamp }) => Number(timestamp / 1_000_000n)));
    if (stop) break;
  }
  return seconds;
}

describe('a condition stream', () => {
  test('streams of one condition have their own state', () => {
    const condition = compileCondition(parseJson('{"$each_n":2}'));
    const first = condition.createStream(true);
    const second = condition.createStream(true);
    expect(first.evaluate(record(1, ''))).toBe(false);
    expect(second.evaluate(record(1, ''))).toBe(false);
    expect(first.evaluate(record(2, ''))).toBe(true);
  });

  test('null is no condition', () => {
    expect(stream('null', true).evaluate(record(1, ''))).toBe(true);
  });

  test('a label that repeats, changes and comes back is read anew each time', () => {
    const condition = stream('{"&v":{"$gt":10}}', true);
    const values = ['11', '11', '9', '11', 'x', 'x', '1e2', '9'.repeat(100)];
    const expected = [true, true, false, true, false, false, true, true];
    expect(values.map((v) => condition.evaluate(record(1, v)))).toEqual(expected);
  });

  test('after a limit the stream says no to everything, in both modes', () => {
    for (const strict of [true, false]) {
      const condition = stream('{"&v":{"$eq":1},"$limit":1}', strict);
      expect(condition.evaluate(record(1, '1'))).toBe(true);
      expect(condition.isStopped).toBe(false);
      expect(condition.evaluate(record(2, '1'))).toBe(false);
      expect(condition.isStopped).toBe(true);
      expect(condition.evaluate(testRecord(3n))).toBe(false);
      expect(condition.push(record(4, '1'))).toEqual({ emit: [], stop: true });
    }
  });

  test('a limit stops below a negation and before an error that would follow', () => {
    expect(stream('{"$not":[{"$limit":0}]}').push(record(1, ''))).toEqual({ emit: [], stop: true });
    const condition = stream('{"$or":[{"$limit":0},"&missing"]}', true);
    expect(condition.push(record(1, ''))).toEqual({ emit: [], stop: true });
  });

  test('context goes on over records whose evaluation failed', () => {
    const records = [record(1, '1'), testRecord(2_000_000n), record(3, '0'), record(4, '0')];
    expect(returned(stream('{"#ctx_after":2,"&v":{"$eq":1}}'), records)).toEqual([1, 2, 3]);
  });

  test('a long buffer keeps the last records before a match', () => {
    const records = Array.from({ length: 1_000 }, (_, i) => record(i, i === 999 ? '1' : '0'));
    const seconds = returned(stream('{"#ctx_before":300,"&v":{"$eq":1}}'), records);
    expect(seconds).toEqual(Array.from({ length: 301 }, (_, i) => 699 + i));
  });

  test('the state of another condition is refused', () => {
    const state = stream('{"$each_n":2}').snapshot();
    expect(() => stream('true').restore(state)).toThrow(BugError);
  });
});

const CONDITIONS = [
  '{"&v":{"$eq":1},"$each_n":2}',
  '{"$each_t":"2s"}',
  '{"$gate":["3s","&v"]}',
  '{"$or":["&v",{"$limit":3}]}',
  '{"#ctx_before":2,"#ctx_after":1,"&v":{"$eq":1}}',
  '{"#ctx_before":"3s","#ctx_after":"2s","$gate":["2s","&v"],"$limit":4}',
];

describe('snapshot and restore', () => {
  test('a stream carried over between any two records returns what an unbroken one returns', () => {
    const label = fc.constantFrom('0', '1', '1', 'true');
    const step = fc.tuple(fc.integer({ min: 1, max: 3 }), label, fc.boolean());
    fc.assert(
      fc.property(fc.constantFrom(...CONDITIONS), fc.array(step), (when, steps) => {
        let seconds = 0;
        const records = steps.map(([gap, v]) => record((seconds += gap), v));
        const unbroken = returned(stream(when), records);

        const carried: number[] = [];
        let current = stream(when);
        records.forEach((item, index) => {
          carried.push(...returned(current, [item]));
          if (steps[index]?.[2] !== true) return;
          const next = stream(when);
          next.restore(structuredClone(current.snapshot()), current.buffered());
          current = next;
        });
        expect(carried).toEqual(unbroken);
      }),
      { numRuns: 1_000 },
    );
  });
});
