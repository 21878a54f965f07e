import { describe, expect, test } from 'vitest';
import {
  checkBucketName,
  checkEntryName,
  isMetaEntryName,
  parentEntryNames,
} from '../../src/wire/names.ts';

const EMPTY_SEGMENT = 'Entry name must be non-empty and must not contain empty path segments';
const BAD_CHARACTER =
  "Entry name can contain only letters, digits and [-,_,/] symbols or end with '/$meta'";

describe('names', () => {
  test.each(['sensor-data', 'A_1', '0'])('%s is a bucket name', (name) => {
    checkBucketName(name);
  });

  test.each(['$system', 'a b', 'a.b', 'a/b', 'ü', ''])('%j is no bucket name', (name) => {
    expect(() => checkBucketName(name)).toThrow(
      'Bucket or entry name can contain only letters, digests and [-,_] symbols',
    );
  });

  test.each(['a', 'a/b/c', 'a-_Z0/9', '$meta', 'a/$meta', 'a/b/$meta'])(
    '%s is an entry',
    (name) => {
      checkEntryName(name);
    },
  );

  test.each(['', '/a', 'a/', 'a//b', '/', 'a//$meta', '/$meta'])(
    '%j has an empty segment',
    (name) => {
      expect(() => checkEntryName(name)).toThrow(EMPTY_SEGMENT);
    },
  );

  test.each(['a b', 'a.b', 'ä', 'a$meta', '$meta/a', '$metab', '$', 'a\n'])(
    '%j has a character that no entry may have',
    (name) => {
      expect(() => checkEntryName(name)).toThrow(BAD_CHARACTER);
    },
  );

  test('meta entries are told by their last segment', () => {
    expect(isMetaEntryName('$meta')).toBe(true);
    expect(isMetaEntryName('a/$meta')).toBe(true);
    expect(isMetaEntryName('a$meta')).toBe(false);
  });

  test('parents come outermost first', () => {
    expect(parentEntryNames('a/b/c')).toEqual(['a', 'a/b']);
    expect(parentEntryNames('a')).toEqual([]);
  });
});
