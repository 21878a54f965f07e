import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileEntryPatterns, isMetaEntry } from '../../src/replication/entry-pattern.ts';

function selects(patterns: readonly string[], entry: string): boolean {
  return compileEntryPatterns(patterns)(entry);
}

type Row = readonly [patterns: readonly string[], entry: string, selected: boolean];

const CONTRACT: readonly Row[] = [
  [['sensor-1'], 'sensor-1', true],
  [['sensor-1'], 'sensor-10', false],
  [['ent*'], 'entry', true],
  [['cam-*'], 'cam-1/nested', true],
  [['sensor-*temp'], 'sensor-1-temp', true],
  [['sensor-*temp'], 'sensor-1/temp', false],
  [['/a/*/b'], 'a/x/b', true],
  [['/a/*/b'], 'a/x/d/b', false],
  [['/a/**/b'], 'a/x/b', true],
  [['/a/**/b'], 'a/x/d/b', true],
  [['/a/**/b'], 'a/b', true],
  [['!/a/private/**'], 'a/private/x/b', false],
  [['!/a/private/**'], 'a/public/x/b', true],
  [['/a/**/b', '!/a/private/**'], 'a/private/x/b', false],
  [['/a/**/b', '!/a/private/**'], 'a/public/x/b', true],
  [['sensor-1'], 'sensor-1/$meta', true],
  [[''], 'anything', false],
  [[], 'anything', true],
];

const DETAILS: readonly Row[] = [
  // Exclusions
  [['!a', 'a'], 'a', false],
  [['*', '!a*'], 'b', true],
  [['*', '!a*'], 'a/b', false],
  [['b', '!a'], 'c', false],
  [['!'], '!', true],
  [['!'], 'a', false],
  [['!!a'], '!a', false],
  [['!!a'], 'a', true],
  // Attachments go with their entry
  [['!sensor-1'], 'sensor-1/$meta', false],
  [['*', '!sensor-1/$meta'], 'sensor-1/$meta', false],
  [['*', '!sensor-1/$meta'], 'sensor-1', true],
  [['sensor-1/$meta'], 'sensor-1', false],
  [['a/*'], 'a/b/$meta', true],
  // Stars
  [['*'], 'a/b/c', true],
  [['**'], 'a/b/c', true],
  [['*cam*'], 'a/webcam/1', true],
  [['*cam*'], 'a/b', false],
  [['a*b*'], 'a-1/x-b-2', true],
  [['a*b*'], 'ca-b', false],
  [['/cam*'], 'cam-1/nested', true],
  [['a*a'], 'a', false],
  [['a*a'], 'aa', true],
  [['*ab*ab'], 'ab', false],
  [['*-*-x'], 'a-b-x', true],
  [['*-*-x'], 'a-x', false],
  [['a/**'], 'a', true],
  [['a/**'], 'a/b/c', true],
  [['a/**'], 'ab', false],
  [['**/b'], 'b', true],
  [['**/b'], 'a/c/b', true],
  [['**/b'], 'a/b/c', false],
  [['a/**/m/**/z'], 'a/x/m/y/z', true],
  [['a/**/m/**/z'], 'a/m/z', true],
  [['a/**/m/**/z'], 'a/x/y/z', false],
  [['a/**/m/n/**'], 'a/m/x/m/n', true],
  [['a/**/a'], 'a', false],
  // Literals
  [['Sensor'], 'sensor', false],
  [['a.c'], 'abc', false],
  [['a?'], 'ab', false],
  [['[ab]*'], 'a', false],
];

test.each(CONTRACT)('contract: %j on %s is %s', (patterns, entry, selected) => {
  expect(selects(patterns, entry)).toBe(selected);
});

test.each(DETAILS)('%j on %s is %s', (patterns, entry, selected) => {
  expect(selects(patterns, entry)).toBe(selected);
});

/** Restates the rule of path patterns as a regular expression; too slow for patterns from outside. */
function asRegExp(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    if (segment === '**') return '(?:/[^/]*)*';
    const literals = segment.split('*').map((text) => text.replace(/[.$]/g, '\\$&'));
    return `/${literals.join('[^/]*')}`;
  });
  return new RegExp(`^${segments.join('')}$`);
}

describe('path patterns', () => {
  const segment = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 4 });
  const glob = fc.oneof(
    fc.constantFrom('**', '*'),
    fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), minLength: 1, maxLength: 4 }),
  );

  test('agree with the regular expression that restates the rule', () => {
    const globs = fc.array(glob, { minLength: 2, maxLength: 5 });
    const paths = fc.array(segment, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(globs, paths, (globSegments, segments) => {
        const pattern = globSegments.join('/');
        expect(selects([pattern], segments.join('/'))).toBe(
          asRegExp(pattern).test(`/${segments.join('/')}`),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('with many wildcards cost no more than their length', () => {
    const entry = `${'a'.repeat(2_000)}/${'a/'.repeat(500)}c`;
    expect(selects([`${'a*'.repeat(500)}b/x`], entry)).toBe(false);
    expect(selects([`${'**/a/'.repeat(200)}b`], entry)).toBe(false);
  }, 2_000);
});

test('attachment entries are those whose last segment is $meta', () => {
  expect(isMetaEntry('a/b/$meta')).toBe(true);
  expect(isMetaEntry('$meta')).toBe(true);
  expect(isMetaEntry('a$meta')).toBe(false);
  expect(isMetaEntry('a/$meta/b')).toBe(false);
});
