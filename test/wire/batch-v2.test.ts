import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatBatchV2, formatEntryNames } from '../../src/wire/batch-v2-format.ts';
import type { BatchV2Item } from '../../src/wire/batch-v2-format.ts';
import { parseBatchV2 } from '../../src/wire/batch-v2.ts';
import type { BatchV2Headers } from '../../src/wire/batch-v2.ts';

function toHeaders(lines: string): BatchV2Headers {
  const known = new Map<string, string>();
  const others: string[] = [];
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 2);
    if (/^x-reduct-(entries|start-ts|labels)$/.test(name)) known.set(name, value);
    else others.push(name, value);
  }
  return {
    entries: known.get('x-reduct-entries'),
    startTs: known.get('x-reduct-start-ts'),
    labels: known.get('x-reduct-labels'),
    others,
  };
}

const request = (changes: Partial<BatchV2Headers>): BatchV2Headers => ({
  entries: 'a,b',
  startTs: '100',
  labels: undefined,
  others: [],
  ...changes,
});

const printable = fc
  .string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  .filter((text) => text.trim() === text);
const labelName = printable.filter(
  (text) => text !== '' && !text.startsWith('@') && !text.includes('%'),
);
const labelValue = printable.filter((t) => t !== '' && !t.startsWith('"') && !/,.*"|".*,/.test(t));
const item = fc.record({
  entryIndex: fc.nat(2),
  ts: fc.bigInt({ min: 0n, max: 50n }).map((us) => us + 1_000n),
  lengthBytes: fc.nat(1000),
  contentType: fc.constantFrom('text/plain', 'a/b', 'image/png'),
  labels: fc
    .dictionary(labelName, labelValue, { maxKeys: 4 })
    .map((pairs) => Object.entries(pairs).flat()),
});
const items = fc.uniqueArray(item, { selector: (i) => `${i.entryIndex}/${i.ts}`, maxLength: 30 });

function sorted(list: readonly BatchV2Item[]): BatchV2Item[] {
  return list.toSorted((a, b) => a.entryIndex - b.entryIndex || Number(a.ts - b.ts));
}

function asRecord(labels: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < labels.length; i += 2) map.set(labels[i] ?? '', labels[i + 1] ?? '');
  return map;
}

