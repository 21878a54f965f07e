import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  backOff,
  NO_BACKOFF,
  type BackoffState,
  type Failure,
  type FailureKind,
} from '../../src/replication/backoff.ts';

const middle = (): number => 0.5;

function failure(kind: FailureKind, retryAfterMs: number | null = null): Failure {
  return { kind, retryAfterMs };
}

function waits(failures: readonly Failure[], random: () => number = middle): number[] {
  let state: BackoffState = NO_BACKOFF;
  return failures.map((each) => {
    const next = backOff(state, each, random);
    state = next.state;
    return next.waitMs;
  });
}

function repeated(kind: FailureKind, times: number): Failure[] {
  return Array.from({ length: times }, () => failure(kind));
}

test('refusals double the wait from 1 s to 60 s', () => {
  expect(waits(repeated('refused', 9))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
  ]);
});

test('broken connections double the wait from the probe interval to 60 s', () => {
  expect(waits(repeated('lost', 9))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
  ]);
});

test('an unreachable target is probed twice a second, however long it is away', () => {
  expect(new Set(waits(repeated('unreachable', 1_000)))).toEqual(new Set([500]));
});

test('a probe comes less than a second after the one before, whatever the jitter', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999_999, noNaN: true }), (random) => {
      const [waitMs] = waits([failure('unreachable')], () => random);
      expect(waitMs).toBeGreaterThanOrEqual(400);
      expect(waitMs).toBeLessThanOrEqual(600);
    }),
  );
});

test('jitter stays within 20 % of the wait', () => {
  expect(waits(repeated('refused', 7), () => 0).at(-1)).toBe(48_000);
  expect(waits(repeated('refused', 7), () => 0.999_999).at(-1)).toBe(72_000);
});

test('after a success the wait starts anew', () => {
  const { state } = backOff(NO_BACKOFF, failure('refused'), middle);
  expect(backOff(state, failure('refused'), middle).waitMs).toBe(2_000);
  expect(backOff(NO_BACKOFF, failure('refused'), middle).waitMs).toBe(1_000);
});

test('a target that was unreachable starts from the first wait when it is back', () => {
  const failures = [...repeated('refused', 6), failure('unreachable'), failure('refused')];
  expect(waits(failures).slice(-2)).toEqual([500, 1_000]);
});

describe('Retry-After', () => {
  test('replaces the exponential wait in both directions, and the failure counts', () => {
    const failures = [failure('refused', 30_000), failure('refused', 100), failure('refused')];
    expect(waits(failures, () => 0)).toEqual([30_000, 100, 3_200]);
  });

  test('is never undercut by jitter', () => {
    expect(waits([failure('refused', 10_000)], () => 0)).toEqual([10_000]);
    expect(waits([failure('refused', 10_000)], () => 0.999_999)).toEqual([12_000]);
  });

  test('is believed within bounds', () => {
    expect(waits([failure('refused', 0)], () => 0)).toEqual([100]);
    expect(waits([failure('refused', Number.POSITIVE_INFINITY)], () => 0)).toEqual([3_600_000]);
  });
});

test('any number of failures gives a finite wait', () => {
  expect(waits(repeated('refused', 5_000)).at(-1)).toBe(60_000);
});
