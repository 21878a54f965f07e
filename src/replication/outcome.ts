/**
 * What becomes of a request and its records: the OURS column of spec §5.7, with §5.5 for label updates.
 *
 * The rule behind the table: a record leaves the log only if the target has it, the source has it no more, a human
 * decided, or it was moved to the visible dead-letter list after being refused alone. So whatever is not understood
 * is kept.
 */
import { UNREADABLE_STATUS, type RecordError } from './answer-headers.ts';
import type { FailureKind } from './backoff.ts';
import type { TransportFailure } from './transport-error.ts';

/**
 * - `check`, `create`: GET and POST of the destination bucket.
 * - `write`, `update`: POST and PATCH of a batch.
 * - `write-single`: POST of one record by the single-record route, for labels that batch headers cannot carry;
 *   its status is that of the record.
 */
export type Phase = 'check' | 'create' | 'write' | 'write-single' | 'update';

export interface RequestContext {
  readonly phase: Phase;
  /** Records in the request; 0 for `check` and `create`. */
  readonly recordCount: number;
  /** Earlier attempts in a row at which this very batch got the same status. */
  readonly earlierRefusals: number;
  /** Updates of a task that samples: where the target lacks the record, nothing is to be done (spec §2.4). */
  readonly updateOnly: boolean;
  /** Labels of records that were written a moment ago: writing them in full is no way out. */
  readonly isFollowUp?: boolean;
  /** The target knows no entries like this one (replication §5.12). Default: it does. */
  readonly isBeyondTarget?: boolean;
}

export type RequestResult =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** Text of `x-reduct-error`; see `answerMessage`. */
      readonly message: string;
      /** See `parseRetryAfter`. */
      readonly retryAfterMs: number | null;
      /** See `parseRecordErrors`; looked at in 2xx answers only. */
      readonly recordErrors: ReadonlyMap<bigint, RecordError>;
    }
  | { readonly kind: 'failure'; readonly failure: TransportFailure };

/** A retry; `retryAfterMs` is a wish for `backOff`, `null` leaves the wait to it. The records stay in the log. */
export interface RetryLater {
  readonly action: 'retry-later';
  readonly failure: FailureKind;
  readonly retryAfterMs: number | null;
}

/**
 * - `available`: the bucket is there, send batches.
 * - `create-bucket`: POST it.
 * - `recheck-target`: back to the initial state: GET the bucket, create it, then send again. Immediate once; a second
 *   time in a row without a delivered record goes through `backOff`, or a target which shows a bucket and denies it
 *   would be asked without pause.
 * - `delivered`: acknowledged, except for `records`.
 * - `write-in-full`: the target cannot update these records; send them in the POST.
 * - `nothing-to-update`: the target has none of the records; done, as nothing was to be created.
 * - `auth-wait`: the token does not do; wait `waitMs` or for new settings.
 * - `split`: send both halves of the batch on their own.
 * - `dead-letter`: the record was refused alone; to the dead-letter list.
 */
export type RequestAction =
  | { readonly action: 'available' | 'create-bucket' | 'recheck-target' }
  | { readonly action: 'delivered'; readonly records: ReadonlyMap<bigint, RecordAction> }
  | { readonly action: 'write-in-full' | 'nothing-to-update' | 'split' | 'dead-letter' }
  | { readonly action: 'duplicate-check' }
  | { readonly action: 'auth-wait'; readonly waitMs: number }
  | RetryLater;

/**
 * One record of an accepted request. `duplicate-check`: the target has a record of that timestamp; delivered if it is
 * ours, else a conflict. The others are as for requests.
 */
export type RecordAction =
  | {
      readonly action:
        | 'duplicate-check'
        | 'recheck-target'
        | 'write-in-full'
        | 'nothing-to-update'
        | 'dead-letter';
    }
  | RetryLater;

/** Wait after a refused token, ms (spec §5.7). */
export const AUTH_WAIT_MS = 60_000;

/** Wait while the quota of the destination bucket is used up, ms: it changes when somebody deletes something. */
export const QUOTA_WAIT_MS = 60_000;

/** Attempts after which a status that may still pass is taken for a refusal ("kept few tries"). */
const MAX_TRIES = 5;

/** The batch, or a record in it, cannot be stored: halving finds out which. */
const REFUSED_STATUSES: ReadonlySet<number> = new Set([400, 413, 422, 431]);

/** Conflicts may pass. A method, path or type that is not understood is a refusal, or a proxy that is being set up. */
const FEW_TRIES_STATUSES: ReadonlySet<number> = new Set([405, 409, 414, 415]);

/** Per-record codes below 500 of conditions that pass, and codes that could not be read. All from 500 on pass, too. */
const PASSING_RECORD_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, UNREADABLE_STATUS]);

/** A 400 that speaks of the connection, not of the records (spec §5.6). */
const CUT_UPLOAD = /^(Timeout while receiving data|Content is shorter than expected)/;
const QUOTA_EXCEEDED = /^Quota of .* exceeded/;
const BUCKET_MISSING = /^Bucket .* is not found/;
const BEING_DELETED = 'is being deleted';

