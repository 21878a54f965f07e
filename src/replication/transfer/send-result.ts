/** Results of sending batches: types, and the pure steps between an answer and a result. */
import { MillraceError, UnavailableError } from '../../errors/errors.ts';
import { answerMessage, isWebPage, parseRecordErrors, parseRetryAfter } from '../answer-headers.ts';
import type { SliceFailure } from '../messages.ts';
import type { Phase, RequestResult } from '../outcome.ts';
import type { Batch } from '../scan/batch.ts';
import { classifyTransportError } from '../transport-error.ts';
import type { DeadLetter } from '../types.ts';
import { describeResult } from './failure.ts';
import type { HttpAnswer } from './exchange.ts';

/** The batch is answered for: every record of it is at the target, gone, or a dead letter. */
export interface SentBatch {
  readonly kind: 'sent';
  readonly records: number;
  readonly bytes: number;
  readonly requests: number;
  readonly duplicates: number;
  readonly removedAtSource: number;
  readonly deadLetters: readonly DeadLetter[];
  /** Records whose timestamps are taken at the target by other records. */
  readonly conflicts: readonly DeadLetter[];
}

/** The batch stays in the log. */
export interface KeptBatch {
  readonly kind: 'kept';
  readonly failure: SliceFailure;
}

export type BatchOutcome = SentBatch | KeptBatch;

export const NOTHING_SENT: SentBatch = {
  kind: 'sent',
  records: 0,
  bytes: 0,
  requests: 0,
  duplicates: 0,
  removedAtSource: 0,
  deadLetters: [],
  conflicts: [],
};

export function phaseOf({ kind, single }: Batch): Phase {
  if (kind === 'update') return 'update';
  return single === undefined ? 'write' : 'write-single';
}

const WEB_PAGE =
  'a web page answered in place of the target: a login page or a proxy may be in between, or the URL is another';

export function toResult({ status, headers }: HttpAnswer): RequestResult {
  try {
    const isSuccess = status >= 200 && status < 300;
    if (isSuccess && isWebPage(headers)) throw new UnavailableError(WEB_PAGE);
    return {
      kind: 'answer',
      status,
      message: answerMessage(headers),
      retryAfterMs: parseRetryAfter(headers, Date.now()),
      recordErrors: isSuccess ? parseRecordErrors(headers) : new Map(),
    };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { kind: 'failure', failure: { key: -1, kind: 'refused', message: error.message } };
  }
}

export function failed(error: unknown): RequestResult {
  return { kind: 'failure', failure: classifyTransportError(error) };
}

export function recordResult(result: RequestResult, ts: bigint): { key: number; message: string } {
  const error = result.kind === 'answer' ? result.recordErrors.get(ts) : undefined;
  return error === undefined
    ? describeResult(result)
    : { key: error.status, message: error.message };
}

/** A missing bucket comes before waiting: without it nothing else can succeed. */
export function moreUrgent(a: SliceFailure | null, b: SliceFailure): SliceFailure {
  return a === null || (b.kind === 'recheck' && a.kind !== 'recheck') ? b : a;
}

export function addSent(a: SentBatch, b: SentBatch): SentBatch {
  return {
    kind: 'sent',
    records: a.records + b.records,
    bytes: a.bytes + b.bytes,
    requests: a.requests + b.requests,
    duplicates: a.duplicates + b.duplicates,
    removedAtSource: a.removedAtSource + b.removedAtSource,
    deadLetters: [...a.deadLetters, ...b.deadLetters],
    conflicts: [...a.conflicts, ...b.conflicts],
  };
}
