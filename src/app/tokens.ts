/** Tokens of a starting server. */
import { OpenAccess } from '../auth/open-access.ts';
import { openTokens } from '../auth/open-tokens.ts';
import type { Tokens } from '../auth/open-tokens.ts';
import { ReadOnlyTokens } from '../auth/read-only-tokens.ts';
import type { RowCommitter } from '../auth/token-service.ts';
import type { TokenAdmin, TokenTimes } from '../auth/types.ts';
import type { Config } from '../config/config.ts';
import type { Provisioning } from '../config/provisioning.ts';
import { isReadOnlyRole } from '../config/rules.ts';
import { LastAccess } from '../events/last-access.ts';
import type { LastAccessOptions } from '../events/last-access.ts';
import type { SystemEvents } from '../events/system-events.ts';
import type { Logger } from '../logging/logger.ts';
import type { RocksReader } from '../store/rocks.ts';
import { tokenEnvironment } from './provisioning.ts';

export interface TokenParts extends Pick<LastAccessOptions, 'catalog' | 'records'> {
  readonly config: Config;
  readonly provisioning: Provisioning;
  readonly logger: Logger;
  readonly db: RocksReader;
  readonly commits: RowCommitter;
  readonly events: SystemEvents | undefined;
}

export interface StartedTokens {
  readonly tokens: Tokens;
  /** What clients may do with them. */
  readonly tokenAdmin: TokenAdmin;
}

/** @throws StoreFormatError when a stored token cannot be read. */
export async function startTokenParts(parts: TokenParts): Promise<StartedTokens> {
  const { config, provisioning, logger, db, commits } = parts;
  const isReadOnly = isReadOnlyRole(config);
  const tokens = await openTokens({
    db,
    commits,
    times: tokenTimes(parts),
    environment: tokenEnvironment(config, provisioning),
    isReadOnly,
    warn: (message, err) => logger.warn(err === undefined ? {} : { err }, message),
  });
  // Without authentication there is nothing that could be changed.
  const isChangeable = !isReadOnly || tokens instanceof OpenAccess;
  return { tokens, tokenAdmin: isChangeable ? tokens : new ReadOnlyTokens(tokens) };
}

/** A read-only instance knows of uses what was recorded in the folder by an instance of its name. */
function tokenTimes({ config, events, catalog, records }: TokenParts): TokenTimes {
  const nowMs = (): number => Date.now();
  const { instanceName, systemEventsEnabled } = config;
  if (systemEventsEnabled && isReadOnlyRole(config)) {
    const stored = new LastAccess({ catalog, records, instanceName });
    return { nowMs, lastAccessMs: (name) => stored.of(name) };
  }
  return {
    nowMs,
    lastAccessMs: (name) => events?.lastAccessMs(name),
    lastUseMs: (name) => events?.lastUseMs(name),
  };
}
