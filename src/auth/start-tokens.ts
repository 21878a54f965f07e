/** Which tokens there are after a start: those stored, changed by what the environment says (http-api §3.1, §7). */
import { ApiError } from '../errors/errors.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { metaRange } from '../store/keys.ts';
import type { RocksReader } from '../store/rocks.ts';
import type { Instant } from '../wire/rfc3339.ts';
import { instantOf } from '../wire/rfc3339.ts';
import { checkPermissions } from './permissions.ts';
import type { Permissions } from './permissions.ts';
import { fingerprint, hashSecret, matchesSecret } from './secret.ts';
import { decodeToken } from './token.ts';
import type { Token } from './token.ts';

/** Name of the token of `RS_API_TOKEN` and `RS_INIT_API_TOKEN`. */
export const INIT_TOKEN_NAME = 'init-token';

const FULL_ACCESS: Permissions = { full_access: true, read: [], write: [] };
const ROWS_PER_PAGE = 1000;

/** One token of `RS_TOKEN_<ID>_*`. */
export interface TokenOfEnvironment {
  readonly name: string;
  readonly value: string;
  readonly permissions: Permissions;
  readonly expiresAt: Instant | undefined;
}

export interface TokenEnvironment {
  /** `RS_API_TOKEN`. Not together with `initApiToken`. */
  readonly apiToken: string | undefined;
  /** `RS_INIT_API_TOKEN`. */
  readonly initApiToken: string | undefined;
  readonly provisioned: readonly TokenOfEnvironment[];
}

export interface StartedTokens {
  readonly tokens: readonly Token[];
  /** Those of `tokens` that are not stored like this yet. */
  readonly changed: readonly Token[];
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

/** @throws StoreFormatError when a row cannot be read. */
export function loadTokens(db: RocksReader): Token[] {
  const tokens: Token[] = [];
  const iterator = db.iterate(COLUMN_META, metaRange(META.token));
  try {
    for (;;) {
      const { rows, finished } = iterator.next(ROWS_PER_PAGE);
      for (let i = 0; i + 1 < rows.length; i += 2) {
        const key = rows[i];
        const value = rows[i + 1];
        if (key !== undefined && value !== undefined) tokens.push(decodeToken(key, value));
      }
      if (finished) return tokens;
    }
  } finally {
    iterator.close();
  }
}

/**
 * Tokens of the environment replace stored ones of their name. Stored ones that the environment does not name any more
 * stay and can be changed by clients from now on, except `init-token`.
 */
export function startTokens(
  stored: readonly Token[],
  environment: TokenEnvironment,
  nowMs: number,
): StartedTokens {
  const tokens = new Map(stored.map((token) => [token.name, token]));
  const warnings: string[] = [];
  const changed = new Map<string, Token>();
  const put = (token: Token): void => {
    tokens.set(token.name, token);
    changed.set(token.name, token);
  };
  const initToken = wantedInitToken(tokens.get(INIT_TOKEN_NAME), environment, nowMs);
  if (initToken !== undefined) put(initToken);
  for (const wanted of environment.provisioned) {
    const refusal = provisioningRefusal(wanted);
    if (refusal === undefined) put(chosenToken(wanted, tokens.get(wanted.name), true, nowMs));
    else warnings.push(`token '${wanted.name}' is not provisioned: ${refusal}`);
  }
  for (const token of stored) {
    if (!token.isProvisioned || changed.has(token.name) || token.name === INIT_TOKEN_NAME) continue;
    put({ ...token, isProvisioned: false });
  }
  return { tokens: [...tokens.values()], changed: [...changed.values()], warnings };
}

/** The `init-token` to put in place; undefined when the stored one (or none) is right. */
function wantedInitToken(
  stored: Token | undefined,
  { apiToken, initApiToken }: TokenEnvironment,
  nowMs: number,
): Token | undefined {
  const common = { name: INIT_TOKEN_NAME, permissions: FULL_ACCESS, expiresAt: undefined };
  if (apiToken !== undefined) {
    return chosenToken({ ...common, value: apiToken }, stored, true, nowMs);
  }
  if (initApiToken === undefined) return undefined;
  if (stored !== undefined && !stored.isProvisioned) return undefined;
  return chosenToken({ ...common, value: initApiToken }, stored, false, nowMs);
}

function provisioningRefusal({ name, permissions }: TokenOfEnvironment): string | undefined {
  if (name === INIT_TOKEN_NAME) return 'the name belongs to RS_API_TOKEN and RS_INIT_API_TOKEN';
  try {
    checkPermissions(permissions);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** The same value keeps its salt, so that query links made with the token outlive the restart. */
function chosenToken(
  wanted: TokenOfEnvironment,
  stored: Token | undefined,
  isProvisioned: boolean,
  nowMs: number,
): Token {
  const isSame = stored !== undefined && matchesSecret(fingerprint(wanted.value), stored.secret);
  return {
    name: wanted.name,
    secret: isSame ? stored.secret : hashSecret(wanted.value),
    isGenerated: false,
    createdAt: instantOf(nowMs),
    permissions: wanted.permissions,
    isProvisioned,
    expiresAt: wanted.expiresAt,
    ttlS: undefined,
    ipAllowlist: [],
  };
}
