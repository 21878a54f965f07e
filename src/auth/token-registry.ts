/** All tokens in memory, and the way from a header to one of them. */
import { ApiError } from '../errors/errors.ts';
import { isPrintableAscii } from '../wire/header-text.ts';
import { ActiveToken } from './active-token.ts';
import { fingerprint, matchesSecret, nameInValue } from './secret.ts';
import type { Token } from './token.ts';
import type { Authenticator, Identity, TokenTimes } from './types.ts';

const PREFIX = 'Bearer ';

export class TokenRegistry implements Authenticator {
  readonly #times: TokenTimes;
  readonly #tokens = new Map<string, ActiveToken>();
  /** Those whose value does not tell their name: few, all from the environment. */
  #chosen: readonly ActiveToken[] = [];
  /**
   * Headers that led to a token, so at most one per token; a guess never gets in. A lookup compares bytes only when
   * the (seeded) hash of the whole text already agrees, so its time tells nothing about a prefix.
   * Invariant: emptied with every change of a token, so what it leads to is what the token is now.
   */
  readonly #known = new Map<string, ActiveToken>();
  #needsClientIp = false;

  constructor(tokens: Iterable<Token>, times: TokenTimes) {
    this.#times = times;
    for (const token of tokens) this.#tokens.set(token.name, new ActiveToken(token, times));
    this.#refresh();
  }

  get needsClientIp(): boolean {
    return this.#needsClientIp;
  }

  check(authorization: string, clientIp: string): Identity {
    const token = this.#known.get(authorization) ?? this.#find(authorization);
    if (token.isRestricted) token.admit(clientIp);
    return token;
  }

  get(name: string): ActiveToken | undefined {
    return this.#tokens.get(name);
  }

  /** In no order. */
  all(): Iterable<ActiveToken> {
    return this.#tokens.values();
  }

  /** Adds or replaces. */
  set(tokens: readonly Token[]): void {
    for (const token of tokens) this.#tokens.set(token.name, new ActiveToken(token, this.#times));
    this.#refresh();
  }

  delete(name: string): void {
    this.#tokens.delete(name);
    this.#refresh();
  }

  #refresh(): void {
    const all = [...this.#tokens.values()];
    this.#chosen = all.filter(({ token }) => !token.isGenerated);
    this.#needsClientIp = all.some(({ isBoundToAddresses }) => isBoundToAddresses);
    this.#known.clear();
  }

  /** The cost of a wrong value is that of one hash, and one more per chosen value, however many tokens there are. */
  #find(authorization: string): ActiveToken {
    if (!authorization.startsWith(PREFIX)) {
      throw new ApiError(401, 'No bearer token in request header');
    }
    const value = utf8Text(authorization.slice(PREFIX.length));
    const named = this.#tokens.get(nameInValue(value) ?? '');
    const candidates = named?.token.isGenerated === true ? [named, ...this.#chosen] : this.#chosen;
    const given = fingerprint(value);
    const found = candidates.find(({ token }) => matchesSecret(given, token.secret));
    if (found === undefined) throw new ApiError(401, 'Invalid token');
    this.#known.set(authorization, found);
    return found;
  }
}

/** Header values come with one character per byte; a value that begins with a name may have any letters. */
function utf8Text(bytes: string): string {
  return isPrintableAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}
