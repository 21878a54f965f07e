/** How far the target's clock is from ours, from the `date` of an answer, which knows whole seconds only. */
import type { AnswerHeaders } from '../answer-headers.ts';
import { ok, problem, skipped } from './findings.ts';
import type { Finding } from './types.ts';

/** Clocks further apart are worth a warning. */
const FAR_MS = 2_000;

/** The header names the second that has begun: the moment lies within it. */
const HALF_SECOND_MS = 500;

/**
 * @param sentMs wall clock when the request began.
 * @param roundTripMs until its answer was there.
 */
export function clockFinding(
  date: AnswerHeaders[string],
  sentMs: number,
  roundTripMs: number,
): Finding {
  const dateMs = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(dateMs)) return skipped('clock', 'the answer has no date');
  const differenceMs = dateMs + HALF_SECOND_MS - (sentMs + roundTripMs / 2);
  const errorMs = HALF_SECOND_MS + roundTripMs / 2;
  const details = {
    difference_ms: Math.round(differenceMs),
    error_bound_ms: Math.ceil(errorMs),
  };
  if (Math.abs(differenceMs) <= errorMs + FAR_MS) {
    return ok('clock', `within ${Math.ceil(errorMs + FAR_MS)} ms of this machine's`, details);
  }
  const direction = differenceMs > 0 ? 'ahead of' : 'behind';
  const seconds = (Math.abs(differenceMs) / 1000).toFixed(1);
  const hint =
    'Set both by NTP: tokens that expire and record times of both sides are compared with these clocks.';
  return problem('clock', 'warning', `${seconds} s ${direction} this machine's`, hint, details);
}
