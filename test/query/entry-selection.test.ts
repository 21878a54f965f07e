import { describe, expect, test } from 'vitest';
import { compileEntrySelection, selectInSlices } from '../../src/query/entry-selection.ts';
import type { NamedEntries } from '../../src/query/entry-selection.ts';

const NAMES = [
  'a',
  'a/b',
  'a/x/b',
  'a/x/d/b',
  'a/x/y',
  'a/x/yz',
  'a/x/y/$meta',
  'a/$meta',
  '$meta',
];

function select(patterns: readonly string[] | undefined, names = NAMES): string[] {
  return names.filter(compileEntrySelection(patterns));
}

const WITHOUT_META = NAMES.filter((name) => !name.includes('$meta'));

describe('without an inclusion', () => {
  test.each([[undefined], [[]], [['!none']]])('%j selects all entries except $meta', (patterns) => {
    expect(select(patterns)).toEqual(WITHOUT_META);
  });

  test('exclusions take entries away', () => {
    expect(select(['!a/x/*', '!a'])).toEqual(['a/b', 'a/x/d/b']);
  });
});

describe('exclusions and inclusions', () => {
  test('an entry needs an inclusion and no exclusion', () => {
    expect(select(['a/**', '!a/x/**'])).toEqual(['a', 'a/b']);
  });

  test('an exclusion may be the exact name of a $meta entry', () => {
    expect(select(['a/$meta', '$meta', '!a/$meta'])).toEqual(['$meta']);
  });

  test('a lone exclamation mark is an inclusion that matches nothing', () => {
    expect(select(['!'])).toEqual([]);
  });
});

describe('$meta entries', () => {
  test('are selected by their exact name', () => {
    expect(select(['a/$meta'])).toEqual(['a/$meta']);
    expect(select(['$meta'])).toEqual(['$meta']);
  });

  test('are never selected by patterns', () => {
    expect(select(['a/x/y/*'])).toEqual([]);
    expect(select(['**'])).toEqual([]);
    expect(select(['a/**'])).not.toContain('a/$meta');
  });

  test('are not selected by name when the list also holds *', () => {
    expect(select(['*', 'a/$meta'])).toEqual(WITHOUT_META);
  });

  test('a name is not trimmed to select them', () => {
    expect(select(['/a/$meta'])).toEqual([]);
  });
});

describe('patterns', () => {
  test.each([
    ['*', 'x', true],
    ['*', 'x/y', true],
    ['acc-*', 'acc-a', true],
    ['acc-*', 'acc-a/sub', true],
    ['acc-*', 'acc-', true],
    ['acc-*', 'bcc-a', false],
    ['/acc-*', 'acc-a/sub', true],
    ['//a', 'a', true],
    ['a', 'a', true],
    ['a', 'a/b', false],
    ['/a/*/b', 'a/x/b', true],
    ['/a/*/b', 'a/x/d/b', false],
    ['/a/**/b', 'a/b', true],
    ['/a/**/b', 'a/x/d/b', true],
    ['/a/**/b', 'a/x/d/c', false],
    ['sensor-*temp', 'sensor-alpha-temp', true],
    ['sensor-*temp', 'sensor-alpha-temp/x', false],
    ['sensor-*temp', 'sensor-alpha', false],
    ['a/x/y*', 'a/x/y', true],
    ['a/x/y*', 'a/x/yz', true],
    ['a/x/y*', 'a/x/y/$meta', false],
    ['a/*', 'a/b', true],
    ['a/*', 'a/b/c', false],
    ['a/', 'a', false],
    ['a/*/', 'a/b', false],
    ['**/b', 'b', true],
    ['**/b', 'x/y/b', true],
    ['**/b/**/c', 'x/b/y/b/z/c', true],
    ['**/b/**/c', 'x/b/y', false],
    ['a/*b*c', 'a/xbyc', true],
    ['a/*b*c', 'a/cb', false],
    ['a/b*b', 'a/b', false],
    // One pattern without slash that ends with `*`: everything before the last one is plain text.
    ['*cam*', 'my-cam-1', false],
    ['**', 'x', false],
  ])('%s on %s: %s', (pattern, name, isSelected) => {
    expect(select([pattern], [name])).toEqual(isSelected ? [name] : []);
  });

  test('many wildcards on a long name take no more than polynomial time', () => {
    const name = `${'a/'.repeat(200)}x`;
    expect(select([`${'**/a/'.repeat(60)}b`], [name])).toEqual([]);
    expect(select([`x/${'*a'.repeat(200)}b`], [`x/${'a'.repeat(4_000)}`])).toEqual([]);
  });
});

describe('many patterns on many entries', () => {
  const bucketWith = (names: readonly string[]): NamedEntries => ({
    entries: new Map(names.map((name) => [name, { name }])),
  });

  test('are compared in slices, and select what they would at once', async () => {
    const names = Array.from({ length: 2_000 }, (_, i) => `line-${i % 7}/sensor-${i}`);
    names.push('$meta', 'line-1/$meta', 'other');
    const patterns = ['!line-3/*', '/line-1/**', 'line-*/*5', 'line-1/$meta', 'none*'];
    for (let i = 0; patterns.length < 1_000; i++) patterns.push(`**/x${i}*`);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const selected = await selectInSlices(bucketWith(names), patterns);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    expect(select(selected, names)).toEqual(select(patterns, names));
    expect(select(selected, names).length).toBeGreaterThan(200);
  });

  test('that match nothing select nothing', async () => {
    const names = Array.from({ length: 60_000 }, (_, i) => `e${i}`);
    const selected = await selectInSlices(bucketWith(names), ['none*']);
    expect(select(selected, names)).toEqual([]);
  });

  test('stay as they are when there is little to compare', async () => {
    const patterns = ['a*', 'b'];
    expect(await selectInSlices(bucketWith(['a', 'b']), patterns)).toBe(patterns);
    expect(await selectInSlices(bucketWith(['a', 'b']), undefined)).toBeUndefined();
  });

  test('are refused above 1000, names are not', async () => {
    const names = Array.from({ length: 1_001 }, (_, i) => `e${i}`);
    expect(await selectInSlices(bucketWith(names), names)).toBe(names);
    const patterns = names.map((name) => `${name}*`);
    await expect(selectInSlices(bucketWith(names), patterns)).rejects.toMatchObject({
      status: 422,
      message: "'entries' has 1001 items with '*', at most 1000 are accepted: use fewer, or names",
    });
  });
});
