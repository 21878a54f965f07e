import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateLimiter } from '../../src/limits/rate-limit.ts';
import { byteText, createRates } from '../../src/limits/rates.ts';

const TEN_PER_SECOND = { amount: 10, periodMs: 1000 };

describe('a fixed window', () => {
  test('admits its amount and refuses what goes beyond it, which uses nothing', () => {
    const limiter = new RateLimiter(TEN_PER_SECOND, false);
    expect(limiter.take('a', 6, 0)).toBeUndefined();
    expect(limiter.take('a', 5, 100)).toStrictEqual({ used: 6, retryAfterS: 1 });
    expect(limiter.take('a', 4, 200)).toBeUndefined();
    expect(limiter.take('a', 1, 999)).toStrictEqual({ used: 10, retryAfterS: 1 });
  });

  test('begins with the first use and again after its period', () => {
    const limiter = new RateLimiter(TEN_PER_SECOND, false);
    limiter.take('a', 10, 5_500);
    expect(limiter.take('a', 1, 6_499)).toBeDefined();
    expect(limiter.take('a', 10, 6_500)).toBeUndefined();
  });

  test('is one for each client', () => {
    const limiter = new RateLimiter(TEN_PER_SECOND, false);
    limiter.take('a', 10, 0);
    expect(limiter.take('b', 10, 0)).toBeUndefined();
    expect(limiter.take('a', 1, 0)).toBeDefined();
  });

  test('names the whole seconds that are left of it', () => {
    const limiter = new RateLimiter({ amount: 1, periodMs: 60_000 }, false);
    limiter.take('a', 1, 0);
    expect(limiter.take('a', 1, 1)?.retryAfterS).toBe(60);
    expect(limiter.take('a', 1, 58_999)?.retryAfterS).toBe(2);
    expect(limiter.take('a', 1, 59_999)?.retryAfterS).toBe(1);
  });

  test('never admits a use above the limit unless that is allowed', () => {
    expect(new RateLimiter(TEN_PER_SECOND, false).take('a', 11, 0)).toBeDefined();
    expect(new RateLimiter(TEN_PER_SECOND, true).take('a', 11, 0)).toBeUndefined();
  });

  test('pays for a use above the limit with the windows that follow', () => {
    const limiter = new RateLimiter(TEN_PER_SECOND, true);
    expect(limiter.take('a', 35, 0)).toBeUndefined();
    expect(limiter.take('a', 100, 2_999)).toStrictEqual({ used: 15, retryAfterS: 2 });
    expect(limiter.take('a', 6, 3_000)).toStrictEqual({ used: 5, retryAfterS: 1 });
    expect(limiter.take('a', 5, 3_000)).toBeUndefined();
    expect(limiter.take('a', 35, 4_000)).toBeUndefined();
  });

  test('what retryAfterS promises holds', () => {
    const uses = fc.array(fc.record({ amount: fc.nat(30), gapMs: fc.nat(1500) }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(uses, fc.boolean(), (steps, admitsOversized) => {
        const limiter = new RateLimiter(TEN_PER_SECOND, admitsOversized);
        let nowMs = 0;
        for (const { amount, gapMs } of steps) {
          nowMs += gapMs;
          const refusal = limiter.take('a', amount, nowMs);
          if (refusal === undefined || (!admitsOversized && amount > 10)) continue;
          nowMs += refusal.retryAfterS * 1000;
          expect(limiter.take('a', amount, nowMs)).toBeUndefined();
        }
      }),
    );
  });
});

describe('the memory of clients', () => {
  test('is bounded: the client whose window is oldest is forgotten', () => {
    const limiter = new RateLimiter(TEN_PER_SECOND, false, 3);
    for (const [i, client] of ['a', 'b', 'c', 'd'].entries()) limiter.take(client, 10, i);
    expect(limiter.clients).toBe(3);
    expect(limiter.take('b', 1, 5)).toBeDefined();
    expect(limiter.take('a', 1, 5)).toBeUndefined();
  });

  test('shrinks as windows run out', () => {
    const limiter = new RateLimiter(TEN_PER_SECOND, false);
    for (let i = 0; i < 100; i++) limiter.take(`old-${i}`, 1, i);
    for (let i = 0; i < 60; i++) limiter.take(`new-${i}`, 1, 5_000 + i);
    expect(limiter.clients).toBeLessThan(65);
  });
});

describe('the texts', () => {
  const limits = {
    api: { amount: 1, periodMs: 60_000 },
    ingress: { amount: 1024, periodMs: 60_000 },
    egress: { amount: 2_000_000, periodMs: 60_000 },
  };

  test('name kind, client, use and limit, and carry the seconds for retry-after', () => {
    const { api, ingress, egress } = createRates(limits, () => 0);
    api?.('1.2.3.4', 1);
    expect(() => api?.('1.2.3.4', 1)).toThrow(
      expect.objectContaining({
        status: 429,
        retryAfterS: 60,
        message:
          'rate limit for api requests (client 1.2.3.4) exceeded: used=1 limit=1 retry_after=60s',
      }),
    );
    ingress?.('::1', 1000);
    expect(() => ingress?.('::1', 25)).toThrow(
      'rate limit for ingress bytes (client ::1) exceeded: used=1000 B (1000) limit=1.0 KiB (1024) retry_after=60s',
    );
    egress?.('::1', 1_990_000);
    expect(() => egress?.('::1', 25_000)).toThrow(
      'rate limit for egress bytes (client ::1) exceeded: used=1.9 MiB (1990000) limit=1.9 MiB (2000000) retry_after=60s',
    );
  });

  test('a limit that is not set is no function at all', () => {
    const rates = createRates({ api: undefined, ingress: undefined, egress: undefined }, () => 0);
    expect(rates).toStrictEqual({ api: undefined, ingress: undefined, egress: undefined });
  });

  test.each([
    [0, '0 B (0)'],
    [1023, '1023 B (1023)'],
    [1024, '1.0 KiB (1024)'],
    [1536, '1.5 KiB (1536)'],
    [2 ** 30, '1.0 GiB (1073741824)'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(byteText(bytes)).toBe(text);
  });
});
