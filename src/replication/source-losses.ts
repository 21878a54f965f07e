/**
 * Records that a task did not find any more, by what removed them. What is removed is told at once, what is missing is
 * found when the task comes to the place: the counts of causes follow what was found. Pure.
 */
import { REMOVAL_CAUSES, type RemovalCause } from '../catalog/removal-causes.ts';

/** Missing: 0. */
export type LossCounts = Readonly<Partial<Record<RemovalCause, number>>>;

export class SourceLosses {
  /** Of a former process: how many were missing, and why as far as it knew. */
  readonly #totalBefore: number;
  readonly #before: LossCounts;
  /** Told since, of records that were not sent. */
  readonly #told: Map<RemovalCause, number> = new Map();

  constructor(totalBefore = 0, before: LossCounts = {}) {
    this.#totalBefore = totalBefore;
    this.#before = before;
  }

  /** Records were removed that the task has not sent. */
  tell(cause: RemovalCause, records: number): void {
    this.#told.set(cause, (this.#told.get(cause) ?? 0) + records);
  }

  /** Why records are missing, as far as it is known. @param total of those that are. */
  byCause(total: number): Required<LossCounts> {
    const counts = {
      quota: 0,
      lifecycle: 0,
      record_removed: 0,
      entry_removed: 0,
      bucket_removed: 0,
    };
    let left = total - this.#totalBefore;
    for (const cause of REMOVAL_CAUSES) {
      const found = Math.max(0, Math.min(left, this.#told.get(cause) ?? 0));
      left -= found;
      counts[cause] = (this.#before[cause] ?? 0) + found;
    }
    return counts;
  }
}

/** Missing records of which nobody knows what removed them. */
export function unknownLosses(total: number, counts: LossCounts): number {
  return REMOVAL_CAUSES.reduce((left, cause) => left - (counts[cause] ?? 0), total);
}
