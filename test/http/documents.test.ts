import { describe, expect, test } from 'vitest';
import { settingsJson } from '../../src/catalog/bucket-settings.ts';
import { parseBucketSettings } from '../../src/http/bucket-settings.ts';
import { extensionRefusal } from '../../src/http/query-extensions.ts';
import { parseQueryDocument, querySpecOfParameters } from '../../src/http/query-spec.ts';
import { parseJson } from '../../src/wire/json.ts';
import { parseQueryString } from '../../src/wire/query-string.ts';
import { TEST_SETTINGS } from '../lib/store-harness.ts';

const invalidJson: unknown = expect.objectContaining({
  status: 422,
  message: expect.stringMatching(/^Invalid JSON: /),
});

describe('bucket settings', () => {
  test('absent and null members keep the base, unknown ones are ignored', () => {
    expect(parseBucketSettings('', TEST_SETTINGS)).toEqual(TEST_SETTINGS);
    expect(parseBucketSettings('{"quota_size":null,"x":[]}', TEST_SETTINGS)).toEqual(TEST_SETTINGS);
    expect(parseBucketSettings('{"quota_type":"FIFO","quota_size":10}', TEST_SETTINGS)).toEqual({
      ...TEST_SETTINGS,
      quota_type: 'FIFO',
      quota_size: 10,
    });
  });

  test('numbers beyond those of JavaScript come back with all their digits', () => {
    const text = '{"quota_size":18446744073709551615,"max_block_size":9007199254740993}';
    const settings = parseBucketSettings(text, TEST_SETTINGS);
    expect(settings.quota_size).toBe(2 ** 64);
    const told =
      '{"quota_type":"NONE","quota_size":18446744073709551615,' +
      '"max_block_size":9007199254740993,"max_block_records":1024}';
    expect(settingsJson(settings)).toBe(told);
    const stored = JSON.parse(JSON.stringify(settings));
    expect(settingsJson(parseBucketSettings('{"max_block_size":7}', stored))).toBe(
      told.replace('9007199254740993', '7'),
    );
    expect(parseBucketSettings('{"max_block_size":7,"quota_size":1}', stored)).toEqual({
      ...TEST_SETTINGS,
      quota_size: 1,
      max_block_size: 7,
    });
  });

  test.each([
    '{',
    '[]',
    'null',
    '{"quota_size":18446744073709551616}',
    '{"quota_type":"UNKNOWN"}',
    '{"quota_type":1}',
    '{"quota_size":"1"}',
    '{"quota_size":-1}',
    '{"quota_size":1.5}',
    '{"max_block_records":true}',
  ])('%s is refused', (text) => {
    expect(() => parseBucketSettings(text, TEST_SETTINGS)).toThrow(invalidJson);
  });
});

describe('query parameters', () => {
  const parse = (raw: string): ReturnType<typeof querySpecOfParameters> =>
    querySpecOfParameters(parseQueryString(raw));

  test('everything is optional', () => {
    expect(parse('')).toEqual({
      startTs: undefined,
      stopTs: undefined,
      ttlMs: 60_000,
      continuous: false,
      onlyMetadata: false,
      strict: false,
      include: [],
      exclude: [],
      eachS: undefined,
      eachN: undefined,
      limit: undefined,
      whenText: undefined,
    });
  });

  test('times, filters and limits are taken over', () => {
    const raw =
      'start=1&stop=18446744073709551615&ttl=5&continuous=true&include-a=x%20y&include-B=1' +
      '&exclude-c=&each_s=0.5&each_n=3&limit=7&other=1';
    expect(parse(raw)).toMatchObject({
      startTs: 1n,
      stopTs: 2n ** 64n - 1n,
      ttlMs: 5000,
      continuous: true,
      include: ['a', 'x y', 'B', '1'],
      exclude: ['c', ''],
      eachS: 0.5,
      eachN: 3,
      limit: 7,
    });
  });

  test.each([
    ['start=x', "'start' must be an unix timestamp in microseconds"],
    ['stop=-1', "'stop' must be an unix timestamp in microseconds"],
    ['ttl=1.5', "'ttl' must be in seconds as an unsigned integer"],
    ['continuous=1', "'continue' must be a bool value"],
    ['each_n=0', "'each_n' must be greater than 0"],
    ['limit=x', "'limit' must unsigned integer"],
    ['each_s=0', 'Time must be greater than 0 seconds'],
    ['each_s=x', 'Time must be greater than 0 seconds'],
    ['each_s=', 'Time must be greater than 0 seconds'],
  ])('%s is refused', (raw, message) => {
    expect(() => parse(raw)).toThrow(expect.objectContaining({ status: 422, message }));
  });
});

