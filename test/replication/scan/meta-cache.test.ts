import { describe, expect, test } from 'vitest';
import { describeMeta } from '../../../src/replication/scan/meta-cache.ts';
import { BatchV1Parser } from '../../../src/wire/batch-v1.ts';
import fc from 'fast-check';

describe('how a record travels', () => {
  test.each([
    ['plain', 'text/plain', ['a', '1'], 'batch'],
    ['a comma in a value', 'text/plain', ['a', '1,2'], 'batch'],
    ['an equals sign in a value', 'text/plain', ['a', '1=2'], 'batch'],
    ['comma and quote in a value', 'text/plain', ['a', '1,"2"'], 'single'],
    ['a quote at the start', 'text/plain', ['a', '"1'], 'single'],
    ['a comma in the content type', 'text/plain, x', ['a', '1'], 'single'],
    ['a name that header names cannot be', 'text/plain', ['A', '"1'], 'none'],
    ['blanks at the end of a value', 'text/plain', ['a', '1 '], 'none'],
    ['characters beyond ASCII', 'text/plain', ['a', 'ü'], 'none'],
    ['a line break', 'text/plain', ['a', '1\n'], 'none'],
  ])('%s', (_what, contentType, labels, carrier) => {
    expect(describeMeta(contentType, labels).carrier).toBe(carrier);
  });

  test('what travels in a batch header is read back as it was', () => {
    const text = fc.string({ unit: 'binary-ascii', maxLength: 12 });
    const labels = fc.uniqueArray(fc.tuple(text, text), {
      selector: ([name]) => name,
      maxLength: 5,
    });
    fc.assert(
      fc.property(text, labels, (contentType, pairs) => {
        const { carrier, tail } = describeMeta(contentType, pairs.flat());
        if (carrier !== 'batch') return;
        const read = new BatchV1Parser().parse(`3${tail}`);
        expect(read.contentType).toBe(
          contentType === '' ? 'application/octet-stream' : contentType,
        );
        const sorted = pairs.toSorted(([a], [b]) => (a < b ? -1 : 1));
        const readPairs = Array.from({ length: read.labels.length / 2 }, (_, i) =>
          read.labels.slice(i * 2, i * 2 + 2),
        );
        expect(readPairs.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))).toEqual(sorted);
      }),
      { numRuns: 2000 },
    );
  });
});
