/** What a task does after a slice that failed: how long it waits, and for what. */
import { type Backoff, backOff } from './backoff.ts';
import type { SliceFailure } from './messages.ts';
import { AUTH_WAIT_MS } from './outcome.ts';
import type { Task } from './task.ts';

/** Every so many probes of an unreachable target a whole attempt with its longer time limit is made. */
const PATIENT_ATTEMPT = 8;

/**
 * - `now`: go on at once;
 * - `wait`: for `waitMs`;
 * - `gate`: together with other tasks of that origin, whose scout tries again after `waitMs`.
 */
export type NextAttempt =
  | { readonly when: 'now' }
  | { readonly when: 'wait' | 'gate'; readonly waitMs: number };

const NOW: NextAttempt = { when: 'now' };

/**
 * Changes the task's back-off accordingly.
 * @param random uniform in [0, 1).
 * @param maxUnreachableMs longest wait for a target that cannot be connected to.
 */
export function planRetry(
  task: Task,
  failure: SliceFailure,
  random: () => number,
  maxUnreachableMs: number,
): NextAttempt {
  switch (failure.kind) {
    case 'stopped':
      return NOW;
    case 'recheck':
      // A target which shows a bucket and denies it would be asked without pause.
      if (task.rechecks++ === 0) return NOW;
      return wait(task, { ...failure, kind: 'refused' }, random);
    case 'auth':
      return { when: 'wait', waitMs: failure.retryAfterMs ?? AUTH_WAIT_MS };
    case 'unreachable':
      task.unreachable++;
      return {
        when: 'gate',
        waitMs: Math.min(maxUnreachableMs, backOffOf(task, 'unreachable', null, random).waitMs),
      };
    case 'lost':
    case 'refused':
    case 'bug':
      return wait(task, failure, random);
  }
}

/** Whether the next attempt begins with a mere connect. */
export function beginsWithProbe(task: Task): boolean {
  return task.unreachable > 0 && task.unreachable % PATIENT_ATTEMPT !== 0;
}

function wait(task: Task, failure: SliceFailure, random: () => number): NextAttempt {
  const kind = failure.kind === 'lost' ? 'lost' : 'refused';
  return { when: 'wait', waitMs: backOffOf(task, kind, failure.retryAfterMs, random).waitMs };
}

function backOffOf(
  task: Task,
  kind: 'unreachable' | 'lost' | 'refused',
  retryAfterMs: number | null,
  random: () => number,
): Backoff {
  const next = backOff(task.backoff, { kind, retryAfterMs }, random);
  task.backoff = next.state;
  return next;
}

/** Failures that only a target which can be reached causes. */
export function isAnswer(failure: SliceFailure | null): boolean {
  switch (failure?.kind) {
    case undefined:
    case 'unreachable':
    case 'stopped':
    case 'bug':
      return false;
    case 'lost':
    case 'refused':
    case 'auth':
    case 'recheck':
      return true;
  }
}
