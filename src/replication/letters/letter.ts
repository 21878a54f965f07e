/** Dead letters as they lie in the store, and what becomes of them. */
import type { DeadLetter } from '../types.ts';

export interface StoredLetter extends DeadLetter {
  /** µs since the Unix epoch when it was added, or more: ascending, and never used again. */
  readonly id: number;
  /** It is to be sent again. */
  readonly isQueued: boolean;
}

/** Letters of one task: those with these ids, those of an entry, or all. */
export type LetterSelection =
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'entry'; readonly entryName: string }
  | { readonly kind: 'all' };

/** Why the source has a record no more, as far as that can be known; its entry may have gone with the bucket. */
export type GoneCause = 'record_removed' | 'entry_removed';

/** What a new attempt made of a letter; `refused` with the letter as it is now. */
export type LetterOutcome =
  | { readonly id: number; readonly fate: 'delivered' }
  | { readonly id: number; readonly fate: 'gone'; readonly cause: GoneCause }
  | { readonly id: number; readonly fate: 'refused'; readonly letter: DeadLetter };

/** Counted since the start of the process. */
export interface LetterTotals {
  added: number;
  /** Sent again with success. */
  delivered: number;
  /** Sent again and refused again. */
  refusedAgain: number;
  /** Given up by somebody. */
  discarded: number;
  /** Given up because there were too many. */
  agedOut: number;
  /** Left the list because the source has the record no more. */
  readonly gone: Record<GoneCause, number>;
}

/** Letters of a task as they are now. */
export interface LetterFigures extends LetterTotals {
  readonly current: number;
  readonly queued: number;
}

export function newTotals(): LetterTotals {
  return {
    added: 0,
    delivered: 0,
    refusedAgain: 0,
    discarded: 0,
    agedOut: 0,
    gone: { record_removed: 0, entry_removed: 0 },
  };
}