const RECHECK = { action: 'recheck-target' } as const;
const WRITE_IN_FULL = { action: 'write-in-full' } as const;
const NOTHING_TO_UPDATE = { action: 'nothing-to-update' } as const;
const DEAD_LETTER = { action: 'dead-letter' } as const;
const DUPLICATE_CHECK = { action: 'duplicate-check' } as const;
const QUOTA_WAIT: RetryLater = retryLater('refused', QUOTA_WAIT_MS);
const AUTH_WAIT: RetryLater = retryLater('refused', AUTH_WAIT_MS);

/** The next step after a request. Pure; counting and logging are the caller's. */
export function decideRequest(context: RequestContext, result: RequestResult): RequestAction {
  if (result.kind === 'failure') return retryLater(result.failure.kind, null);
  const { status, message, retryAfterMs } = result;
  const keep = retryLater('refused', retryAfterMs);
  if (status === 401 || status === 403) return { action: 'auth-wait', waitMs: AUTH_WAIT_MS };
  if (isForGood(context, status, message)) return DEAD_LETTER;
  switch (context.phase) {
    case 'check':
      if (isSuccess(status)) return { action: 'available' };
      return status === 404 ? { action: 'create-bucket' } : keep;
    case 'create':
      if (isSuccess(status)) return { action: 'available' };
      return status === 409 ? RECHECK : keep;
    case 'write':
    case 'update':
      if (isSuccess(status))
        return { action: 'delivered', records: decideRecords(context, result) };
      return (
        decideUpdateRefusal(context, status, message) ??
        decideRefusal(context, status, message, keep)
      );
    case 'write-single':
      if (isSuccess(status)) return { action: 'delivered', records: new Map() };
      if (status === 409 && !message.endsWith(BEING_DELETED)) return DUPLICATE_CHECK;
      return decideRefusal(context, status, message, keep);
  }
}

/** Old targets have no route for such entries, or refuse their names: that does not pass, and no part of it fares better. */
function isForGood({ isBeyondTarget }: RequestContext, status: number, message: string): boolean {
  if (isBeyondTarget !== true || BUCKET_MISSING.test(message)) return false;
  return status === 404 || status === 405 || status === 422;
}

/**
 * What becomes of one record that an accepted batch reports as failed.
 *
 * After a PATCH any code means "write it in full" (spec §5.5), unless the task must not bring records in.
 */
export function decideRecord(
  context: Pick<RequestContext, 'phase' | 'updateOnly' | 'isFollowUp'>,
  error: RecordError,
): RecordAction {
  const { status, message } = error;
  if (context.phase === 'update') {
    if (!context.updateOnly && context.isFollowUp !== true) return WRITE_IN_FULL;
    if (status === 404 && !BUCKET_MISSING.test(message)) {
      return context.updateOnly ? NOTHING_TO_UPDATE : DEAD_LETTER;
    }
  }
  if (status === 404 || (status === 409 && message.endsWith(BEING_DELETED))) return RECHECK;
  if (status === 409 && context.phase === 'write') return DUPLICATE_CHECK;
  if (status === 400 && QUOTA_EXCEEDED.test(message)) return QUOTA_WAIT;
  if (status === 401 || status === 403) return AUTH_WAIT;
  return isPassing(status) ? retryLater('refused', null) : DEAD_LETTER;
}

function isPassing(status: number): boolean {
  return status >= 500 || PASSING_RECORD_STATUSES.has(status);
}

function decideRecords(
  context: RequestContext,
  answer: { readonly recordErrors: ReadonlyMap<bigint, RecordError> },
): ReadonlyMap<bigint, RecordAction> {
  const actions = new Map<bigint, RecordAction>();
  for (const [timestampUs, error] of answer.recordErrors) {
    actions.set(timestampUs, decideRecord(context, error));
  }
  return actions;
}

/** A PATCH refused as a whole because the target has no such entry or route (targets up to 1.10 answer 404 or 405). */
function decideUpdateRefusal(
  { phase, updateOnly, isFollowUp, recordCount }: RequestContext,
  status: number,
  message: string,
): RequestAction | null {
  if (phase !== 'update') return null;
  if (isFollowUp === true && !updateOnly) {
    if (status === 405) return recordCount > 1 ? { action: 'split' } : DEAD_LETTER;
    return status === 404 && !BUCKET_MISSING.test(message) ? DEAD_LETTER : null;
  }
  if (!updateOnly) return status === 404 || status === 405 ? WRITE_IN_FULL : null;
  return status === 404 && !BUCKET_MISSING.test(message) ? NOTHING_TO_UPDATE : null;
}

/** A request that moved no record, from here on the same for writes and updates. */
function decideRefusal(
  context: RequestContext,
  status: number,
  message: string,
  keep: RetryLater,
): RequestAction {
  if (status === 404 || (status === 409 && message.endsWith(BEING_DELETED))) return RECHECK;
  if (status === 400 && QUOTA_EXCEEDED.test(message)) return QUOTA_WAIT;
  if (status === 400 && CUT_UPLOAD.test(message)) return retryLater('lost', null);
  const triedEnough = context.earlierRefusals + 1 >= MAX_TRIES;
  if (REFUSED_STATUSES.has(status) || (FEW_TRIES_STATUSES.has(status) && triedEnough)) {
    return context.recordCount > 1 ? { action: 'split' } : DEAD_LETTER;
  }
  return keep;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function retryLater(failure: FailureKind, retryAfterMs: number | null): RetryLater {
  return { action: 'retry-later', failure, retryAfterMs };
}
