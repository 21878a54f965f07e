import { describe, expect, test } from 'vitest';
import type { TokenService } from '../../src/auth/token-service.ts';
import type { TokenDraft } from '../../src/auth/types.ts';
import { StorageFullError } from '../../src/errors/errors.ts';
import { instantOf } from '../../src/wire/rfc3339.ts';
import { API_TOKEN, draft, openTokenHarness, START_MS } from '../lib/token-harness.ts';

const refusal = (status: number, message: string): unknown =>
  expect.objectContaining({ status, message });
const INVALID = refusal(401, 'Invalid token');
const EXPIRED = refusal(401, 'Token has expired');
const DAY_S = 86_400;

function names(service: TokenService): string[] {
  const { tokens }: { tokens: { name: string }[] } = JSON.parse(service.list());
  return tokens.map(({ name }) => name);
}

function document(service: TokenService, name: string): Record<string, unknown> {
  return JSON.parse(service.document(name));
}

function fullAccess(): TokenDraft {
  return draft({ permissions: { full_access: true, read: [], write: [] } });
}

describe('bearer tokens', () => {
  test('the right one is accepted, again and again, and wrong ones stay wrong', async () => {
    const { service } = await openTokenHarness();
    const first = service.check('Bearer secret', '');
    expect(service.check('Bearer secret', '')).toBe(first);
    expect(first).toMatchObject({ tokenName: 'init-token', hasFullAccess: true });
    for (const wrong of ['Bearer secreT', 'Bearer  secret', 'Bearer secret ', 'Bearer secre']) {
      expect(() => service.check(wrong, '')).toThrow(INVALID);
      expect(() => service.check(wrong, '')).toThrow(INVALID);
    }
  });

  test.each(['', 'Bearer', 'bearer secret', 'Basic secret', 'Bearersecret'])(
    '%j is none',
    async (header) => {
      const { service } = await openTokenHarness();
      expect(() => service.check(header, '')).toThrow(
        refusal(401, 'No bearer token in request header'),
      );
    },
  );

  test('a generated value leads to its own token only, also where names hold hyphens', async () => {
    const { service } = await openTokenHarness();
    const outer = await service.create('a', draft());
    const inner = await service.create('a-0123456789abcdef0123456789abcdef', draft());
    expect(service.check(`Bearer ${outer.value}`, '').tokenName).toBe('a');
    expect(service.check(`Bearer ${inner.value}`, '').tokenName).toBe(
      'a-0123456789abcdef0123456789abcdef',
    );
    expect(() => service.check(`Bearer b${outer.value.slice(1)}`, '')).toThrow(INVALID);
  });
});

