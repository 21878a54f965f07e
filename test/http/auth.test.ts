import { describe, expect, test } from 'vitest';
import {
  createOpenAuthenticator,
  createTokenAuthenticator,
  requireFull,
  requireRead,
  requireWrite,
} from '../../src/http/auth.ts';
import type { Identity } from '../../src/http/auth.ts';
import { CorsPolicy } from '../../src/http/cors.ts';

const refusal = (status: number, message: string): unknown =>
  expect.objectContaining({ status, message });

describe('bearer token', () => {
  const auth = createTokenAuthenticator('secret');

  test('the right token is accepted, again and again', () => {
    const first = auth.check('Bearer secret');
    expect(auth.check('Bearer secret')).toBe(first);
    requireFull(first);
    requireRead(first, 'b');
    requireWrite(first, '$system');
    expect(first.tokenName).toBe('init-token');
  });

  test.each(['', 'Bearer', 'bearer secret', 'Basic secret', 'Bearersecret'])(
    '%j is no bearer token',
    (header) => {
      expect(() => auth.check(header)).toThrow(refusal(401, 'No bearer token in request header'));
    },
  );

  test.each(['Bearer secreT', 'Bearer  secret', 'Bearer secret ', 'Bearer secretsecret'])(
    '%j is a wrong token, also the second time',
    (header) => {
      expect(() => auth.check(header)).toThrow(refusal(401, 'Invalid token'));
      expect(() => auth.check(header)).toThrow(refusal(401, 'Invalid token'));
    },
  );

  test('the token document has all ten members and no value', () => {
    const document: unknown = JSON.parse(auth.check('Bearer secret').document());
    expect(document).toEqual({
      name: 'init-token',
      value: '',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      permissions: { full_access: true, read: [], write: [] },
      is_provisioned: true,
      expires_at: null,
      ttl: null,
      last_access: null,
      ip_allowlist: [],
      is_expired: false,
    });
  });
});

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
    expect(() => requireWrite(limited, 'r')).toThrow(
      refusal(403, "Token 't' doesn't have write access to bucket 'r'"),
    );
    requireRead(limited, 'r');
    requireWrite(limited, 'w');
  });

  test('without authentication every header passes', () => {
    const auth = createOpenAuthenticator();
    expect(auth.check('nonsense').tokenName).toBe('AUTHENTICATION-DISABLED');
    requireFull(auth.check(''));
  });
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
