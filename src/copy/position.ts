/** How far the copy of an entry has come, so that a later run can go on there. */

/** Part of an entry, from the end of the part before. */
interface Step {
  readonly untilUs: bigint;
  isDone: boolean;
}

/**
 * The timestamp below which everything in the range is at the destination. Reading is ahead of writing, so steps may be
 * done in another order than they were begun; the position passes only what is done from the beginning on, and never
 * a record that failed: the next run meets it again.
 */
export class EntryPosition {
  #nextUs: bigint;
  /** The first record that failed. */
  #failedUs: bigint | null = null;
  /** Ascending. As many as are read ahead. */
  readonly #steps: Step[] = [];
  readonly #onChange: () => void;

  constructor(nextUs: bigint, onChange: () => void = () => undefined) {
    this.#nextUs = nextUs;
    this.#onChange = onChange;
  }

  get nextUs(): bigint {
    return this.#nextUs;
  }

  /** The records up to `untilUs`, behind those of the steps before, are under way. @returns what `done` is told. */
  begin(untilUs: bigint): Step {
    const step = { untilUs, isDone: false };
    this.#steps.push(step);
    return step;
  }

  /** The destination has acknowledged them. `failed` has been told of those that it has not. */
  done(step: Step): void {
    step.isDone = true;
    for (let first = this.#steps[0]; first?.isDone === true; first = this.#steps[0]) {
      this.#steps.shift();
      const isWhole = this.#failedUs === null || first.untilUs <= this.#failedUs;
      if (isWhole && first.untilUs > this.#nextUs) this.#moveTo(first.untilUs);
    }
  }

  /** A record is not at the destination, wherever the position is by now. */
  failed(ts: bigint): void {
    if (this.#failedUs === null || ts < this.#failedUs) this.#failedUs = ts;
    if (ts < this.#nextUs) this.#moveTo(ts);
  }

  #moveTo(us: bigint): void {
    this.#nextUs = us;
    this.#onChange();
  }
}

export type { Step as PositionStep };

/** Where the entries of one source go on; kept from run to run. */
export interface CopyPositions {
  /**
   * Called for each entry before anything is written.
   * @param startUs first timestamp of the range, for an entry that was not begun before.
   * @param latestUs of the destination; `null` when it has no records of the entry.
   */
  begin(entry: string, startUs: bigint, latestUs: bigint | null): BegunEntry;
  /** Called once all entries were begun: from here on records are written. */
  save(): void;
}

export interface BegunEntry {
  /** First timestamp of the range of all runs together. */
  readonly startUs: bigint;
  readonly position: EntryPosition;
}

/** For a copy that keeps nothing. */
export const NO_POSITIONS: CopyPositions = {
  begin: (_, startUs) => ({ startUs, position: new EntryPosition(startUs) }),
  save: () => undefined,
};
