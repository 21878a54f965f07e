/** Which answered requests are recorded, and under which name (http-api-extras §3). */
import type { Authenticator } from '../auth/types.ts';
import type { RequestAudit } from '../events/types.ts';

/** Name of every 401, whatever token was sent. */
const UNAUTHORIZED = 'unauthorized';

/** What an exchange knows of its request. */
export interface AuditedExchange {
  readonly method: string;
  /** Empty for a request that is never recorded. */
  readonly path: string;
  readonly clientIp: string;
  readonly authorization: string;
  /** Empty while the token was not looked at. */
  tokenName: string;
}

export class ExchangeAudit {
  readonly #audit: RequestAudit;
  readonly #authenticator: () => Authenticator;

  /** @param authenticator throws while the store is not open. */
  constructor(audit: RequestAudit, authenticator: () => Authenticator) {
    this.#audit = audit;
    this.#authenticator = authenticator;
  }

  answered(
    exchange: AuditedExchange,
    status: number,
    message: string,
    durationMs: number,
    nowMs: number,
  ): void {
    if (exchange.path === '') return;
    if (status === 401) exchange.tokenName = UNAUTHORIZED;
    else if (exchange.tokenName === '') this.#identify(exchange);
    if (exchange.tokenName === '') return;
    this.#audit.observe(exchange, status, message, durationMs, nowMs);
  }

  /** Answered before the token was looked at, or by something that needs none. */
  #identify(exchange: AuditedExchange): void {
    const { authorization, clientIp } = exchange;
    if (authorization === '') return;
    try {
      exchange.tokenName = this.#authenticator().check(authorization, clientIp).tokenName;
    } catch {
      // Nobody in particular: such requests are not recorded.
    }
  }
}
