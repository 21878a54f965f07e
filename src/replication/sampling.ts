/** Down-sampling by count (`each_n`) and by record time (`each_s`), spec §2.4. */

const US_PER_S = 1_000_000;

/**
 * Where sampling stands, keyed by entry id. Structured cloning carries it, so a cursor can hold the state that
 * belongs to its position: records read again after a crash are then sampled as they were the first time.
 */
export interface SamplingState {
  /** Records seen, modulo `each_n`. */
  readonly seenByEntry: ReadonlyMap<number, number>;
  /** Timestamp of the last record that passed, µs. */
  readonly lastPassedUsByEntry: ReadonlyMap<number, bigint>;
}

export interface SamplingSettings {
  /** An integer from 1; `null` and 1 pass everything. */
  readonly eachN: number | null;
  /** Seconds, from 0; rounded to whole microseconds. `null` passes everything. */
  readonly eachS: number | null;
}

/**
 * Counters of one task. They belong to the settings they were counted under: after a change of the settings
 * start without a state (spec §1.6).
 *
 * Only writes are offered to it. A label update touches no counter (spec §2.4); see `TaskFilter`.
 */
export class Sampler {
  /** Whether the task samples at all. */
  readonly active: boolean;
  readonly #eachN: number;
  readonly #eachUs: bigint | null;
  readonly #seenByEntry: Map<number, number>;
  readonly #lastPassedUsByEntry: Map<number, bigint>;

  /** @param state a snapshot to go on from; it is copied. Without it every entry starts anew. */
  constructor(settings: SamplingSettings, state?: SamplingState) {
    this.active = settings.eachN !== null || settings.eachS !== null;
    this.#eachN = settings.eachN ?? 1;
    this.#eachUs = settings.eachS === null ? null : BigInt(Math.round(settings.eachS * US_PER_S));
    this.#seenByEntry = new Map(state?.seenByEntry);
    this.#lastPassedUsByEntry = new Map(state?.lastPassedUsByEntry);
  }

  /**
   * Offers a written record which passed the label filters. `each_n` comes first, and a record it refuses is
   * not seen by `each_s`: the 1st, N+1st, 2N+1st … record of an entry passes to a clock which lets the first one
   * through and then each that is at least S after the last that passed. Older records are refused by the clock.
   */
  accept(entryId: number, timestampUs: bigint): boolean {
    return this.#acceptCount(entryId) && this.#acceptTime(entryId, timestampUs);
  }

  /** A copy of the counters as they are now; costs time in the number of sampled entries. */
  snapshot(): SamplingState {
    return {
      seenByEntry: new Map(this.#seenByEntry),
      lastPassedUsByEntry: new Map(this.#lastPassedUsByEntry),
    };
  }

  #acceptCount(entryId: number): boolean {
    if (this.#eachN === 1) return true;
    const seen = this.#seenByEntry.get(entryId) ?? 0;
    this.#seenByEntry.set(entryId, (seen + 1) % this.#eachN);
    return seen === 0;
  }

  #acceptTime(entryId: number, timestampUs: bigint): boolean {
    if (this.#eachUs === null) return true;
    const lastPassedUs = this.#lastPassedUsByEntry.get(entryId);
    if (lastPassedUs !== undefined && timestampUs - lastPassedUs < this.#eachUs) return false;
    this.#lastPassedUsByEntry.set(entryId, timestampUs);
    return true;
  }
}
