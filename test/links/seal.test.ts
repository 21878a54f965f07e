import { deflateRawSync } from 'node:zlib';
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSealed, sealText } from '../../src/links/seal.ts';
import type { SealedText } from '../../src/links/seal.ts';

const SECRET = Buffer.alloc(32, 7);
const UNDECRYPTABLE = expect.objectContaining({
  status: 422,
  message: expect.stringMatching(/^Failed to decrypt query: /),
});

test('any text comes back with the secret and name it was sealed with', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, name) => {
      expect(openSealed(sealText(text, SECRET, name), SECRET, name)).toBe(
        Buffer.from(text).toString(),
      );
    }),
  );
});

test('two links of the same text have nothing in common', () => {
  const [a, b] = [sealText('same', SECRET, 't'), sealText('same', SECRET, 't')];
  expect(a.ct).not.toBe(b.ct);
  expect(a.s).not.toBe(b.s);
  expect(a.n).not.toBe(b.n);
});

test('the parameters need no escapes in a URL and do not show the text', () => {
  const { ct, s, n } = sealText('secret-bucket'.repeat(20), SECRET, 't');
  expect(ct + s + n).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(Buffer.from(ct, 'base64url').toString('latin1')).not.toContain('secret');
});

describe('is refused', () => {
  test('with another secret, and for another token', () => {
    const sealed = sealText('text', SECRET, 't');
    expect(() => openSealed(sealed, Buffer.alloc(32, 8), 't')).toThrow(UNDECRYPTABLE);
    expect(() => openSealed(sealed, SECRET, 'u')).toThrow(UNDECRYPTABLE);
  });

  test('whatever single character is changed', () => {
    const sealed = sealText('{"bucket":"b"}', SECRET, 't');
    for (const parameter of ['ct', 's', 'n'] as const) {
      for (let at = 0; at < sealed[parameter].length; at++) {
        const text = sealed[parameter];
        const other = text[at] === 'A' ? 'B' : 'A';
        const changed: SealedText = {
          ...sealed,
          [parameter]: text.slice(0, at) + other + text.slice(at + 1),
        };
        expect(() => openSealed(changed, SECRET, 't')).toThrow(
          expect.objectContaining({ status: 422 }),
        );
      }
    }
  });

  test.each([
    ['ct', 'a b', "Invalid base64 in 'ct' parameter: Invalid symbol at offset 1"],
    ['ct', 'aGk=', "Invalid base64 in 'ct' parameter: Invalid symbol at offset 3"],
    ['s', 'abcde', "Invalid base64 in 's' parameter: Invalid length or last symbol"],
    ['n', 'aR', "Invalid base64 in 'n' parameter: Invalid length or last symbol"],
  ] as const)('when %s is %j', (parameter, value, message) => {
    const sealed = { ...sealText('text', SECRET, 't'), [parameter]: value };
    expect(() => openSealed(sealed, SECRET, 't')).toThrow(
      expect.objectContaining({ status: 422, message }),
    );
  });

  test('when parts are cut or missing', () => {
    const sealed = sealText('text', SECRET, 't');
    for (const change of [{ ct: '' }, { n: '' }, { s: '' }, { ct: sealed.ct.slice(0, 16) }]) {
      expect(() => openSealed({ ...sealed, ...change }, SECRET, 't')).toThrow(UNDECRYPTABLE);
    }
  });

  test('when what was sealed is no compressed text, or far too much of it', () => {
    expect(() => openSealed(sealBytes(Buffer.from('plain')), SECRET, 't')).toThrow(
      /^Failed to decompress query: /,
    );
    const huge = deflateRawSync(Buffer.alloc(5 * 1024 * 1024));
    expect(() => openSealed(sealBytes(huge), SECRET, 't')).toThrow(/^Failed to decompress query: /);
  });
});

/** What this server would never make. */
function sealBytes(bytes: Buffer): SealedText {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const key = new Uint8Array(hkdfSync('sha256', SECRET, salt, 'millrace query link 1', 32));
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from('t'));
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  return {
    ct: sealed.toString('base64url'),
    s: salt.toString('base64url'),
    n: nonce.toString('base64url'),
  };
}
