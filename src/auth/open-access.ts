/** No authentication (http-api §3.1): every header passes, tokens cannot be managed, those stored stay as they are. */
import { createHash } from 'node:crypto';
import { ApiError } from '../errors/errors.ts';
import { instantOf } from '../wire/rfc3339.ts';
import type {
  Authenticator,
  BucketCommit,
  Identity,
  IssuedToken,
  LinkToken,
  LinkTokens,
  TokenAdmin,
} from './types.ts';

/** What keeps stored tokens in step with buckets meanwhile. */
type StoredTokens = Pick<TokenAdmin, 'withoutBucket' | 'withRenamedBucket'>;

const NAME = 'AUTHENTICATION-DISABLED';

/**
 * The token of every query link: no token checks apply (http-api-extras §1.2). Its secret is none, because whoever can
 * open a link may read everything anyhow; being the same after a restart, links stay valid. A server with
 * authentication has no such token.
 */
const LINK_TOKEN: LinkToken = {
  tokenName: NAME,
  linkSecret: createHash('sha256').update(NAME).digest(),
  canRead: () => true,
  isPastDate: () => false,
};

const EVERYONE: Identity = {
  tokenName: NAME,
  hasFullAccess: true,
  canRead: () => true,
  canWrite: () => true,
  document: () =>
    JSON.stringify({
      name: NAME,
      value: '',
      created_at: instantOf(Date.now()).text,
      permissions: { full_access: true, read: [], write: [] },
      is_provisioned: false,
      expires_at: null,
      ttl: null,
      last_access: null,
      ip_allowlist: [],
      is_expired: false,
    }),
};

export class OpenAccess implements Authenticator, TokenAdmin, LinkTokens {
  readonly needsClientIp = false;
  readonly #stored: StoredTokens;

  constructor(stored: StoredTokens) {
    this.#stored = stored;
  }

  check(): Identity {
    return EVERYONE;
  }

  linkToken(): LinkToken {
    return LINK_TOKEN;
  }

  list(): string {
    return '{"tokens":[]}';
  }

  document(): string {
    throw disabled();
  }

  create(): Promise<IssuedToken> {
    return Promise.reject(disabled());
  }

  rotate(): Promise<IssuedToken> {
    return Promise.reject(disabled());
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  withoutBucket(name: string, commit: BucketCommit): Promise<void> {
    return this.#stored.withoutBucket(name, commit);
  }

  withRenamedBucket(name: string, newName: string, commit: BucketCommit): Promise<void> {
    return this.#stored.withRenamedBucket(name, newName, commit);
  }
}

function disabled(): ApiError {
  return new ApiError(400, 'Authentication is disabled');
}
