/** A token in use: who it lets in, and what it lets them do. */
import { ApiError } from '../errors/errors.ts';
import { instantOf } from '../wire/rfc3339.ts';
import { IpSet } from './ip-address.ts';
import { BucketMatcher } from './permissions.ts';
import type { Token } from './token.ts';
import type { Identity, LinkToken, TokenTimes } from './types.ts';

export class ActiveToken implements Identity, LinkToken {
  readonly token: Token;
  readonly tokenName: string;
  readonly hasFullAccess: boolean;
  /** Whether `admit` has anything to look at; most tokens are good for ever and from anywhere. */
  readonly isRestricted: boolean;
  readonly #times: TokenTimes;
  readonly #read: BucketMatcher;
  readonly #write: BucketMatcher;
  readonly #addresses: IpSet | undefined;
  /**
   * Until then the token has not expired, whatever happens. Reaching it means to look again: it moves on when the
   * token was used meanwhile.
   */
  #goodUntilMs: number;

  constructor(token: Token, times: TokenTimes) {
    const { name, permissions, ipAllowlist, expiresAt, ttlS } = token;
    this.token = token;
    this.tokenName = name;
    this.hasFullAccess = permissions.full_access;
    this.#times = times;
    this.#read = new BucketMatcher(permissions.read);
    this.#write = new BucketMatcher(permissions.write);
    this.#addresses = ipAllowlist.length === 0 ? undefined : new IpSet(ipAllowlist);
    this.#goodUntilMs = this.#expiryMs();
    this.isRestricted =
      expiresAt !== undefined || ttlS !== undefined || this.#addresses !== undefined;
  }

  get isBoundToAddresses(): boolean {
    return this.#addresses !== undefined;
  }

  get linkSecret(): Uint8Array {
    return this.token.secret.digest;
  }

  /** @param clientIp canonical, empty when unknown. @throws ApiError 401 in the order of http-api §3.2. */
  admit(clientIp: string): void {
    if (this.isExpired()) throw new ApiError(401, 'Token has expired');
    if (this.#addresses === undefined) return;
    if (clientIp === '') throw new ApiError(401, 'Client IP is required for this token');
    if (!this.#addresses.has(clientIp)) {
      throw new ApiError(401, `Token is not allowed for client IP ${clientIp}`);
    }
  }

  /** By date or by idleness (http-api §3.5). */
  isExpired(): boolean {
    if (this.#goodUntilMs === Infinity) return false;
    const nowMs = this.#times.nowMs();
    if (nowMs < this.#goodUntilMs) return false;
    this.#goodUntilMs = this.#expiryMs();
    return nowMs >= this.#goodUntilMs;
  }

  /** By date alone. */
  isPastDate(): boolean {
    const { expiresAt } = this.token;
    return expiresAt !== undefined && this.#times.nowMs() >= expiresAt.epochMs;
  }

  canRead(bucketName: string): boolean {
    return this.hasFullAccess || this.#read.matches(bucketName);
  }

  canWrite(bucketName: string): boolean {
    return this.hasFullAccess || this.#write.matches(bucketName);
  }

  document(): string {
    const { token } = this;
    const { expiresAt, ttlS } = token;
    const lastAccessMs = this.#times.lastAccessMs(token.name);
    const lastAccess = lastAccessMs === undefined ? null : instantOf(lastAccessMs).text;
    const members: readonly (readonly [name: string, json: string])[] = [
      ['name', JSON.stringify(token.name)],
      ['value', '""'],
      ['created_at', JSON.stringify(token.createdAt.text)],
      ['permissions', JSON.stringify(token.permissions)],
      ['is_provisioned', String(token.isProvisioned)],
      ['expires_at', JSON.stringify(expiresAt?.text ?? null)],
      // A 64-bit integer: written bare, which the JSON of the platform cannot.
      ['ttl', ttlS === undefined ? 'null' : ttlS.toString()],
      ['last_access', JSON.stringify(lastAccess)],
      ['ip_allowlist', JSON.stringify(token.ipAllowlist)],
      ['is_expired', String(this.isExpired())],
    ];
    return `{${members.map(([name, json]) => `"${name}":${json}`).join(',')}}`;
  }

  #expiryMs(): number {
    const { createdAt, expiresAt, ttlS } = this.token;
    const byDateMs = expiresAt?.epochMs ?? Infinity;
    if (ttlS === undefined) return byDateMs;
    const { name } = this.token;
    const times = this.#times;
    const lastUseMs = times.lastUseMs?.(name) ?? times.lastAccessMs(name) ?? createdAt.epochMs;
    const idleSinceMs = Math.max(lastUseMs, createdAt.epochMs);
    // Idle for more than `ttl` whole seconds is idle for at least one more than that.
    return Math.min(byDateMs, idleSinceMs + (Number(ttlS) + 1) * 1000);
  }
}
