/** Who may do what (http-api §3). One token with full access today; identities are ready for more. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from '../errors/errors.ts';

/** A caller whose token was accepted. */
export interface Identity {
  readonly tokenName: string;
  readonly hasFullAccess: boolean;
  canRead(bucketName: string): boolean;
  canWrite(bucketName: string): boolean;
  /** Answer of `GET /me`: the token document of §3.5, without its value. */
  document(): string;
}

export interface Authenticator {
  /**
   * @param authorization value of the header, empty when absent.
   * @throws ApiError 401.
   */
  check(authorization: string): Identity;
}

/** @throws ApiError 403. */
export function requireFull(identity: Identity): void {
  if (!identity.hasFullAccess) {
    throw new ApiError(403, `Token '${identity.tokenName}' doesn't have full access`);
  }
}

/** Decided on the name alone, before it is known whether the bucket exists. @throws ApiError 403. */
export function requireRead(identity: Identity, bucketName: string): void {
  if (!identity.canRead(bucketName)) {
    throw new ApiError(
      403,
      `Token '${identity.tokenName}' doesn't have read access to bucket '${bucketName}'`,
    );
  }
}

/** See `requireRead`. @throws ApiError 403. */
export function requireWrite(identity: Identity, bucketName: string): void {
  if (!identity.canWrite(bucketName)) {
    throw new ApiError(
      403,
      `Token '${identity.tokenName}' doesn't have write access to bucket '${bucketName}'`,
    );
  }
}

class FullAccess implements Identity {
  readonly tokenName: string;
  readonly hasFullAccess = true;
  readonly #isProvisioned: boolean;
  readonly #createdAt: () => Date;

  constructor(tokenName: string, isProvisioned: boolean, createdAt: () => Date) {
    this.tokenName = tokenName;
    this.#isProvisioned = isProvisioned;
    this.#createdAt = createdAt;
  }

  canRead(): boolean {
    return true;
  }

  canWrite(): boolean {
    return true;
  }

  document(): string {
    return JSON.stringify({
      name: this.tokenName,
      value: '',
      created_at: this.#createdAt().toISOString(),
      permissions: { full_access: true, read: [], write: [] },
      is_provisioned: this.#isProvisioned,
      expires_at: null,
      ttl: null,
      last_access: null,
      ip_allowlist: [],
      is_expired: false,
    });
  }
}

/** No authentication at all: every header is accepted. */
export function createOpenAuthenticator(): Authenticator {
  const identity = new FullAccess('AUTHENTICATION-DISABLED', false, () => new Date());
  return { check: () => identity };
}

const PREFIX = 'Bearer ';
/** Accepted header values kept; far more than there are tokens. */
const MAX_ACCEPTED = 64;

/** One provisioned token, `init-token`, with full access. @param token value of `RS_API_TOKEN`. */
export function createTokenAuthenticator(token: string): Authenticator {
  return new TokenAuthenticator(token);
}

class TokenAuthenticator implements Authenticator {
  readonly #digest: Buffer;
  readonly #identity: Identity;
  /**
   * Only accepted values are kept, so a guess never gets in. A lookup compares bytes only when the (seeded) hash of
   * the whole text already agrees, so its time tells nothing about a prefix.
   */
  readonly #accepted = new Map<string, Identity>();

  constructor(token: string) {
    this.#digest = digestOf(token);
    const createdAt = new Date();
    this.#identity = new FullAccess('init-token', true, () => createdAt);
  }

  check(authorization: string): Identity {
    return this.#accepted.get(authorization) ?? this.#verify(authorization);
  }

  #verify(authorization: string): Identity {
    if (!authorization.startsWith(PREFIX)) {
      throw new ApiError(401, 'No bearer token in request header');
    }
    const given = digestOf(authorization.slice(PREFIX.length));
    if (!timingSafeEqual(given, this.#digest)) throw new ApiError(401, 'Invalid token');
    if (this.#accepted.size >= MAX_ACCEPTED) this.#accepted.clear();
    this.#accepted.set(authorization, this.#identity);
    return this.#identity;
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