describe('query documents', () => {
  test('null is absent, and the condition is kept as it was written', () => {
    const { spec, isRemoval, patterns } = parseQueryDocument(
      '{"query_type":"QUERY","start":null,"stop":18446744073709551615,"ttl":1,"entries":null,' +
        '"when":{"10":1, "2": 1.0},"strict":true,"include":{"a":"1"},"each_n":2,"zzz":{}}',
    );
    expect(isRemoval).toBe(false);
    expect(patterns).toBeUndefined();
    expect(spec).toMatchObject({
      startTs: undefined,
      stopTs: 2n ** 64n - 1n,
      ttlMs: 1000,
      strict: true,
      include: ['a', '1'],
      eachN: 2,
      whenText: '{"10":1, "2": 1.0}',
    });
    expect(parseQueryDocument('{"query_type":"QUERY","when":null}').spec.whenText).toBeUndefined();
    expect(parseQueryDocument('{"query_type":"REMOVE"}').isRemoval).toBe(true);
    expect(parseQueryDocument('{"query_type":"QUERY","entries":["a"]}').patterns).toEqual(['a']);
  });

  test('a time to live beyond reason is for ever, not an inexact number', () => {
    const { spec } = parseQueryDocument('{"query_type":"QUERY","ttl":18446744073709551615}');
    expect(Number.isSafeInteger(spec.ttlMs)).toBe(true);
  });

  test.each([
    '',
    '{}',
    '{"query_type":"query"}',
    '{"query_type":null}',
    '{"query_type":"QUERY","start":"1"}',
    '{"query_type":"QUERY","start":-1}',
    '{"query_type":"QUERY","continuous":"true"}',
    '{"query_type":"QUERY","entries":"a"}',
    '{"query_type":"QUERY","entries":[1]}',
    '{"query_type":"QUERY","include":{"a":1}}',
  ])('%s is refused', (text) => {
    expect(() => parseQueryDocument(text)).toThrow(invalidJson);
  });
});

describe('extensions', () => {
  test.each([
    ['null', undefined],
    ['{"a":{}}', "Unknown extension 'a' in query id=7"],
    ['{"a":{},"when":{}}', "Unknown extension 'a' in query id=7"],
    ['{"a":{},"b":{}}', "Unknown extension 'a' in query id=7 at step 0"],
    ['[{"a":{}}]', "Unknown extension 'a' in query id=7"],
    ['[{"a":{}},{"b":{}}]', "Unknown extension 'a' in query id=7 at step 0"],
    ['{"a":{},"b":{},"when":{}}', 'Multiple extensions are not supported in query id=7'],
    [
      '[{"a":{}},{"b":{},"c":{}}]',
      "Each '#ext' pipeline step must contain exactly one extension in query id=7",
    ],
    ['[{"a":{}},1]', "Each '#ext' pipeline step must be a JSON object in query id=7"],
    ['{"a":{},"when":[]}', 'Array type is not supported: []'],
    ['[{"b":{}},{"a":{},"when":{"x":1}}]', "Operator 'x' must start with '$'"],
    ['{}', 'Extension name is not found in query id=7'],
    ['[]', 'Extension name is not found in query id=7'],
    ['"a"', 'Extension parameters must be a JSON object or an array of JSON objects in query id=7'],
  ])('%s', (text, expected) => {
    expect(extensionRefusal(parseJson(text), 7)).toBe(expected);
  });
});
