/** Tokens over rows in memory, with a clock that tests move. */
import { startTokens } from '../../src/auth/start-tokens.ts';
import type { TokenEnvironment } from '../../src/auth/start-tokens.ts';
import { decodeToken, tokenRow } from '../../src/auth/token.ts';
import { TokenService } from '../../src/auth/token-service.ts';
import type { TokenDraft, TokenTimes } from '../../src/auth/types.ts';
import type { RowChange } from '../../src/store/row-change.ts';

export const START_MS: number = Date.UTC(2026, 7, 21, 15, 0, 0);
export const API_TOKEN = 'secret';

export const NO_TOKENS: TokenEnvironment = {
  apiToken: undefined,
  initApiToken: undefined,
  provisioned: [],
};

/** Rows of one data folder: what a restart finds. */
export class FakeRows {
  readonly rows = new Map<string, { key: Buffer; value: Buffer }>();
  /** When set, commits fail with it. */
  failure: Error | undefined;
  commits = 0;

  async commitRows(changes: readonly RowChange[]): Promise<void> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    this.commits++;
    for (const { key, value } of changes) {
      if (value === null) this.rows.delete(key.toString('hex'));
      else this.rows.set(key.toString('hex'), { key, value });
    }
  }
}

export class FakeTimes implements TokenTimes {
  ms: number = START_MS;
  readonly lastAccess = new Map<string, number>();

  nowMs(): number {
    return this.ms;
  }

  lastAccessMs(tokenName: string): number | undefined {
    return this.lastAccess.get(tokenName);
  }

  passS(seconds: number): void {
    this.ms += seconds * 1000;
  }
}

export interface TokenHarness {
  readonly rows: FakeRows;
  readonly times: FakeTimes;
  readonly service: TokenService;
  readonly warnings: readonly string[];
}

/** Starts on what `rows` hold, with `RS_API_TOKEN` unless told otherwise. */
export async function openTokenHarness(
  environment: Partial<TokenEnvironment> = { apiToken: API_TOKEN },
  rows: FakeRows = new FakeRows(),
  times: FakeTimes = new FakeTimes(),
): Promise<TokenHarness> {
  const stored = [...rows.rows.values()].map(({ key, value }) => decodeToken(key, value));
  const started = startTokens(stored, { ...NO_TOKENS, ...environment }, times.ms);
  await rows.commitRows(started.changed.map((token) => tokenRow(token)));
  const service = new TokenService(started.tokens, rows, times);
  return { rows, times, service, warnings: started.warnings };
}

export function draft(overrides: Partial<TokenDraft> = {}): TokenDraft {
  return {
    permissions: { full_access: false, read: [], write: [] },
    expiresAt: undefined,
    ttlS: undefined,
    ipAllowlist: [],
    ...overrides,
  };
}
