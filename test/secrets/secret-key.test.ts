import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isInside, parseSecretKey, SecretKeys } from '../../src/secrets/secret-key.ts';
import { withTempDir } from '../lib/temp-dir.ts';

const HEX = '0123456789abcdef'.repeat(4);
const BYTES = Buffer.from(HEX, 'hex');

describe('the text of a key', () => {
  test.each([
    ['hex', HEX],
    ['hex in capitals', HEX.toUpperCase()],
    ['base64', BYTES.toString('base64')],
    ['URL-safe base64 without padding', BYTES.toString('base64url')],
    ['a line of a file', `${BYTES.toString('base64')}\n`],
  ])('may be %s', (_what, text) => {
    expect(parseSecretKey(text)).toEqual(BYTES);
  });

  test.each([
    '',
    'secret',
    HEX.slice(1),
    `${HEX}0`,
    BYTES.toString('base64').slice(1),
    '*'.repeat(44),
  ])('may not be %j', (text) => {
    expect(parseSecretKey(text)).toBeUndefined();
  });
});

function keysOf(keyPath: string, keyText?: string, oldKeyText?: string): SecretKeys {
  return new SecretKeys({ keyText, oldKeyText, keyPath });
}

describe('the key file', () => {
  test('is made at first need, for its owner alone, and read at the next start', async () => {
    await withTempDir(async (path) => {
      const file = join(path, 'key');
      const keys = keysOf(file);
      await expect(stat(file)).rejects.toThrow('ENOENT');
      const made = keys.current();
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(parseSecretKey(await readFile(file, 'utf8'))).toEqual(made.bytes);
      expect(keys.warnings()).toEqual([]);
      const again = keysOf(file);
      expect(again.current()).toEqual(made);
      expect(again.find(made.id)).toEqual(made);
    });
  });

  test('is never overwritten when it holds something else', async () => {
    await withTempDir(async (path) => {
      const file = join(path, 'key');
      await writeFile(file, 'not a key');
      const keys = keysOf(file);
      const problem = `the key file ${file} does not hold 32 bytes in base64 or hex`;
      expect(keys.warnings()).toEqual([problem]);
      expect(keys.describeMissing()).toBe(problem);
      expect(() => keys.current()).toThrow(problem);
      expect(await readFile(file, 'utf8')).toBe('not a key');
    });
  });

  test('that another process made meanwhile is not replaced', async () => {
    await withTempDir(async (path) => {
      const file = join(path, 'key');
      const keys = keysOf(file);
      await writeFile(file, HEX);
      expect(() => keys.current()).toThrow('cannot be made (EEXIST)');
      expect(await readFile(file, 'utf8')).toBe(HEX);
    });
  });

  test('which cannot be made is a refusal that names the variables', async () => {
    await withTempDir(async (path) => {
      const keys = keysOf(join(path, 'missing', 'key'));
      expect(() => keys.current()).toThrow(
        /cannot be made \(ENOENT\); set MILLRACE_SECRET_KEY or MILLRACE_SECRET_KEY_PATH/,
      );
    });
  });

  test('gives a warning when others may read it', async () => {
    await withTempDir(async (path) => {
      const file = join(path, 'key');
      await writeFile(file, HEX);
      await chmod(file, 0o644);
      expect(keysOf(file).warnings()).toEqual([
        `the key file ${file} can be read by others; chmod 600 it`,
      ]);
    });
  });

  test('that is a folder is a problem, not an end', async () => {
    await withTempDir(async (path) => {
      await mkdir(join(path, 'key'));
      expect(keysOf(join(path, 'key')).warnings()[0]).toContain('cannot be read (EISDIR)');
    });
  });

  test('is not needed when the key comes in a variable', async () => {
    await withTempDir(async (path) => {
      const keys = keysOf(join(path, 'key'), HEX, '22'.repeat(32));
      const current = keys.current();
      expect(current.bytes).toEqual(BYTES);
      expect(keys.isCurrent(current.id)).toBe(true);
      expect(keys.warnings()).toEqual([]);
      expect(keys.describeMissing()).toBe('MILLRACE_SECRET_KEY is another key');
      await expect(stat(join(path, 'key'))).rejects.toThrow('ENOENT');
    });
  });
});

test('a path inside a folder is told from one beside it', () => {
  expect(isInside('./data', 'data/sub/key')).toBe(true);
  expect(isInside('./data', 'data.key')).toBe(false);
  expect(isInside('/var/lib/x/', '/var/lib/x/../y')).toBe(false);
});
