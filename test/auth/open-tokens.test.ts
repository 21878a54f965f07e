import { describe, expect, test } from 'vitest';
import { openTokens } from '../../src/auth/open-tokens.ts';
import type { TokenEnvironment } from '../../src/auth/start-tokens.ts';
import { StorageFullError } from '../../src/errors/errors.ts';
import { openHarness } from '../lib/store-harness.ts';
import { withTempDir } from '../lib/temp-dir.ts';
import { draft, FakeRows, FakeTimes, NO_TOKENS } from '../lib/token-harness.ts';

const API: TokenEnvironment = { ...NO_TOKENS, apiToken: 'secret' };

function ignore(): void {
  // Warnings are not what is tested.
}

describe('opening', () => {
  test('finds what an earlier start stored', async () => {
    await withTempDir(async (path) => {
      const times = new FakeTimes();
      const first = await openHarness(path);
      const { db, commits } = first;
      const tokens = await openTokens({ db, commits, times, environment: API, warn: ignore });
      const { value } = await tokens.create('t', draft({ ttlS: 5n }));
      await first.close();
      const second = await openHarness(path);
      const again = await openTokens({
        db: second.db,
        commits: second.commits,
        times,
        environment: API,
        warn: ignore,
      });
      expect(again.check(`Bearer ${value}`, '').tokenName).toBe('t');
      expect(again.document('t')).toBe(tokens.document('t'));
      await second.close();
    });
  });

  test('tokens of the environment count also when they cannot be stored, and that is told', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      const commits = new FakeRows();
      commits.failure = new StorageFullError('full');
      const warnings: unknown[] = [];
      const tokens = await openTokens({
        db: store.db,
        commits,
        times: new FakeTimes(),
        environment: API,
        warn: (message, error) => warnings.push([message, error]),
      });
      expect(tokens.check('Bearer secret', '').tokenName).toBe('init-token');
      expect(warnings).toEqual([
        ['tokens of the environment count, but could not be stored', commits.failure],
      ]);
      await store.close();
    });
  });
});

describe('without authentication', () => {
  test('every header passes, and tokens cannot be managed', async () => {
    await withTempDir(async (path) => {
      const store = await openHarness(path);
      const { db, commits } = store;
      const times = new FakeTimes();
      const open = await openTokens({ db, commits, times, environment: undefined, warn: ignore });
      const disabled = expect.objectContaining({
        status: 400,
        message: 'Authentication is disabled',
      });
      expect(open.check('nonsense', '')).toMatchObject({
        tokenName: 'AUTHENTICATION-DISABLED',
        hasFullAccess: true,
      });
      expect(open.needsClientIp).toBe(false);
      expect(open.list()).toBe('{"tokens":[]}');
      expect(() => open.document('t')).toThrow(disabled);
      await expect(open.create('t', draft())).rejects.toEqual(disabled);
      await expect(open.rotate('t')).rejects.toEqual(disabled);
      await open.remove('t');
      await store.close();
    });
  });
});
