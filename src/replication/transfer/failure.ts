/** What a slice reports when a request did not get through. */
import { BugError } from '../../errors/errors.ts';
import { answerMessage, parseRetryAfter } from '../answer-headers.ts';
import type { SliceFailure } from '../messages.ts';
import {
  AUTH_WAIT_MS,
  type RecordAction,
  type RequestAction,
  type RequestResult,
} from '../outcome.ts';
import { classifyTransportError } from '../transport-error.ts';
import { TargetLookupError } from './target-records.ts';

/** The main thread asked for the end. */
export const STOPPED: SliceFailure = {
  kind: 'stopped',
  key: -5,
  message: 'Interrupted',
  retryAfterMs: null,
};

/** Error key and text of a request for the diagnostics. */
export function describeResult(result: RequestResult): {
  readonly key: number;
  readonly message: string;
} {
  if (result.kind === 'answer') return { key: result.status, message: result.message };
  return { key: result.failure.key, message: result.failure.message };
}

/** The failure behind an action that keeps records. @throws BugError for an action that does not. */
export function failureOf(action: RequestAction, result: RequestResult): SliceFailure {
  return failureWith(action, describeResult(result));
}

/** The same with key and text given, for actions on single records. */
export function failureWith(
  action: RequestAction | RecordAction,
  { key, message }: { readonly key: number; readonly message: string },
): SliceFailure {
  switch (action.action) {
    case 'retry-later':
      return { kind: action.failure, key, message, retryAfterMs: action.retryAfterMs };
    case 'auth-wait':
      return { kind: 'auth', key, message, retryAfterMs: action.waitMs };
    case 'create-bucket':
      return { kind: 'refused', key, message, retryAfterMs: null };
    case 'recheck-target':
      return { kind: 'recheck', key, message, retryAfterMs: null };
    case 'available':
    case 'delivered':
    case 'write-in-full':
    case 'nothing-to-update':
    case 'split':
    case 'dead-letter':
    case 'duplicate-check':
      throw new BugError(`action ${action.action} (${key} ${message}) is no failure`);
  }
}

/** Of a request that asked what the target has. */
export function lookupFailure(error: unknown): SliceFailure {
  if (error instanceof TargetLookupError) {
    const { status, headers } = error.answer;
    const message = answerMessage(headers);
    if (status === 401 || status === 403) {
      return { kind: 'auth', key: status, message, retryAfterMs: AUTH_WAIT_MS };
    }
    const retryAfterMs = parseRetryAfter(headers, Date.now());
    return { kind: 'refused', key: status, message, retryAfterMs };
  }
  const { kind, key, message } = classifyTransportError(error);
  return { kind, key, message, retryAfterMs: null };
}