describe('batch v2 headers', () => {
  test('what is written is what is read, in the order of the body', () => {
    const names = ['x', 'x/y', 'x/$meta'];
    fc.assert(
      fc.property(items, fc.boolean(), (list, isReversed) => {
        const expected = sorted(list);
        const headers = toHeaders(formatBatchV2(names, 1_000n, expected));
        const others = isReversed ? reversePairs(headers.others) : headers.others;
        const parsed = parseBatchV2({ ...headers, others });
        expect(parsed.entryNames).toEqual(names);
        expect(parsed.startTs).toBe(1_000n);
        expect(parsed.records.length).toBe(expected.length);
        parsed.records.forEach((record, i) => {
          const want = expected[i];
          expect(record).toMatchObject({
            entryIndex: want?.entryIndex,
            ts: want?.ts,
            lengthBytes: want?.lengthBytes,
            contentType: want?.contentType,
          });
          expect(asRecord(record.labels)).toEqual(asRecord(want?.labels ?? []));
        });
      }),
    );
  });

  test('later records of an entry carry only what changed', () => {
    const base = { entryIndex: 0, contentType: 'a/b', lengthBytes: 8 };
    const text = formatBatchV2(['e'], 5n, [
      { ...base, ts: 5n, labels: ['k', '1', 'l', 'x,y'] },
      { ...base, ts: 6n, labels: ['k', '1', 'l', 'x,y'] },
      { ...base, ts: 7n, labels: ['k', '2'] },
      { ...base, ts: 8n, contentType: 'c/d', labels: ['k', '2'] },
    ]);
    expect(text.split('\r\n')).toEqual([
      'x-reduct-entries: e',
      'x-reduct-start-ts: 5',
      'x-reduct-labels: k,l',
      'x-reduct-0-0: 8,a/b,0=1,1="x,y"',
      'x-reduct-0-1: 8',
      'x-reduct-0-2: 8,,0=2,1=',
      'x-reduct-0-3: 8,c/d',
    ]);
  });

  test('an empty batch names no entry', () => {
    expect(formatBatchV2([], 0n, [])).toBe('x-reduct-entries: \r\nx-reduct-start-ts: 0');
    expect(formatEntryNames(['a/b', '$meta'])).toBe('a%2Fb,$meta');
  });

  test('names may be sent raw and an empty value removes a label', () => {
    const parsed = parseBatchV2(
      request({
        entries: ' a/b , c%2Fd',
        others: ['x-reduct-1-5', '1,t,a=1,b=2', 'x-reduct-1-6', '1,,a='],
      }),
    );
    expect(parsed.entryNames).toEqual(['a/b', 'c/d']);
    expect(parsed.records.map((r) => [r.ts, r.labels])).toEqual([
      [105n, ['a', '1', 'b', '2']],
      [106n, ['b', '2']],
    ]);
  });

  test('headers that are no records are left alone', () => {
    const parsed = parseBatchV2(
      request({ others: ['x-reduct-content-length', '5', 'x-reduct-api', '1'] }),
    );
    expect(parsed.records).toEqual([]);
  });

  test.each<[string, Partial<BatchV2Headers>]>([
    ['x-reduct-start-ts header is required', { startTs: undefined }],
    ['Invalid x-reduct-start-ts header', { startTs: 'x' }],
    ['x-reduct-entries header is required', { entries: ' ' }],
    ['x-reduct-entries header must not contain empty entry names', { entries: 'a,,b' }],
    ['x-reduct-labels header is empty', { labels: '' }],
    ["Invalid entry encoding in header name: 'a%2'", { entries: 'a%2' }],
    ["Entry name is not valid UTF-8 in header '%C3'", { entries: '%C3' }],
    ["Invalid label encoding in header value: '%x'", { labels: '%x' }],
    [
      "Invalid header 'x-reduct-label-1': entry index must be a number",
      { others: ['x-reduct-label-1', ''] },
    ],
    ["Invalid batched header 'x-reduct-5'", { others: ['x-reduct-5', '1,'] }],
    [
      "Invalid header 'x-reduct-0-': must be an unix timestamp in microseconds",
      { others: ['x-reduct-0-', '1,'] },
    ],
    ["Invalid header 'x-reduct-2-5': entry index out of range", { others: ['x-reduct-2-5', '1,'] }],
    [
      "Invalid header 'x-reduct-0-1': must be an unix timestamp in microseconds",
      { startTs: '18446744073709551615', others: ['x-reduct-0-1', '1,'] },
    ],
    [
      'Content-type and labels must be provided for the first record of an entry',
      { others: ['x-reduct-0-1', '1'] },
    ],
    ['Invalid batched header', { others: ['x-reduct-0-1', 'x,t'] }],
    ['Invalid batched header', { others: ['x-reduct-0-1', '1,t,abc'] }],
    ['Invalid batched header', { others: ['x-reduct-0-1', '1,t,a="b'] }],
    ["Label index '1' is out of range", { labels: 'a', others: ['x-reduct-0-1', '1,t,1=b'] }],
    [
      "Label names must not start with '@': reserved for computed labels",
      { labels: '%40a', others: ['x-reduct-0-1', '1,t,0=b'] },
    ],
  ])('refuses with %j', (message, changes) => {
    expect(() => parseBatchV2(request(changes))).toThrow(
      expect.objectContaining({ status: 422, message }),
    );
  });
});

function reversePairs(flat: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = flat.length - 2; i >= 0; i -= 2) out.push(flat[i] ?? '', flat[i + 1] ?? '');
  return out;
}
