/** Authentication of a starting server. */
import type { RocksReader } from '../store/rocks.ts';
import { OpenAccess } from './open-access.ts';
import { loadTokens, startTokens } from './start-tokens.ts';
import type { TokenEnvironment } from './start-tokens.ts';
import { tokenRow } from './token.ts';
import { TokenService } from './token-service.ts';
import type { RowCommitter } from './token-service.ts';
import type { TokenTimes } from './types.ts';

/** With authentication, or without. */
export type Tokens = TokenService | OpenAccess;

export interface OpenTokensOptions {
  readonly db: RocksReader;
  readonly commits: RowCommitter;
  readonly times: TokenTimes;
  /** Undefined: no authentication. Stored tokens and the environment's are left alone then. */
  readonly environment: TokenEnvironment | undefined;
  /** What the environment says counts without being stored. Default: it is stored. */
  readonly isReadOnly?: boolean;
  readonly warn: (message: string, error?: unknown) => void;
}

/**
 * Resolves when what the environment says is stored. If it cannot be (a full disk), it counts all the same: a server
 * must be able to start and hand out what it holds.
 * @throws StoreFormatError when a stored token cannot be read.
 */
export async function openTokens(options: OpenTokensOptions): Promise<Tokens> {
  const { db, commits, times, environment, isReadOnly, warn } = options;
  const stored = loadTokens(db);
  if (environment === undefined) return new OpenAccess(new TokenService(stored, commits, times));
  const { tokens, changed, warnings } = startTokens(stored, environment, times.nowMs());
  for (const warning of warnings) warn(warning);
  if (isReadOnly) return new TokenService(tokens, commits, times);
  try {
    await commits.commitRows(changed.map((token) => tokenRow(token)));
  } catch (error) {
    warn('tokens of the environment count, but could not be stored', error);
  }
  return new TokenService(tokens, commits, times);
}
