import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isJsonArray,
  isJsonObject,
  JSON_DEPTH_LIMIT,
  JsonFloat,
  type JsonValue,
  JsonSyntaxError,
  memberText,
  parseJson,
  stringifyJson,
} from '../../src/wire/json.ts';

/** The value as `JSON.parse` would make it; big integers lose their tail. */
function toPlain(value: JsonValue): unknown {
  if (value === null || typeof value !== 'object') {
    return typeof value === 'bigint' ? Number(value) : value;
  }
  if (value instanceof JsonFloat) return value.value;
  if (isJsonArray(value)) return value.map(toPlain);
  return Object.fromEntries([...value].map(([key, member]) => [key, toPlain(member)]));
}

function messageOf(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error.message;
    throw error;
  }
  return 'valid';
}

function keysOf(value: JsonValue): string[] {
  return isJsonObject(value) ? [...value.keys()] : [];
}

describe('parseJson', () => {
  test('members keep the order of the text, also those with integer-like keys', () => {
    expect(keysOf(parseJson('{"b":1,"10":2,"a":3,"1":4}'))).toEqual(['b', '10', 'a', '1']);
  });

  test('a repeated key keeps its place and takes the later value', () => {
    expect(stringifyJson(parseJson('{"a":1,"b":2,"a":3}'))).toBe('{"a":3,"b":2}');
  });

  test('a key like __proto__ is an ordinary member', () => {
    expect(keysOf(parseJson('{"__proto__":{"x":1}}'))).toEqual(['__proto__']);
  });

  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
    ['-9223372036854775808', -9223372036854775808n],
    ['18446744073709551616', 2 ** 64],
    ['-9223372036854775809', -(2 ** 63)],
    ['100000000000000000000000000', 1e26],
    ['-0', 0],
    ['-0.0', -0],
    ['1e19', 1e19],
    ['0.5E+1', 5],
  ])('the number %s is read exactly or as the nearest double', (text, expected) => {
    expect(parseJson(text)).toBe(expected);
  });

  test('with keepFloats a fraction or exponent on a whole number is not lost', () => {
    const value = parseJson('[2, 2.0, 2e0, 2.5, -0.0]', { keepFloats: true });
    expect(stringifyJson(value)).toBe('[2,2.0,2.0,2.5,-0.0]');
    expect(isJsonArray(value) && value[1]).toEqual(new JsonFloat(2));
  });

  test('escapes and surrogate pairs are decoded', () => {
    expect(parseJson(String.raw`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`)).toBe('"\\/\b\f\n\r\té😀');
  });

  test.each([
    ['', 'EOF while parsing a value at line 1 column 0'],
    ['x', 'expected value at line 1 column 1'],
    [' \n  x', 'expected value at line 2 column 3'],
    ['tru', 'EOF while parsing a value at line 1 column 3'],
    ['trux', 'expected ident at line 1 column 4'],
    ['1 2', 'trailing characters at line 1 column 3'],
    ['[', 'EOF while parsing a list at line 1 column 1'],
    ['[1', 'EOF while parsing a list at line 1 column 2'],
    ['[1,', 'EOF while parsing a value at line 1 column 3'],
    ['[1 2]', 'expected `,` or `]` at line 1 column 4'],
    ['[1,]', 'trailing comma at line 1 column 4'],
    ['{', 'EOF while parsing an object at line 1 column 1'],
    ['{"a"', 'EOF while parsing an object at line 1 column 4'],
    ['{"a" 1}', 'expected `:` at line 1 column 6'],
    ['{"a":1', 'EOF while parsing an object at line 1 column 6'],
    ['{"a":1,', 'EOF while parsing a value at line 1 column 7'],
    ['{"a":1,}', 'trailing comma at line 1 column 8'],
    ['{"a":1 "b":2}', 'expected `,` or `}` at line 1 column 8'],
    ['{1:2}', 'key must be a string at line 1 column 2'],
    ['"abc', 'EOF while parsing a string at line 1 column 4'],
    ['"é', 'EOF while parsing a string at line 1 column 3'],
    ['"\\x"', 'invalid escape at line 1 column 3'],
    ['"\\u12"', 'EOF while parsing a string at line 1 column 6'],
    ['"\\u12g4"', 'invalid escape at line 1 column 7'],
    ['"\\ud800"', 'unexpected end of hex escape at line 1 column 8'],
    ['"\\ud800\\u0041"', 'lone leading surrogate in hex escape at line 1 column 13'],
    ['"\\udc00"', 'lone leading surrogate in hex escape at line 1 column 7'],
    ['"\n"', /^control character .* at line 2 column 0$/],
    ['01', 'invalid number at line 1 column 2'],
    ['-', 'EOF while parsing a value at line 1 column 1'],
    ['-x', 'invalid number at line 1 column 2'],
    ['1.', 'EOF while parsing a value at line 1 column 2'],
    ['1.x', 'invalid number at line 1 column 3'],
    ['1e', 'EOF while parsing a value at line 1 column 2'],
    ['1e400', 'number out of range at line 1 column 5'],
    ['[NaN]', 'expected value at line 1 column 2'],
  ])('%j is refused with its place', (text, message) => {
    expect(messageOf(text)).toMatch(message);
  });

  test('nesting is bounded, whatever its kind', () => {
    const deepest = JSON_DEPTH_LIMIT - 1;
    expect(messageOf('['.repeat(deepest) + ']'.repeat(deepest))).toBe('valid');
    expect(messageOf('['.repeat(1_000_000))).toBe('recursion limit exceeded at line 1 column 128');
    expect(messageOf('{"a":'.repeat(1_000_000))).toMatch(/^recursion limit exceeded at line 1/);
  });

  test('the number of values can be bounded', () => {
    const options = { maxValues: 5 };
    expect(parseJson('[1,{"a":[2]}]', options)).toEqual([1, new Map([['a', [2]]])]);
    expect(() => parseJson('[1,{"a":[2]},3]', options)).toThrow(
      'too many values at line 1 column 14',
    );
  });

  test('it reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(toPlain(parseJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('it refuses every text that JSON.parse refuses, and only with its own error', () => {
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.nat(3), fc.string({ maxLength: 2 }))
      .map(([text, at, cut, insert]) => {
        const start = at % (text.length + 1);
        return text.slice(0, start) + insert + text.slice(start + cut);
      });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), mutated), (text) => {
        const message = messageOf(text);
        if (message !== 'valid') return;
        expect(() => JSON.parse(text)).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('stringifyJson', () => {
  test('text of a parsed value parses to the same value', () => {
    const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).map(String);
    const number = fc.oneof(big, fc.double({ noNaN: true, noDefaultInfinity: true }).map(String));
    fc.assert(
      fc.property(fc.array(fc.oneof(number, fc.json({ maxDepth: 3 }))), (texts) => {
        const value = parseJson(`[${texts.join(',')}]`, { keepFloats: true });
        expect(parseJson(stringifyJson(value), { keepFloats: true })).toEqual(value);
      }),
    );
  });

  test('doubles beyond 2^53 stay doubles, integers stay bare', () => {
    const text = '[10000000000000000000.0,1e21,18446744073709551615,"\\u0001"]';
    expect(stringifyJson(parseJson(text))).toBe(text);
  });
});

describe('memberText', () => {
  test('gives the member of the root as it was written', () => {
    const body = '{ "when" : 1, "x": {"when": 2}, "when": { "$gt" : [1.0, 1e3] } }';
    expect(memberText(body, 'when')).toBe('{ "$gt" : [1.0, 1e3] }');
  });

  test('is undefined for an absent member and for other roots', () => {
    expect(memberText('{"x":{"when":1}}', 'when')).toBeUndefined();
    expect(memberText('[{"when":1}]', 'when')).toBeUndefined();
  });
});
