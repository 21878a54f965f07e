/** What becomes of single records of a request that the target accepted as a whole, and the letters of those it refused. */
import type { SliceFailure } from '../messages.ts';
import type { RecordAction } from '../outcome.ts';
import { type Batch, lengthOfLine, tsOfLine } from '../scan/batch.ts';
import type { DeadLetter } from '../types.ts';
import type { Comparison } from './duplicates.ts';
import { failureWith } from './failure.ts';

/** Status and text of a refusal. */
export interface Refusal {
  readonly key: number;
  readonly message: string;
}

/** A failure keeps the record. */
export type RecordFate =
  | 'duplicate'
  | 'other-labels'
  | 'conflict'
  | 'refused'
  | 'in-full'
  | 'nothing'
  | SliceFailure;

/**
 * @param comparison with the target's record, where it has one.
 * @param isResend the record may have been sent before.
 */
export function fateOf(
  batch: Batch,
  action: RecordAction,
  comparison: Comparison | undefined,
  why: Refusal,
  isResend: boolean,
): RecordFate {
  switch (action.action) {
    case 'duplicate-check':
      return fateOfTaken(batch, comparison, isResend);
    case 'dead-letter':
      return 'refused';
    case 'recheck-target':
    case 'retry-later':
      return failureWith(action, why);
    case 'write-in-full':
      return 'in-full';
    case 'nothing-to-update':
      return 'nothing';
  }
}

/**
 * Of a record that may have been sent before, a change of labels made since then follows in the log, or was made at the
 * target. Otherwise the target gets the labels of the source, as it would by an update.
 */
function fateOfTaken(
  batch: Batch,
  comparison: Comparison | undefined,
  isResend: boolean,
): RecordFate {
  if (comparison === undefined || comparison.kind === 'other-record') return 'conflict';
  if (comparison.kind === 'same' || isResend) return 'duplicate';
  return batch.single === undefined ? 'other-labels' : 'conflict';
}

/** @param line header line of the record. @param nowMs Unix epoch. */
export function refusedLetter(
  { entryId, entryName, kind }: Batch,
  line: string,
  { key, message }: Refusal,
  nowMs: number,
): DeadLetter {
  return {
    entryId,
    entryName,
    ts: tsOfLine(line),
    kind,
    reason: 'refused',
    status: key,
    message,
    lengthBytes: lengthOfLine(line),
    refusedAtMs: nowMs,
    attempts: 1,
  };
}

/** Of a record whose timestamp is taken at the target. */
export function conflictLetter(
  batch: Batch,
  line: string,
  comparison: Comparison | undefined,
  nowMs: number,
): DeadLetter {
  const difference =
    comparison?.kind === 'other-record' ? comparison.difference : 'the same content, other labels';
  const message = `The target has another record at ${tsOfLine(line)}: ${difference}`;
  return { ...refusedLetter(batch, line, { key: 409, message }, nowMs), reason: 'conflict' };
}
