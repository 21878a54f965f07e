import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/errors.ts';
import {
  parseInstance,
  parseNamed,
  parseResource,
  parseServerResource,
} from '../../src/cli/resource.ts';

describe('a resource', () => {
  test.each([
    ['local', undefined, undefined],
    ['local/', undefined, undefined],
    ['local/bucket', 'bucket', undefined],
    ['local/bucket/entry', 'bucket', 'entry'],
    ['local/bucket/a/b/$meta', 'bucket', 'a/b/$meta'],
    ['local/*', '*', undefined],
    ['local/prefix*', 'prefix*', undefined],
  ])('%s of an alias is name %s and entry %s', (text, name, entryPath) => {
    const server = { kind: 'alias', alias: 'local' };
    expect(parseResource(text)).toEqual({ kind: 'server', server, name, entryPath });
  });

  test.each([
    ['https://demo@play.example/demo', 'https://play.example/', 'demo', 'demo'],
    ['http://host:8383', 'http://host:8383/', null, undefined],
    ['http://host:8383/', 'http://host:8383/', null, undefined],
    ['http://t@host/base/path/bucket', 'http://host/base/path/', 't', 'bucket'],
    ['http://t@host/base/path/', 'http://host/base/path/', 't', undefined],
    ['HTTP://a%40b%3Ac%2Fd%20e@[::1]:9/x', 'http://[::1]:9/', 'a@b:c/d e', 'x'],
    ['http://host/%24system', 'http://host/', null, '$system'],
  ])('%s is the instance %s with token %s and name %s', (text, url, token, name) => {
    const server = { kind: 'url', url, token };
    expect(parseResource(text)).toEqual({ kind: 'server', server, name, entryPath: undefined });
  });

  test.each(['.', '..', './x', '../x/y', '/tmp/x', '.hidden'])('%s is a folder', (path) => {
    expect(parseResource(path)).toEqual({ kind: 'folder', path });
  });

  test.each([
    '',
    'a//b',
    'a/b/',
    'ftp://host/x',
    'http://',
    'http://u:p@host/x',
    'http://%zz@host/x',
    'http://host/x?y=1',
    'http://host/x#y',
  ])('%j is refused', (text) => {
    expect(() => parseResource(text)).toThrow(UsageError);
  });

  test('a message never shows the token of a URL', () => {
    for (const text of [
      'http://secret@host/x?y',
      'ftp://secret@host/x',
      'http://secret@host/bucket',
    ]) {
      const parsers = [parseInstance, parseNamed('bucket'), parseServerResource];
      for (const parse of parsers) {
        try {
          parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect(String(error)).not.toContain('secret');
        }
      }
    }
  });

  test('any text as a token survives percent-encoding', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (token) => {
        const { server } = parseServerResource(`https://${encodeURIComponent(token)}@host/bucket`);
        expect(server).toEqual({ kind: 'url', url: 'https://host/', token });
      }),
    );
  });

  test('whatever is typed gives a resource or a usage error', () => {
    const typed = fc.oneof(
      fc.string(),
      fc.stringMatching(/^https?:\/\/[a-z%@:/?#[\]*.]{0,20}$/),
      fc.stringMatching(/^[a-z/*.%@]{0,12}$/),
    );
    fc.assert(
      fc.property(typed, (text) => {
        try {
          parseResource(text);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('an argument that is an instance', () => {
  test('says which instance was meant when it has more', () => {
    expect(() => parseInstance('local/bucket')).toThrow(
      expect.objectContaining({ hint: "Did you mean 'local'?" }),
    );
  });

  test('refuses a folder', () => {
    expect(() => parseInstance('./folder')).toThrow(UsageError);
  });
});

describe('an argument that names something', () => {
  test('has a name', () => {
    expect(parseNamed('bucket')('local/b')).toMatchObject({ name: 'b' });
    expect(() => parseNamed('bucket')('local')).toThrow('a bucket on it is needed');
    expect(() => parseNamed('task')('local/r/x')).toThrow('more than the name of a task');
  });
});
