import { describe, expect, test } from 'vitest';
import type { Identity } from '../../src/auth/types.ts';
import { requireFull, requireRead, requireWrite } from '../../src/http/auth.ts';
import { CorsPolicy } from '../../src/http/cors.ts';

const refusal = (status: number, message: string): unknown =>
  expect.objectContaining({ status, message });

describe('permissions', () => {
  const limited: Identity = {
    tokenName: 't',
    hasFullAccess: false,
    canRead: (bucket) => bucket === 'r',
    canWrite: (bucket) => bucket === 'w',
    document: () => '{}',
  };

  test('each lack has its text', () => {
    expect(() => requireFull(limited)).toThrow(refusal(403, "Token 't' doesn't have full access"));
    expect(() => requireRead(limited, 'w')).toThrow(
      refusal(403, "Token 't' doesn't have read access to bucket 'w'"),
    );
    expect(() => requireWrite({ isReadOnly: false }, limited, 'r')).toThrow(
      refusal(403, "Token 't' doesn't have write access to bucket 'r'"),
    );
    requireRead(limited, 'r');
    requireWrite({ isReadOnly: false }, limited, 'w');
  });
});

test('a read-only instance refuses writers, and first those who may not write anyhow', () => {
  const writer: Identity = {
    tokenName: 't',
    hasFullAccess: false,
    canRead: () => false,
    canWrite: (bucket) => bucket === 'w',
    document: () => '{}',
  };
  expect(() => requireWrite({ isReadOnly: true }, writer, 'r')).toThrow(
    refusal(403, "Token 't' doesn't have write access to bucket 'r'"),
  );
  expect(() => requireWrite({ isReadOnly: true }, writer, 'w')).toThrow(
    refusal(403, 'Cannot perform this operation in read-only mode'),
  );
});

describe('cross-origin policy', () => {
  test('an origin is echoed only when it is listed byte for byte', () => {
    const policy = new CorsPolicy(['https://a.com', 'https://b.com']);
    expect(policy.allowOrigin('https://b.com')).toBe('https://b.com');
    expect(policy.allowOrigin('https://B.com')).toBe('');
    expect(policy.allowOrigin('')).toBe('');
    expect(policy.needsOrigin).toBe(true);
  });

  test('an asterisk in the list allows all, an empty list none', () => {
    expect(new CorsPolicy(['https://a.com', '*']).allowOrigin('x')).toBe('*');
    expect(new CorsPolicy([]).allowOrigin('x')).toBe('');
    expect(new CorsPolicy([]).needsOrigin).toBe(false);
  });
});
