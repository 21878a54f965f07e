/** What the front asks of authentication. Main thread only. */
import type { RowChange } from '../store/row-change.ts';
import type { Instant } from '../wire/rfc3339.ts';
import type { Permissions } from './permissions.ts';

/** A caller whose token was accepted. */
export interface Identity {
  readonly tokenName: string;
  readonly hasFullAccess: boolean;
  canRead(bucketName: string): boolean;
  canWrite(bucketName: string): boolean;
  /** The token document of http-api §3.5 as JSON, without the value: what `GET /me` answers. */
  document(): string;
}

export interface Authenticator {
  /** True while some token is bound to addresses. Only then must callers find out where a request comes from. */
  readonly needsClientIp: boolean;
  /**
   * The common case, a value seen before, is one look into a map.
   * @param authorization value of the header with one character per byte, empty when absent.
   * @param clientIp by http-api §3.2; empty when it is unknown, or was not needed.
   * @throws ApiError 401.
   */
  check(authorization: string, clientIp: string): Identity;
}

/** A token as query links need it (http-api-extras §1). */
export interface LinkToken extends Pick<Identity, 'tokenName' | 'canRead'> {
  /** What keys of links are derived from: another one with every new value. */
  readonly linkSecret: Uint8Array;
  /** Its own `expires_at` has passed. */
  isPastDate(): boolean;
}

export interface LinkTokens {
  /** The token of that name, undefined when there is none (any more); without authentication one for all names. */
  linkToken(tokenName: string): LinkToken | undefined;
}

/** What a client asks a new token to be; the form is checked, the content is not. */
export interface TokenDraft {
  readonly permissions: Permissions;
  readonly expiresAt: Instant | undefined;
  /** Seconds without use after which the token expires. */
  readonly ttlS: bigint | undefined;
  /** Addresses and networks in CIDR notation; what is neither never matches. */
  readonly ipAllowlist: readonly string[];
}

/** The only moment at which a value is told. */
export interface IssuedToken {
  readonly value: string;
  readonly createdAt: Instant;
}

/** Commits a change of the bucket list together with these rows. */
export type BucketCommit = (rows: readonly RowChange[]) => Promise<void>;

/** Tokens as they are managed (http-api §3.6). Changes happen one after another, and are durable when they resolve. */
export interface TokenAdmin {
  /** Answer of `GET /tokens`. */
  list(): string;
  /** One document as JSON. @throws ApiError 404; 400 without authentication. */
  document(name: string): string;
  /** @throws ApiError 422, 409 in the order of http-api §3.6; 400 without authentication. */
  create(name: string, draft: TokenDraft): Promise<IssuedToken>;
  /** The old value is invalid from then on. @throws ApiError 404, 409, 422; 400 without authentication. */
  rotate(name: string): Promise<IssuedToken>;
  /** @throws ApiError 404, 409. */
  remove(name: string): Promise<void>;
  /** Removes a bucket, and in the same commit its exact name from the lists of all tokens. Rejects as `commit` does. */
  withoutBucket(name: string, commit: BucketCommit): Promise<void>;
  /** Renames a bucket, and in the same commit its exact name in the lists of all tokens. Rejects as `commit` does. */
  withRenamedBucket(name: string, newName: string, commit: BucketCommit): Promise<void>;
}

/** Clocks, injected. */
export interface TokenTimes {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Time of the token's newest audit record; undefined without one. Must return at once. */
  lastAccessMs(tokenName: string): number | undefined;
  /**
   * Time of the token's last use, also where no audit record tells of it yet; undefined when none is known. Absent:
   * `lastAccessMs` is all that is known. Must return at once.
   */
  lastUseMs?(tokenName: string): number | undefined;
}
