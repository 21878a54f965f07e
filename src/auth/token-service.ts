/** Tokens as they are managed (http-api §3.6), over their rows in the store. Main thread only. */
import { ApiError } from '../errors/errors.ts';
import type { RowChange } from '../store/row-change.ts';
import { instantOf } from '../wire/rfc3339.ts';
import type { ActiveToken } from './active-token.ts';
import { checkPermissions, withBucketRenamed } from './permissions.ts';
import { generateValue, hashSecret } from './secret.ts';
import type { Token } from './token.ts';
import { removedTokenRow, tokenRow } from './token.ts';
import { TokenRegistry } from './token-registry.ts';
import type {
  Authenticator,
  BucketCommit,
  Identity,
  IssuedToken,
  LinkToken,
  LinkTokens,
  TokenAdmin,
  TokenDraft,
  TokenTimes,
} from './types.ts';

/** The part of the commit path that tokens need. */
export interface RowCommitter {
  /** Resolves after the commit that contains all rows. */
  commitRows(rows: readonly RowChange[]): Promise<void>;
}

export class TokenService implements Authenticator, TokenAdmin, LinkTokens {
  readonly #registry: TokenRegistry;
  readonly #commits: RowCommitter;
  readonly #times: TokenTimes;
  /** Settles when the change before has ended, so that each change sees and is checked against the one before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(tokens: Iterable<Token>, commits: RowCommitter, times: TokenTimes) {
    this.#registry = new TokenRegistry(tokens, times);
    this.#commits = commits;
    this.#times = times;
  }

  get needsClientIp(): boolean {
    return this.#registry.needsClientIp;
  }

  check(authorization: string, clientIp: string): Identity {
    return this.#registry.check(authorization, clientIp);
  }

  linkToken(name: string): LinkToken | undefined {
    return this.#registry.get(name);
  }

  list(): string {
    const sorted = [...this.#registry.all()].toSorted((a, b) =>
      Buffer.compare(Buffer.from(a.tokenName), Buffer.from(b.tokenName)),
    );
    return `{"tokens":[${sorted.map((token) => token.document()).join(',')}]}`;
  }

  document(name: string): string {
    return this.#existing(name).document();
  }

  create(name: string, draft: TokenDraft): Promise<IssuedToken> {
    return this.#inTurn(async () => {
      this.#checkDraft(name, draft);
      return this.#issue({ name, isProvisioned: false, ...draft });
    });
  }

  rotate(name: string): Promise<IssuedToken> {
    return this.#inTurn(async () => {
      const current = this.#existing(name);
      if (current.token.isProvisioned) {
        throw new ApiError(409, `Can't rotate provisioned token '${name}'`);
      }
      if (current.isPastDate()) throw new ApiError(422, `Can't rotate expired token '${name}'`);
      return this.#issue(current.token);
    });
  }

  remove(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const { token } = this.#existing(name);
      if (token.isProvisioned) {
        throw new ApiError(409, `Can't remove provisioned token '${name}'`);
      }
      if (token.permissions.full_access && this.#isLastWithFullAccess(name)) {
        throw new ApiError(
          409,
          `Can't remove token '${name}': at least one full-access token must remain`,
        );
      }
      await this.#commits.commitRows([removedTokenRow(name)]);
      this.#registry.delete(name);
    });
  }

  withoutBucket(name: string, commit: BucketCommit): Promise<void> {
    return this.#withBucketChange(name, undefined, commit);
  }

  withRenamedBucket(name: string, newName: string, commit: BucketCommit): Promise<void> {
    return this.#withBucketChange(name, newName, commit);
  }

  #withBucketChange(
    name: string,
    newName: string | undefined,
    commit: BucketCommit,
  ): Promise<void> {
    return this.#inTurn(async () => {
      const changed: Token[] = [];
      for (const { token } of this.#registry.all()) {
        const permissions = withBucketRenamed(token.permissions, name, newName);
        if (permissions !== undefined) changed.push({ ...token, permissions });
      }
      await commit(changed.map(tokenRow));
      this.#registry.set(changed);
    });
  }

  /** A token with a new value, effective once it is durable. */
  async #issue(token: Omit<Token, 'secret' | 'isGenerated' | 'createdAt'>): Promise<IssuedToken> {
    const value = generateValue(token.name);
    const createdAt = instantOf(this.#times.nowMs());
    const issued = { ...token, secret: hashSecret(value), isGenerated: true, createdAt };
    await this.#commits.commitRows([tokenRow(issued)]);
    this.#registry.set([issued]);
    return { value, createdAt };
  }

  /** @throws ApiError in the order of http-api §3.6. */
  #checkDraft(name: string, { permissions, ttlS, expiresAt }: TokenDraft): void {
    if (name === '') throw new ApiError(422, "Token name can't be empty");
    if (this.#registry.get(name) !== undefined) {
      throw new ApiError(409, `Token '${name}' already exists`);
    }
    checkPermissions(permissions);
    if (ttlS === 0n) throw new ApiError(422, 'Token TTL must be greater than zero');
    if (expiresAt !== undefined && expiresAt.epochMs < this.#times.nowMs()) {
      throw new ApiError(422, 'Token expiration date must not be in the past');
    }
  }

  #existing(name: string): ActiveToken {
    const token = this.#registry.get(name);
    if (token === undefined) throw new ApiError(404, `Token '${name}' doesn't exist`);
    return token;
  }

  #isLastWithFullAccess(name: string): boolean {
    for (const { tokenName, hasFullAccess } of this.#registry.all()) {
      if (hasFullAccess && tokenName !== name) return false;
    }
    return true;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(change);
    // The next one comes whether this one failed or not; its failure is its caller's.
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
