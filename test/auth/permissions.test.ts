import { describe, expect, test } from 'vitest';
import { BucketMatcher, checkPermissions, withBucketRenamed } from '../../src/auth/permissions.ts';

describe('matching', () => {
  test.each<[items: string[], bucket: string, isIn: boolean]>([
    [['a'], 'a', true],
    [['a'], 'ab', false],
    [['*'], 'anything', true],
    [['cam-*'], 'cam-1', true],
    [['cam-*'], 'cam-', true],
    [['cam-*'], 'cam', false],
    [['a*b'], 'axb', false],
    [['*', 'b*'], '$system', false],
    [['$*'], '$system', false],
    [['$system'], '$system', true],
    [[], 'a', false],
  ])('%j and %s: %s', (items, bucket, isIn) => {
    expect(new BucketMatcher(items).matches(bucket)).toBe(isIn);
  });
});

describe('checks', () => {
  const withItem = (item: string): { full_access: false; read: string[]; write: string[] } => ({
    full_access: false,
    read: [],
    write: ['ok', item],
  });

  test.each(['a', 'A-1_b', '*', 'cam-*', 'a*b', '$system', '$any thing'])(
    '%j may be an item',
    (item) => {
      checkPermissions(withItem(item));
    },
  );

  test.each(['', 'a.b', 'a b', 'a/b', 'ü'])('%j may not', (item) => {
    expect(() => checkPermissions(withItem(item))).toThrow(
      `Permission can contain only bucket names or wildcard '*', got '${item}'`,
    );
  });
});

describe('changes of buckets', () => {
  const permissions = { full_access: true, read: ['a', 'b', 'a*'], write: ['b', '*', 'a'] };

  test('a new name replaces the exact items and no wildcard', () => {
    expect(withBucketRenamed(permissions, 'a', 'z')).toEqual({
      full_access: true,
      read: ['z', 'b', 'a*'],
      write: ['b', '*', 'z'],
    });
  });

  test('a removed bucket leaves the lists', () => {
    expect(withBucketRenamed(permissions, 'b', undefined)).toEqual({
      full_access: true,
      read: ['a', 'a*'],
      write: ['*', 'a'],
    });
  });

  test('nothing changes for a bucket that is not named', () => {
    expect(withBucketRenamed(permissions, 'a*c', 'z')).toBeUndefined();
  });
});