describe('creating', () => {
  test('answers the value once, and a document with all ten members', async () => {
    const { service } = await openTokenHarness();
    const { value, createdAt } = await service.create(
      'camera',
      draft({
        permissions: { full_access: false, read: ['a*'], write: ['b'] },
        expiresAt: instantOf(START_MS + 5),
        ttlS: 2n ** 64n - 1n,
        ipAllowlist: ['10.0.0.0/8'],
      }),
    );
    expect(value).toMatch(/^camera-[0-9a-f]{32}$/);
    expect(createdAt.text).toBe('2026-08-21T15:00:00Z');
    expect(service.document('camera')).toBe(
      '{"name":"camera","value":"","created_at":"2026-08-21T15:00:00Z",' +
        '"permissions":{"full_access":false,"read":["a*"],"write":["b"]},"is_provisioned":false,' +
        '"expires_at":"2026-08-21T15:00:00.005Z","ttl":18446744073709551615,"last_access":null,' +
        '"ip_allowlist":["10.0.0.0/8"],"is_expired":false}',
    );
    expect(service.list()).not.toContain(value);
  });

  test('what is wrong is told in the order of the contract', async () => {
    const { service } = await openTokenHarness();
    const everything = {
      permissions: { full_access: false, read: ['a.b'], write: [] },
      ttlS: 0n,
      expiresAt: instantOf(START_MS - 1),
    };
    const fixed = { ...everything, permissions: { full_access: false, read: [], write: [] } };
    const attempts: readonly [name: string, draft: TokenDraft, error: unknown][] = [
      ['', draft(everything), refusal(422, "Token name can't be empty")],
      ['init-token', draft(everything), refusal(409, "Token 'init-token' already exists")],
      [
        'x',
        draft(everything),
        refusal(422, "Permission can contain only bucket names or wildcard '*', got 'a.b'"),
      ],
      ['x', draft(fixed), refusal(422, 'Token TTL must be greater than zero')],
      [
        'x',
        draft({ ...fixed, ttlS: 1n }),
        refusal(422, 'Token expiration date must not be in the past'),
      ],
    ];
    for (const [name, given, error] of attempts) {
      await expect(service.create(name, given)).rejects.toEqual(error);
    }
    expect(names(service)).toEqual(['init-token']);
  });

  test('of two at the same time one is told that the name is taken', async () => {
    const { service } = await openTokenHarness();
    const results = await Promise.allSettled([
      service.create('x', draft()),
      service.create('x', draft()),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(names(service)).toEqual(['init-token', 'x']);
  });

  test('names are listed in the order of their bytes', async () => {
    const { service } = await openTokenHarness();
    for (const name of ['z', 'a', 'Z', 'ä', 'a-', '\u{1f600}', '\u{ffee}']) {
      await service.create(name, draft());
    }
    expect(names(service)).toEqual([
      'Z',
      'a',
      'a-',
      'init-token',
      'z',
      'ä',
      '\u{ffee}',
      '\u{1f600}',
    ]);
  });

  test('a token that could not be stored does not exist, and the next change goes on', async () => {
    const { service, rows } = await openTokenHarness();
    rows.failure = new StorageFullError('full');
    await expect(service.create('x', draft())).rejects.toBe(rows.failure);
    expect(names(service)).toEqual(['init-token']);
    rows.failure = undefined;
    await service.create('x', draft());
    expect(names(service)).toEqual(['init-token', 'x']);
  });
});

describe('rotating', () => {
  test('gives a new value and time, keeps the rest, and the old value is invalid at once', async () => {
    const { service, times } = await openTokenHarness();
    const first = await service.create('x', draft({ ipAllowlist: ['10.1.1.1'], ttlS: 60n }));
    service.check(`Bearer ${first.value}`, '10.1.1.1');
    times.passS(10);
    const second = await service.rotate('x');
    expect(second.createdAt.epochMs).toBe(START_MS + 10_000);
    expect(() => service.check(`Bearer ${first.value}`, '10.1.1.1')).toThrow(INVALID);
    service.check(`Bearer ${second.value}`, '10.1.1.1');
    expect(document(service, 'x')).toMatchObject({
      created_at: '2026-08-21T15:00:10Z',
      ip_allowlist: ['10.1.1.1'],
      ttl: 60,
    });
  });

  test('refuses what is not there, provisioned, or past its date; idleness is no obstacle', async () => {
    const { service, times } = await openTokenHarness();
    await expect(service.rotate('x')).rejects.toEqual(refusal(404, "Token 'x' doesn't exist"));
    await expect(service.rotate('init-token')).rejects.toEqual(
      refusal(409, "Can't rotate provisioned token 'init-token'"),
    );
    await service.create('dated', draft({ expiresAt: instantOf(START_MS + 1000) }));
    const idle = await service.create('idle', draft({ ttlS: 1n }));
    times.passS(5);
    await expect(service.rotate('dated')).rejects.toEqual(
      refusal(422, "Can't rotate expired token 'dated'"),
    );
    expect(() => service.check(`Bearer ${idle.value}`, '')).toThrow(EXPIRED);
    const rotated = await service.rotate('idle');
    service.check(`Bearer ${rotated.value}`, '');
  });
});

describe('removing', () => {
  test('makes the value invalid at once', async () => {
    const { service } = await openTokenHarness();
    const { value } = await service.create('x', draft());
    service.check(`Bearer ${value}`, '');
    await service.remove('x');
    expect(() => service.check(`Bearer ${value}`, '')).toThrow(INVALID);
    expect(() => service.document('x')).toThrow(refusal(404, "Token 'x' doesn't exist"));
    await expect(service.remove('x')).rejects.toEqual(refusal(404, "Token 'x' doesn't exist"));
  });

  test('a provisioned one stays', async () => {
    const { service } = await openTokenHarness();
    await expect(service.remove('init-token')).rejects.toEqual(
      refusal(409, "Can't remove provisioned token 'init-token'"),
    );
  });

  test('one with full access must remain, also when the last two are removed at the same time', async () => {
    const { service } = await openTokenHarness({ initApiToken: 'first' });
    const last = refusal(
      409,
      "Can't remove token 'init-token': at least one full-access token must remain",
    );
    await service.create('plain', draft());
    await expect(service.remove('init-token')).rejects.toEqual(last);
    await service.remove('plain');
    await service.create('admin', fullAccess());
    const results = await Promise.allSettled([
      service.remove('admin'),
      service.remove('init-token'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(names(service)).toEqual(['init-token']);
  });
});

describe('expiry', () => {
  test('by date, exactly then, whether the header is known or not', async () => {
    const { service, times } = await openTokenHarness();
    const { value } = await service.create('x', draft({ expiresAt: instantOf(START_MS + 1500) }));
    times.ms += 1499;
    service.check(`Bearer ${value}`, '');
    times.ms += 1;
    expect(() => service.check(`Bearer ${value}`, '')).toThrow(EXPIRED);
    expect(document(service, 'x')).toMatchObject({ is_expired: true });
  });

  test('by idleness, in whole seconds above the time to live', async () => {
    const { service, times } = await openTokenHarness();
    const { value } = await service.create('x', draft({ ttlS: 10n }));
    times.ms += 10_999;
    service.check(`Bearer ${value}`, '');
    expect(document(service, 'x')).toMatchObject({ is_expired: false });
    times.ms += 1;
    expect(() => service.check(`Bearer ${value}`, '')).toThrow(EXPIRED);
    expect(document(service, 'x')).toMatchObject({ is_expired: true });
  });

  test('each use that is on record moves it on, and it counts from the newest of use and creation', async () => {
    const { service, times } = await openTokenHarness();
    const { value } = await service.create('x', draft({ ttlS: 10n }));
    times.lastAccess.set('x', START_MS - 5000);
    times.passS(10);
    service.check(`Bearer ${value}`, '');
    times.lastAccess.set('x', times.ms);
    times.passS(10);
    service.check(`Bearer ${value}`, '');
    expect(document(service, 'x')).toMatchObject({
      is_expired: false,
      last_access: '2026-08-21T15:00:10Z',
    });
    times.passS(1);
    expect(() => service.check(`Bearer ${value}`, '')).toThrow(EXPIRED);
    times.lastAccess.set('x', times.ms);
    service.check(`Bearer ${value}`, '');
  });

  test('the longest time to live there is never ends', async () => {
    const { service, times } = await openTokenHarness();
    const { value } = await service.create('x', draft({ ttlS: 2n ** 64n - 1n }));
    times.passS(100 * 365 * DAY_S);
    service.check(`Bearer ${value}`, '');
  });

  test('is looked at before the address', async () => {
    const { service, times } = await openTokenHarness();
    const { value } = await service.create('x', draft({ ttlS: 1n, ipAllowlist: ['10.1.1.1'] }));
    times.passS(5);
    expect(() => service.check(`Bearer ${value}`, '10.2.2.2')).toThrow(EXPIRED);
  });
});

describe('addresses', () => {
  test('are looked at for tokens that have some, with a text for each refusal', async () => {
    const { service } = await openTokenHarness();
    const { value } = await service.create(
      'x',
      draft({ ipAllowlist: ['10.0.0.0/8', '2001:db8::1', 'nonsense'] }),
    );
    const check = (ip: string): unknown => service.check(`Bearer ${value}`, ip);
    check('10.200.0.1');
    check('2001:db8::1');
    expect(() => check('11.0.0.1')).toThrow(
      refusal(401, 'Token is not allowed for client IP 11.0.0.1'),
    );
    expect(() => check('')).toThrow(refusal(401, 'Client IP is required for this token'));
    service.check(`Bearer ${API_TOKEN}`, '');
  });

  test('are needed as long as some token has some', async () => {
    const { service } = await openTokenHarness();
    expect(service.needsClientIp).toBe(false);
    await service.create('x', draft({ ipAllowlist: ['10.1.1.1'] }));
    expect(service.needsClientIp).toBe(true);
    await service.remove('x');
    expect(service.needsClientIp).toBe(false);
  });

  test('a list of nothing but nonsense lets nobody in', async () => {
    const { service } = await openTokenHarness();
    const { value } = await service.create('x', draft({ ipAllowlist: ['nonsense'] }));
    expect(() => service.check(`Bearer ${value}`, '10.1.1.1')).toThrow(
      refusal(401, 'Token is not allowed for client IP 10.1.1.1'),
    );
  });
});

describe('buckets', () => {
  const lists = { full_access: false, read: ['a', 'b'], write: ['a*', 'a'] };

  test('a removed one leaves the lists in the commit that removes it', async () => {
    const { service, rows } = await openTokenHarness();
    const { value } = await service.create('x', draft({ permissions: lists }));
    const identity = service.check(`Bearer ${value}`, '');
    expect(identity.canRead('a')).toBe(true);
    await service.withoutBucket('a', async (changes) => {
      expect(changes).toHaveLength(1);
      await rows.commitRows(changes);
    });
    const changed = service.check(`Bearer ${value}`, '');
    expect(changed.canRead('a')).toBe(false);
    expect(changed.canRead('b')).toBe(true);
    const again = await openTokenHarness(undefined, rows);
    expect(document(again.service, 'x')).toMatchObject({
      permissions: { full_access: false, read: ['b'], write: ['a*'] },
    });
  });

  test('a renamed one is renamed in the lists', async () => {
    const { service, rows } = await openTokenHarness();
    const { value } = await service.create('x', draft({ permissions: lists }));
    await service.withRenamedBucket('a', 'z', (changes) => rows.commitRows(changes));
    const identity = service.check(`Bearer ${value}`, '');
    expect([identity.canRead('a'), identity.canRead('z'), identity.canWrite('z')]).toEqual([
      false,
      true,
      true,
    ]);
  });

  test('when the change of the bucket is refused the lists stay', async () => {
    const { service } = await openTokenHarness();
    const { value } = await service.create('x', draft({ permissions: lists }));
    const refused = new Error('no');
    await expect(service.withoutBucket('a', () => Promise.reject(refused))).rejects.toBe(refused);
    expect(service.check(`Bearer ${value}`, '').canRead('a')).toBe(true);
  });

  test('a rotation under way is not undone by a renamed bucket, nor the other way round', async () => {
    const { service, rows } = await openTokenHarness();
    await service.create('x', draft({ permissions: lists }));
    const [issued] = await Promise.all([
      service.rotate('x'),
      service.withRenamedBucket('a', 'z', (changes) => rows.commitRows(changes)),
      service.rotate('init-token').catch(() => undefined),
    ]);
    const again = await openTokenHarness(undefined, rows);
    for (const tokens of [service, again.service]) {
      expect(tokens.check(`Bearer ${issued.value}`, '').canRead('z')).toBe(true);
    }
  });
});
