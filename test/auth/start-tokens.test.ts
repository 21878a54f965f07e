import { describe, expect, test } from 'vitest';
import type { TokenOfEnvironment } from '../../src/auth/start-tokens.ts';
import type { TokenService } from '../../src/auth/token-service.ts';
import { instantOf } from '../../src/wire/rfc3339.ts';
import { draft, FakeRows, openTokenHarness, START_MS } from '../lib/token-harness.ts';

const INVALID = expect.objectContaining({ status: 401, message: 'Invalid token' });

function document(service: TokenService, name: string): Record<string, unknown> {
  return JSON.parse(service.document(name));
}

function provisioned(overrides: Partial<TokenOfEnvironment> = {}): TokenOfEnvironment {
  return {
    name: 'camera',
    value: 'camera-value',
    permissions: { full_access: false, read: ['a'], write: ['b*'] },
    expiresAt: undefined,
    ...overrides,
  };
}

describe('RS_API_TOKEN', () => {
  test('is the provisioned init-token, and another value replaces it', async () => {
    const first = await openTokenHarness({ apiToken: 'one' });
    expect(document(first.service, 'init-token')).toMatchObject({
      created_at: '2026-08-21T15:00:00Z',
      permissions: { full_access: true, read: [], write: [] },
      is_provisioned: true,
    });
    const second = await openTokenHarness({ apiToken: 'two' }, first.rows);
    second.service.check('Bearer two', '');
    expect(() => second.service.check('Bearer one', '')).toThrow(INVALID);
  });

  test('no value is in what is stored', async () => {
    const { rows } = await openTokenHarness({
      apiToken: 'hunter2',
      provisioned: [provisioned({ value: 'hunter3' })],
    });
    const stored = [...rows.rows.values()].map(({ value }) => value.toString()).join('');
    expect(stored).toContain('"salt"');
    expect(stored).not.toContain('hunter');
  });
});

describe('the secret of query links', () => {
  test('outlives a restart with the same value, and no other', async () => {
    const first = await openTokenHarness({ apiToken: 'one', provisioned: [provisioned()] });
    const secrets = (service: TokenService): (string | undefined)[] =>
      ['init-token', 'camera'].map((name) => {
        const secret = service.linkToken(name)?.linkSecret;
        return secret === undefined ? undefined : Buffer.from(secret).toString('hex');
      });
    const before = secrets(first.service);
    const same = await openTokenHarness(
      { apiToken: 'one', provisioned: [provisioned()] },
      first.rows,
    );
    expect(secrets(same.service)).toEqual(before);
    const other = await openTokenHarness(
      { apiToken: 'two', provisioned: [provisioned({ value: 'other' })] },
      first.rows,
    );
    expect(secrets(other.service)[0]).not.toBe(before[0]);
    expect(secrets(other.service)[1]).not.toBe(before[1]);
  });

  test('is another one after a rotation, and none after a removal', async () => {
    const { service } = await openTokenHarness();
    await service.create('t', draft());
    const before = service.linkToken('t')?.linkSecret;
    await service.rotate('t');
    expect(service.linkToken('t')?.linkSecret).not.toEqual(before);
    await service.remove('t');
    expect(service.linkToken('t')).toBeUndefined();
  });
});

describe('RS_INIT_API_TOKEN', () => {
  test('creates init-token once: later starts keep what is stored, whatever they say', async () => {
    const first = await openTokenHarness({ initApiToken: 'one' });
    expect(document(first.service, 'init-token')).toMatchObject({ is_provisioned: false });
    const second = await openTokenHarness({ initApiToken: 'two' }, first.rows);
    second.service.check('Bearer one', '');
    expect(() => second.service.check('Bearer two', '')).toThrow(INVALID);
    const { value } = await second.service.rotate('init-token');
    const third = await openTokenHarness({ initApiToken: 'one' }, first.rows);
    third.service.check(`Bearer ${value}`, '');
    expect(() => third.service.check('Bearer one', '')).toThrow(INVALID);
  });

  test('replaces one that was provisioned', async () => {
    const first = await openTokenHarness({ apiToken: 'one' });
    const second = await openTokenHarness({ initApiToken: 'two' }, first.rows);
    second.service.check('Bearer two', '');
    expect(() => second.service.check('Bearer one', '')).toThrow(INVALID);
    expect(document(second.service, 'init-token')).toMatchObject({ is_provisioned: false });
  });
});

describe('provisioned tokens', () => {
  test('have what the environment says, and their value', async () => {
    const { service } = await openTokenHarness({
      apiToken: 'admin',
      provisioned: [provisioned({ expiresAt: instantOf(START_MS + 1000) })],
    });
    const identity = service.check('Bearer camera-value', '');
    expect([identity.canRead('a'), identity.canWrite('b1'), identity.canWrite('a')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(document(service, 'camera')).toMatchObject({
      is_provisioned: true,
      expires_at: '2026-08-21T15:00:01Z',
    });
  });

  test('replace a stored token of the name', async () => {
    const first = await openTokenHarness({ apiToken: 'admin' });
    const { value } = await first.service.create('camera', draft({ ttlS: 5n }));
    const second = await openTokenHarness(
      { apiToken: 'admin', provisioned: [provisioned()] },
      first.rows,
    );
    expect(() => second.service.check(`Bearer ${value}`, '')).toThrow(INVALID);
    second.service.check('Bearer camera-value', '');
    expect(document(second.service, 'camera')).toMatchObject({ ttl: null });
  });

  test('that are not named any more stay and can be changed; init-token stays provisioned', async () => {
    const rows = new FakeRows();
    await openTokenHarness({ apiToken: 'admin', provisioned: [provisioned()] }, rows);
    const second = await openTokenHarness({}, rows);
    second.service.check('Bearer camera-value', '');
    expect(document(second.service, 'camera')).toMatchObject({ is_provisioned: false });
    expect(document(second.service, 'init-token')).toMatchObject({ is_provisioned: true });
    const { value } = await second.service.rotate('camera');
    expect(() => second.service.check('Bearer camera-value', '')).toThrow(INVALID);
    second.service.check(`Bearer ${value}`, '');
    const third = await openTokenHarness({}, rows);
    await third.service.remove('camera');
  });

  test('a token that may not be is left out and named in a warning', async () => {
    const { service, warnings } = await openTokenHarness({
      apiToken: 'admin',
      provisioned: [
        provisioned({ name: 'init-token', value: 'other' }),
        provisioned({ name: 'x', permissions: { full_access: false, read: ['a.b'], write: [] } }),
      ],
    });
    expect(warnings).toEqual([
      "token 'init-token' is not provisioned: the name belongs to RS_API_TOKEN and RS_INIT_API_TOKEN",
      "token 'x' is not provisioned: Permission can contain only bucket names or wildcard '*', got 'a.b'",
    ]);
    service.check('Bearer admin', '');
    expect(() => service.check('Bearer other', '')).toThrow(INVALID);
  });
});
