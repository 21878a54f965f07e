import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BatchV1Parser,
  formatBatchV1Line,
  formatBatchV1Tail,
  isExactTail,
  parseBatchV1Name,
} from '../../src/wire/batch-v1.ts';
import type { BatchV1Value } from '../../src/wire/batch-v1.ts';

const parse = (value: string): BatchV1Value => new BatchV1Parser().parse(value);

/** Printable texts without blanks at the ends, as the format can carry them. */
const printable = fc
  .string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  .filter((text) => text.trim() === text);
const labelName = printable.filter((text) => text !== '' && !/[,="]/.test(text));
const labelValue = printable.filter((text) => !text.startsWith('"') && !/,.*"|".*,/.test(text));
const labels = fc.dictionary(labelName, labelValue, { maxKeys: 40 });
const contentType = printable.filter((text) => text !== '' && !text.includes(','));

describe('batch v1 record headers', () => {
  test('what is written is what is read', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), contentType, labels, (length, type, pairs) => {
        const line = formatBatchV1Line(
          7n,
          length,
          formatBatchV1Tail(type, Object.entries(pairs).flat()),
        );
        const value = parse(line.slice(line.indexOf(': ') + 2));
        expect(value.lengthBytes).toBe(length);
        expect(value.contentType).toBe(type);
        const got: Record<string, string> = {};
        for (let i = 0; i < value.labels.length; i += 2) {
          got[value.labels[i] ?? ''] = value.labels[i + 1] ?? '';
        }
        expect(got).toEqual({ ...pairs });
      }),
    );
  });

  test('what cannot be written is told from what can, so nothing is read that was not there', () => {
    // As single writes bring it in: names are parts of header names, values anything without blanks at their ends.
    const name = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,6}$/);
    const awkward = fc.stringMatching(/^[a"=,; ]{0,8}$/).filter((text) => text.trim() === text);
    const value = fc.oneof(awkward, printable);
    // Parameters behind a comma as they are written; "a/b,c=d" without a blank is type and label for everybody.
    const anyType = fc.oneof(
      contentType,
      fc.stringMatching(/^[a-z]\/[a-z;=]{0,3}(, [a-z;=]{0,3})?[a-z]$/),
    );
    fc.assert(
      fc.property(anyType, fc.dictionary(name, value, { maxKeys: 4 }), (type, pairs) => {
        const tail = formatBatchV1Tail(type, Object.entries(pairs).flat());
        if (!isExactTail(tail)) return;
        const read = parse(`1${tail}`);
        const got = new Map<string, string>();
        for (let i = 0; i < read.labels.length; i += 2) {
          got.set(read.labels[i] ?? '', read.labels[i + 1] ?? '');
        }
        expect({ type: read.contentType, labels: got }).toEqual({
          type,
          labels: new Map(Object.entries(pairs)),
        });
      }),
      { numRuns: 20_000 },
    );
  });

  test('most values are said to be exact, and need no second look', () => {
    const plain = ['a', '1', 'true', 'x y', 'a"b', 'b=c', 'one, two', ''];
    for (const value of plain) {
      expect(isExactTail(formatBatchV1Tail('text/plain; charset=utf-8', ['k', value]))).toBe(true);
    }
    for (const value of ['"a', 'a,"b', 'a,b=c']) {
      expect(isExactTail(formatBatchV1Tail('text/plain', ['k', value]))).toBe(false);
    }
  });

  test.each<[string, BatchV1Value]>([
    ['3,', { lengthBytes: 3, contentType: 'application/octet-stream', labels: [] }],
    [' 3 , text/plain ', { lengthBytes: 3, contentType: 'text/plain', labels: [] }],
    [
      '0,,a=1,b=',
      { lengthBytes: 0, contentType: 'application/octet-stream', labels: ['a', '1', 'b', ''] },
    ],
    ['1,t,a="x, y",b= z ', { lengthBytes: 1, contentType: 't', labels: ['a', 'x, y', 'b', 'z'] }],
    ['1,t,a=" x ", ,b=1', { lengthBytes: 1, contentType: 't', labels: ['a', 'x', 'b', '1'] }],
    ['1,t,a=x=y"z,trailing', { lengthBytes: 1, contentType: 't', labels: ['a', 'x=y"z'] }],
    ['1,t,a=1,a=2', { lengthBytes: 1, contentType: 't', labels: ['a', '2'] }],
    ['1,t,Case=V', { lengthBytes: 1, contentType: 't', labels: ['Case', 'V'] }],
  ])('%j is read as the contract says', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test.each([
    ['3', 'Invalid batched header'],
    ['', 'Invalid batched header'],
    ['x,', 'Invalid content length'],
    ['-1,', 'Invalid content length'],
    [',', 'Invalid content length'],
    ['1,t,a="x', 'Invalid batched header'],
    ['1,t,a=é', 'Malformed header received: failed to convert header to a str'],
  ])('%j is refused with 422', (text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ status: 422, message }));
  });

  test('equal neighbours share one label list', () => {
    const parser = new BatchV1Parser();
    const first = parser.parse('1,t,a=1');
    const second = parser.parse('2,t,a=1');
    const third = parser.parse('2,t,a=2');
    expect(second.labels).toBe(first.labels);
    expect(third.labels).toEqual(['a', '2']);
    expect(parser.parse('3,t,a=1').labels).toEqual(['a', '1']);
  });

  test('labels are written sorted, and quoted only for a comma', () => {
    expect(formatBatchV1Tail('t', ['b', '2', 'a', '1,5', 'c', '"'])).toBe(',t,a="1,5",b=2,c="');
    expect(formatBatchV1Tail('t', [])).toBe(',t');
  });

  test('a label with a line break cannot add a header', () => {
    expect(formatBatchV1Tail('t', ['a\r\nx-evil', '1'])).toBe(',t,a??x-evil=1');
  });

  test('the timestamp is read from the name or refused with the name in the text', () => {
    expect(parseBatchV1Name('x-reduct-time-18446744073709551615')).toBe(2n ** 64n - 1n);
    for (const name of ['x-reduct-time-', 'x-reduct-time-a', 'x-reduct-time--1']) {
      expect(() => parseBatchV1Name(name)).toThrow(
        `Invalid header '${name}': must be an unix timestamp in microseconds`,
      );
    }
  });

  test('a header of many labels takes time in proportion to its length', () => {
    const many = Array.from({ length: 60_000 }, (_, i) => `l${i}=${i}`).join(',');
    expect(parse(`1,t,${many}`).labels.length).toBe(120_000);
  });
});
