/** The three rate limits of http-api §1.10 as a request meets them. Main thread only. */
import type { RateLimit } from '../config/kinds.ts';
import { ApiError } from '../errors/errors.ts';
import { RateLimiter } from './rate-limit.ts';
import type { RateRefusal } from './rate-limit.ts';

/** Undefined: not limited. */
export interface RateLimits {
  /** `RS_RATE_LIMIT_API`. */
  readonly api: RateLimit | undefined;
  /** `RS_RATE_LIMIT_INGRESS`, bytes. */
  readonly ingress: RateLimit | undefined;
  /** `RS_RATE_LIMIT_EGRESS`, bytes. */
  readonly egress: RateLimit | undefined;
}

/** Throws ApiError 429, with `retryAfterS`, when the client has used up what it may. */
export type Charge = (client: string, amount: number) => void;

/** Undefined members are not limited, so that callers need not even find out who the client is. */
export interface Rates {
  /** One call a request, `amount` 1. */
  readonly api: Charge | undefined;
  /** Declared bytes of a write. */
  readonly ingress: Charge | undefined;
  /** Bytes of one answer with content. */
  readonly egress: Charge | undefined;
}

/** @param nowMs a monotonic clock. */
export function createRates(limits: RateLimits, nowMs: () => number): Rates {
  const charge = (
    kind: string,
    limit: RateLimit | undefined,
    shown: (amount: number) => string,
    admitsOversized: boolean,
  ): Charge | undefined => {
    if (limit === undefined) return undefined;
    const limiter = new RateLimiter(limit, admitsOversized);
    return (client, amount) => {
      const refusal = limiter.take(client, amount, nowMs());
      if (refusal !== undefined) throw exceeded(kind, client, refusal, limit, shown);
    };
  };
  return {
    api: charge('api requests', limits.api, String, false),
    ingress: charge('ingress bytes', limits.ingress, byteText, false),
    egress: charge('egress bytes', limits.egress, byteText, true),
  };
}

function exceeded(
  kind: string,
  client: string,
  { used, retryAfterS }: RateRefusal,
  limit: RateLimit,
  shown: (amount: number) => string,
): ApiError {
  const figures = `used=${shown(used)} limit=${shown(limit.amount)} retry_after=${retryAfterS}s`;
  return new ApiError(429, `rate limit for ${kind} (client ${client}) exceeded: ${figures}`, {
    retryAfterS,
  });
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.0 KiB (1024)`, below 1 KiB `512 B (512)`. */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const larger of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return `${unit === 'B' ? value : value.toFixed(1)} ${unit} (${bytes})`;
}
