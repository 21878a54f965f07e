/** Going through a stretch of record time of one entry: removing what a policy is for, or counting it. */
import type { Entry } from '../catalog/model.ts';
import { ApiError, fromErrorData } from '../errors/errors.ts';
import { buildPlan } from '../query/build-plan.ts';
import { encodePlan } from '../query/job.ts';
import type { QueryExecutor } from '../query/pool.ts';
import type { Removals } from '../query/query-removals.ts';
import type { QuerySpec } from '../query/types.ts';

/** µs, both inclusive. */
export interface Window {
  readonly firstTs: bigint;
  readonly lastTs: bigint;
}

/** Removing without a condition goes in steps, so that it can be called off between them. */
const FIRST_STEPS = 32n;
const FEW_RECORDS = 4_096;
const MANY_RECORDS = 65_536;

/** Counted per job; each record takes 16 bytes. */
const COUNTED_RECORDS = 65_536;
const SLICE_MS = 100;

export interface WindowWorkOptions {
  readonly removals: Pick<Removals, 'removeFromEntry'>;
  readonly executor: QueryExecutor;
  /** Takes an id from the counter of queries. */
  readonly reserveId: () => number;
}

export class WindowWork {
  readonly #options: WindowWorkOptions;

  constructor(options: WindowWorkOptions) {
    this.#options = options;
  }

  /**
   * Removes the records the condition holds for, context included; without one all of them. An entry that is removed
   * meanwhile counts as done.
   * @param isWanted false calls off what is left.
   * @returns how many there were.
   */
  async remove(
    entry: Entry,
    window: Window,
    whenText: string | undefined,
    isWanted: () => boolean,
  ): Promise<number> {
    try {
      if (whenText === undefined) return await this.#removeAll(entry, window, isWanted);
      const spec = specOf(window, whenText);
      return await this.#options.removals.removeFromEntry(entry, spec, isWanted);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return 0;
      throw error;
    }
  }

  /** How many records `remove` would remove. */
  async count(
    entry: Entry,
    window: Window,
    whenText: string | undefined,
    isWanted: () => boolean,
  ): Promise<number> {
    const job = {
      queryId: this.#options.reserveId(),
      plan: encodePlan(buildPlan(specOf(window, whenText), [{ entry, range: window }])),
      output: 'places',
      withBody: false,
      isInterleavingSafe: true,
      limits: { maxRecords: COUNTED_RECORDS, maxBodyBytes: Infinity, maxMetadataBytes: Infinity },
      sliceMs: SLICE_MS,
    } as const;
    let count = 0;
    let cursor: Uint8Array | undefined;
    while (isWanted()) {
      const result = await this.#options.executor.run({ ...job, cursor });
      if (result.error !== undefined) throw fromErrorData(result.error);
      count += result.places?.timestamps.length ?? 0;
      if (result.isFinished) break;
      ({ cursor } = result);
    }
    return count;
  }

  async #removeAll(
    entry: Entry,
    { firstTs, lastTs }: Window,
    isWanted: () => boolean,
  ): Promise<number> {
    let removed = 0;
    let stepUs = (lastTs - firstTs) / FIRST_STEPS + 1n;
    let from = firstTs;
    while (isWanted()) {
      // Everything before the oldest record is done, however long ago that is.
      const { recordCount, oldestTs } = entry.stats;
      if (from < oldestTs) from = oldestTs;
      if (recordCount === 0 || from > lastTs) break;
      const to = from + stepUs - 1n < lastTs ? from + stepUs - 1n : lastTs;
      const spec = specOf({ firstTs: from, lastTs: to }, undefined);
      const count = await this.#options.removals.removeFromEntry(entry, spec);
      removed += count;
      from = to + 1n;
      if (count < FEW_RECORDS) stepUs *= 2n;
      else if (count > MANY_RECORDS && stepUs > 1n) stepUs /= 2n;
    }
    return removed;
  }
}

function specOf({ firstTs, lastTs }: Window, whenText: string | undefined): QuerySpec {
  return {
    startTs: firstTs,
    stopTs: lastTs + 1n,
    ttlMs: 0,
    continuous: false,
    onlyMetadata: true,
    strict: false,
    include: [],
    exclude: [],
    eachS: undefined,
    eachN: undefined,
    limit: undefined,
    whenText,
  };
}
