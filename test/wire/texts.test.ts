import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorHeaderText, isHeaderToken, printableText } from '../../src/wire/header-text.ts';
import {
  encodeHeaderName,
  percentDecode,
  percentDecodeLossy,
  PercentSyntaxError,
} from '../../src/wire/percent.ts';
import { parseQueryString, tsOfQueryString } from '../../src/wire/query-string.ts';

describe('query strings', () => {
  test('agree with the platform for everything it can produce', () => {
    const pairs = fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })));
    fc.assert(
      fc.property(pairs, (list) => {
        const raw = new URLSearchParams(list).toString();
        const expected = new Map(new URLSearchParams(raw));
        expect(new Map(parseQueryString(raw))).toEqual(expected);
      }),
    );
  });

  test('the last value of a repeated key wins and malformed escapes stay as they are', () => {
    const query = parseQueryString('a=1&b=%zz&a=2&&c&d=x=y&e=%');
    expect([...query]).toEqual([
      ['a', '2'],
      ['b', '%zz'],
      ['c', ''],
      ['d', 'x=y'],
      ['e', '%'],
    ]);
  });

  test('ts is found alone, among others, encoded, last, or not at all', () => {
    expect(tsOfQueryString('ts=17')).toBe('17');
    expect(tsOfQueryString('a=1&ts=17')).toBe('17');
    expect(tsOfQueryString('t%73=1%37')).toBe('17');
    expect(tsOfQueryString('ts=1&ts=2')).toBe('2');
    expect(tsOfQueryString('ts=-1')).toBe('-1');
    expect(tsOfQueryString('ts=')).toBe('');
    expect(tsOfQueryString('xts=1')).toBeUndefined();
    expect(tsOfQueryString('')).toBeUndefined();
  });
});

describe('percent coding', () => {
  test('what is encoded for a header is legal there and decodes to the same name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        fc.pre(!name.includes('%'));
        const encoded = encodeHeaderName(name);
        expect(name === '' || isHeaderToken(encoded)).toBe(true);
        expect(percentDecode(encoded, 'reject')).toBe(name);
      }),
    );
  });

  test('escapes are upper case and $ stays', () => {
    expect(encodeHeaderName('a/b/$meta')).toBe('a%2Fb%2F$meta');
    expect(encodeHeaderName('é')).toBe('%C3%A9');
  });

  test('malformed escapes are kept or rejected, invalid UTF-8 is told apart', () => {
    expect(percentDecode('a%2', 'keep')).toBe('a%2');
    expect(() => percentDecode('a%2', 'reject')).toThrow(PercentSyntaxError);
    expect(() => percentDecode('%gg', 'reject')).toThrow(PercentSyntaxError);
    expect(percentDecode('%C3', 'keep')).toBeUndefined();
    expect(percentDecodeLossy('%C3')).toBe('\ufffd');
    expect(percentDecode('a%2fb', 'reject')).toBe('a/b');
  });
});

describe('error texts in headers', () => {
  test('control characters make a text unparsable, other characters are replaced', () => {
    expect(errorHeaderText("Bucket 'b' is not found")).toBe("Bucket 'b' is not found");
    expect(errorHeaderText('a\nb')).toBe('Unparsable message');
    expect(errorHeaderText('a\u007fb')).toBe('Unparsable message');
    expect(errorHeaderText('größe')).toBe('gr??e');
  });

  test('no text can break a header line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printableText(text)).toMatch(/^[\t\x20-\x7e]*$/);
        expect(errorHeaderText(text)).toMatch(/^[\t\x20-\x7e]*$/);
      }),
    );
  });
});
