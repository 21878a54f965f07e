import { describe, expect, test } from 'vitest';
import { ApiError } from '../../src/errors/errors.ts';
import { compileCondition } from '../../src/when/condition.ts';
import type { Directives } from '../../src/when/directives.ts';
import { parseJson, stringifyJson } from '../../src/wire/json.ts';

function directives(when: string): Directives {
  return compileCondition(parseJson(when, { keepFloats: true })).directives;
}

function refusal(when: string, prefix?: string): string {
  try {
    compileCondition(parseJson(when, { keepFloats: true }), prefix);
  } catch (error) {
    if (error instanceof ApiError && error.status === 422) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('directives', () => {
  test('all of them are read', () => {
    const { ext, ...others } = directives(`{
      "#ctx_before": "2s", "#ctx_after": 3, "#select_labels": ["a", "b"], "#ext": [{"x": {"y": 1}}],
      "#batch_size": "1MiB", "#batch_records": 10, "#batch_metadata_size": 2048,
      "#batch_timeout": 5, "#record_timeout": "250ms", "#io_timeout": "500us"
    }`);
    expect(others).toEqual({
      contextBefore: { kind: 'duration', us: 2_000_000n },
      contextAfter: { kind: 'records', count: 3 },
      selectLabels: new Set(['a', 'b']),
      batchSizeBytes: 1_048_576,
      batchRecords: 10,
      batchMetadataSizeBytes: 2_048,
      batchTimeoutMs: 5_000,
      recordTimeoutMs: 250,
      ioTimeoutMs: 0.5,
    });
    expect(stringifyJson(ext ?? null)).toBe('[{"x":{"y":1}}]');
  });

  test('a condition without directives has none', () => {
    for (const when of ['true', '{}', 'null', '"&a"']) {
      expect(new Set(Object.values(directives(when)))).toEqual(new Set([undefined]));
    }
  });

  test('they are no part of the expression, wherever they stand', () => {
    const condition = compileCondition(parseJson('{"$limit":1,"#ctx_before":0,"5":{"$eq":6}}'));
    const view = { timestamp: 0n, label: () => undefined, hasLabel: () => false };
    expect(condition.createStream(true).evaluate(view)).toBe(false);
  });

  test.each([
    ['{"#nope":1}', "Directive '#nope' is not supported"],
    ['{"#ctx_after":null}', "Directive '#ctx_after' cannot be null"],
    ['{"#ext":null}', "Directive '#ext' cannot be null"],
    ['{"#ctx_after":[[1]]}', "Directive '#ctx_after' contains unsupported value type: [1]"],
    ['{"#ext":[null]}', "Directive '#ext' contains unsupported value type: null"],
    ['{"#ctx_before":[{}]}', "Directive '#ctx_before' does not support object items in arrays"],
    [
      '{"#batch_records":9223372036854775808}',
      "Directive '#batch_records' contains integer value out of range: 9223372036854775808",
    ],
    ['{"#ctx_after":[]}', '#ctx_after must be a single value'],
    ['{"#ctx_after":"-1s"}', '#ctx_after must be non-negative'],
    [
      '{"#ctx_after":{"a":1}}',
      `#ctx_after must be an integer or duration: Value '{"a":1}' could not be parsed as integer`,
    ],
    ['{"#select_labels":"1h"}', '#select_labels must contain only string values'],
    ['{"#batch_size":[1,2]}', '#batch_size must be a single integer or string value'],
    [
      '{"#batch_size":"big"}',
      "#batch_size must be a positive integer or string: 'big' is not a size in bytes",
    ],
    [
      '{"#batch_size":2.0}',
      '#batch_size must be a positive integer or string representing a positive integer',
    ],
    [
      '{"#batch_metadata_size":-1}',
      '#batch_metadata_size must be a positive integer or string representing a positive integer',
    ],
    ['{"#batch_records":[]}', '#batch_records must be a single integer value'],
    ['{"#batch_records":2.0}', '#batch_records must be a positive integer'],
    ['{"#batch_records":"2"}', '#batch_records must be a positive integer'],
    ['{"#batch_timeout":[1,2]}', '#batch_timeout must be a single integer or duration value'],
    ['{"#record_timeout":1.5}', '#record_timeout must be a positive integer or duration'],
    ['{"#io_timeout":"-1s"}', '#io_timeout must be a positive integer or duration'],
  ])('%s is refused', (when, text) => {
    expect(refusal(when)).toBe(text);
  });

  test.each([
    ['{"#ctx_before":1.9}', { kind: 'records', count: 1 }],
    ['{"#ctx_before":"7"}', { kind: 'records', count: 7 }],
    ['{"#ctx_before":9223372036854775807}', { kind: 'records', count: Number.MAX_SAFE_INTEGER }],
  ])('%s converts', (when, window) => {
    expect(directives(when).contextBefore).toEqual(window);
  });

  test('a directive name goes before the expression, its value after it', () => {
    expect(refusal('{"$foo":[1],"#nope":1}')).toBe("Directive '#nope' is not supported");
    expect(refusal('{"#ctx_before":-1,"$foo":[1]}')).toBe("Operator '$foo' not supported");
  });

  test('the prefix of replication stands before syntax errors only', () => {
    const prefix = 'Invalid replication condition: ';
    expect(refusal('{"$foo":[1]}', prefix)).toBe(`${prefix}Operator '$foo' not supported`);
    expect(refusal('{"#foo":1}', prefix)).toBe(`${prefix}Directive '#foo' is not supported`);
    expect(refusal('{"#ctx_before":-1}', prefix)).toBe('#ctx_before must be non-negative');
  });
});
