import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fingerprint, generateValue, hashSecret, matchesSecret } from '../../src/auth/secret.ts';
import { decodeToken, removedTokenRow, tokenRow } from '../../src/auth/token.ts';
import type { Token } from '../../src/auth/token.ts';
import { StoreFormatError } from '../../src/errors/errors.ts';
import { instantOf } from '../../src/wire/rfc3339.ts';

const TOKEN: Token = {
  name: 'camera',
  secret: { salt: Buffer.alloc(16, 0x01), digest: Buffer.alloc(32, 0xab) },
  isGenerated: true,
  createdAt: instantOf(1_700_000_000_123),
  permissions: { full_access: false, read: ['a'], write: ['b*'] },
  isProvisioned: false,
  expiresAt: instantOf(1_800_000_000_000),
  ttlS: 18_446_744_073_709_551_615n,
  ipAllowlist: ['10.0.0.0/8'],
};

describe('the row of a token', () => {
  test('is these bytes', () => {
    const { key, value } = tokenRow(TOKEN);
    expect(key.toString('latin1')).toBe('\u000acamera');
    expect(value?.toString()).toBe(
      `{"salt":"${'01'.repeat(16)}","digest":"${'ab'.repeat(32)}",` +
        '"isGenerated":true,"createdAt":"2023-11-14T22:13:20.123Z",' +
        '"permissions":{"full_access":false,"read":["a"],"write":["b*"]},"isProvisioned":false,' +
        '"expiresAt":"2027-01-15T08:00:00Z","ttlS":"18446744073709551615","ipAllowlist":["10.0.0.0/8"]}',
    );
    expect(removedTokenRow('camera')).toEqual({ column: 'meta', key, value: null });
  });

  test('reads back as it was, for any names and lists', () => {
    const text = fc.string({ unit: 'grapheme' });
    const instant = fc.integer({ min: 0, max: 4e12 }).map(instantOf);
    const tokens = fc.record<Token>({
      name: fc.string({ unit: 'grapheme', minLength: 1 }),
      secret: fc.string().map(hashSecret),
      isGenerated: fc.boolean(),
      createdAt: instant,
      permissions: fc.record({
        full_access: fc.boolean(),
        read: fc.array(text),
        write: fc.array(text),
      }),
      isProvisioned: fc.boolean(),
      expiresAt: fc.option(instant, { nil: undefined }),
      ttlS: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
      ipAllowlist: fc.array(text),
    });
    fc.assert(
      fc.property(tokens, (token) => {
        const { key, value } = tokenRow(token);
        expect(decodeToken(key, value ?? Buffer.alloc(0))).toEqual(token);
      }),
    );
  });

  test.each([
    ['', 'not JSON'],
    ['[]', 'not an object'],
    ['{"salt":"zz"}', 'no permissions'],
  ])('a row that is %j is refused by name', (text) => {
    const { key } = tokenRow(TOKEN);
    expect(() => decodeToken(key, Buffer.from(text))).toThrow(StoreFormatError);
    expect(() => decodeToken(key, Buffer.from(text))).toThrow("token 'camera'");
  });

  test('no member may be missing', () => {
    const { key, value } = tokenRow(TOKEN);
    const row: Record<string, unknown> = JSON.parse(value?.toString() ?? '');
    for (const member of Object.keys(row)) {
      if (member === 'expiresAt' || member === 'ttlS') continue;
      const without = { ...row };
      delete without[member];
      expect(() => decodeToken(key, Buffer.from(JSON.stringify(without))), member).toThrow(
        `'${member}'`,
      );
    }
  });
});

describe('values', () => {
  test('a generated value is the name and 32 hexadecimal digits, never the same', () => {
    const value = generateValue('camera');
    expect(value).toMatch(/^camera-[0-9a-f]{32}$/);
    expect(generateValue('camera')).not.toBe(value);
  });

  test('a value matches its own hash and no other; equal values have different hashes', () => {
    const secret = hashSecret('hunter2');
    expect(matchesSecret(fingerprint('hunter2'), secret)).toBe(true);
    expect(matchesSecret(fingerprint('hunter3'), secret)).toBe(false);
    expect(matchesSecret(fingerprint('hunter2'), hashSecret('hunter2'))).toBe(true);
    expect(hashSecret('hunter2').digest).not.toEqual(secret.digest);
  });
});
