import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newVault } from '../lib/engine-fixture.ts';

const OWNER = { id: 7, name: 'to-cloud', place: 'https://cloud:8383/' };
const vault = newVault('11'.repeat(32));

describe('a sealed token', () => {
  test('opens to what was sealed, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (token) => {
        const sealed = vault.seal(token, OWNER);
        expect(vault.open(sealed, OWNER)).toEqual({ kind: 'open', token, isOld: false });
      }),
    );
  });

  test('is another text each time', () => {
    expect(vault.seal('token', OWNER)).not.toBe(vault.seal('token', OWNER));
  });

  test('does not open for another task, by id or by name, nor for another target', () => {
    const sealed = vault.seal('token', OWNER);
    const problem = 'it was given for another target, or what is stored was changed';
    const locked = { kind: 'locked', problem };
    expect(vault.open(sealed, { ...OWNER, id: 8 })).toEqual(locked);
    expect(vault.open(sealed, { ...OWNER, name: 'x' })).toEqual(locked);
    expect(vault.open(sealed, { ...OWNER, place: 'https://evil:8383/' })).toEqual(locked);
  });

  test('does not open when any character of it was changed, and never throws', () => {
    const sealed = vault.seal('a-token-of-some-length', OWNER);
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.string({ maxLength: 3 }), (at, text) => {
        const changed = sealed.slice(0, at) + text + sealed.slice(at + 1);
        const opened = vault.open(changed, OWNER);
        if (opened.kind === 'open') expect(opened.token).toBe('a-token-of-some-length');
      }),
    );
    expect(vault.open('', OWNER).kind).toBe('locked');
  });

  test('opens under the old key after a change of keys, and says so', () => {
    const sealed = vault.seal('token', OWNER);
    const changed = newVault('22'.repeat(32), '11'.repeat(32));
    expect(changed.open(sealed, OWNER)).toEqual({ kind: 'open', token: 'token', isOld: true });
    const without = newVault('22'.repeat(32));
    const problem = 'MILLRACE_SECRET_KEY is another key';
    expect(without.open(sealed, OWNER)).toEqual({ kind: 'locked', problem });
  });
});
