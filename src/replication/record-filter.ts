/** The filters of a task in the order of spec §2.1, from step 3 on; `entries` has been asked before. */
import {
  compileLabelFilter,
  type LabelFilterSettings,
  type LabelPredicate,
} from './label-filter.ts';
import { Sampler, type SamplingSettings, type SamplingState } from './sampling.ts';

/** A transaction as the filters see it. `labels` is flat and, for an update, the complete set after it. */
export interface FilteredRecord {
  readonly kind: 'write' | 'update';
  readonly entryId: number;
  /** Attachments (`<entry>/$meta`) pass all filters. */
  readonly isMeta: boolean;
  readonly timestampUs: bigint;
  readonly labels: readonly string[];
}

/**
 * - `drop`: not replicated.
 * - `send`: written to the target; an update is sent as such and written in full where the target lacks the record.
 * - `update-only`: labels are sent, but the record is not written where the target lacks it: sampling left it
 *   out, and a label must not bring it in (spec §2.4).
 */
export type FilterVerdict = 'drop' | 'send' | 'update-only';

/** The condition of a task (`when`); it may keep state per entry, and is asked last. */
export type RecordCondition = (record: FilteredRecord) => boolean;

/** Decides once per transaction, in log order. Its sampling state goes with the cursor. */
export class RecordFilter {
  readonly #passesLabels: LabelPredicate;
  readonly #sampler: Sampler;
  readonly #condition: RecordCondition | null;

  constructor(
    settings: LabelFilterSettings & SamplingSettings,
    condition: RecordCondition | null,
    state?: SamplingState,
  ) {
    this.#passesLabels = compileLabelFilter(settings);
    this.#sampler = new Sampler(settings, state);
    this.#condition = condition;
  }

  /** The first "no" ends it, so what an earlier filter refuses moves no counter of a later one. */
  decide(record: FilteredRecord): FilterVerdict {
    if (record.isMeta) return 'send';
    if (!this.#passesLabels(record.labels)) return 'drop';
    const isUpdate = record.kind === 'update';
    if (!isUpdate && !this.#sampler.accept(record.entryId, record.timestampUs)) return 'drop';
    if (this.#condition !== null && !this.#condition(record)) return 'drop';
    return isUpdate && this.#sampler.active ? 'update-only' : 'send';
  }

  /** See `Sampler.snapshot`. */
  snapshot(): SamplingState {
    return this.#sampler.snapshot();
  }
}
