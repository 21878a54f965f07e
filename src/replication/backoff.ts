/**
 * How long a task waits after a failed attempt (spec §5.8).
 *
 * Failures differ in what the next attempt costs, and in how soon it may succeed:
 *
 * - `unreachable`: nothing answers (refused, no route, connect timeout, resolver without an answer). This is what
 *   a restart or an outage of the target looks like, and a lost uplink of the source. An attempt costs one
 *   refused connection, no payload, and says nothing about the target's load. So the wait is constant and short,
 *   and the first batch leaves within a second of the target's return; with an exponential wait it would leave
 *   up to a minute later. The attempt has to be a mere connect or bucket GET with a timeout of about
 *   `PROBE_CONNECT_TIMEOUT_MS`, never a batch.
 * - `lost`: the target accepted the connection and broke it, or went silent. The attempt may have cost a whole
 *   batch, and a proxy may cut every one of them: exponential. It starts at the probe's interval, because the
 *   first break is mostly a target that is just going down.
 * - `refused`: the target, or something before it, is alive and says no (429, 5xx, TLS). It asks for rest:
 *   exponential, or what its `Retry-After` says.
 *
 * Jitter of ±20 % keeps tasks which lost the same target from returning in step.
 */

export type FailureKind = 'unreachable' | 'lost' | 'refused';

/** Wait between two probes of an unreachable target, ms. */
export const PROBE_INTERVAL_MS = 500;

/**
 * Time limit of a probe's connect, ms. A host that is off drops packets silently, and the kernel repeats a SYN only
 * after 1, 3, 7 … s; a fresh connect notices the host's return sooner.
 */
export const PROBE_CONNECT_TIMEOUT_MS = 1_000;

/** First wait of the exponential kinds, ms. */
const FIRST_WAIT_MS: Readonly<Record<'lost' | 'refused', number>> = {
  lost: PROBE_INTERVAL_MS,
  refused: 1_000,
};

/** Cap of exponential waits before jitter, ms. */
const MAX_WAIT_MS = 60_000;

/** Longest `Retry-After` that is believed, ms: a target may be down for maintenance, but not stop a task for good. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Shortest wait after a `Retry-After`, ms; `0` would be a loop without pause. */
const MIN_RETRY_AFTER_MS = 100;

const JITTER = 0.2;

/** Plain data, so that it can travel with a slice. */
export interface BackoffState {
  /** Failures in a row which count for the exponent. */
  readonly failures: number;
}

/** The state of a new task, and of one whose last attempt succeeded. */
export const NO_BACKOFF: BackoffState = { failures: 0 };

export interface Failure {
  readonly kind: FailureKind;
  /** The target's own wish, ms from now; `null` when it has none. */
  readonly retryAfterMs: number | null;
}

export interface Backoff {
  readonly state: BackoffState;
  readonly waitMs: number;
}

/**
 * The wait before the next attempt, and the state to keep until then; after a success go on with `NO_BACKOFF`.
 *
 * A `Retry-After` replaces the exponential wait, in both directions; its jitter only lengthens it. A target that
 * was unreachable starts from the first wait when it is back: it is a different process with a different load.
 *
 * @param random uniform in [0, 1), such as `Math.random`.
 */
export function backOff(state: BackoffState, failure: Failure, random: () => number): Backoff {
  const { kind, retryAfterMs } = failure;
  const spread = random();
  if (retryAfterMs !== null) {
    const wishMs = Math.min(Math.max(retryAfterMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
    return { state: next(state), waitMs: Math.round(wishMs * (1 + JITTER * spread)) };
  }
  if (kind === 'unreachable') {
    return { state: NO_BACKOFF, waitMs: jittered(PROBE_INTERVAL_MS, spread) };
  }
  const exponentialMs = FIRST_WAIT_MS[kind] * 2 ** state.failures;
  return { state: next(state), waitMs: jittered(Math.min(exponentialMs, MAX_WAIT_MS), spread) };
}

/** The exponent stops where both first waits have passed the cap, long before it could overflow. */
function next(state: BackoffState): BackoffState {
  return { failures: Math.min(state.failures + 1, 10) };
}

function jittered(waitMs: number, spread: number): number {
  return Math.round(waitMs * (1 - JITTER + 2 * JITTER * spread));
}
