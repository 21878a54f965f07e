/** The filters of one task over blocks, in the order of replication §2.1. State, where there is any, is per entry. */
import type { BlockView } from '../../store/block.ts';
import { BLOCK_KIND_UPDATES, REMOVED_META } from '../../store/format.ts';
import type { Labels } from '../../store/labels.ts';
import { compileEntryPatterns, isMetaEntry } from '../entry-pattern.ts';
import type { FilterState } from '../filter-state.ts';
import { compileLabelFilter, type LabelPredicate } from '../label-filter.ts';
import { Sampler } from '../sampling.ts';
import type { ReplicationSettings } from '../settings.ts';
import { type ConditionErrors, ConditionFilter, type ReadBlock } from './condition-filter.ts';
import type { MetaCache, MetaInfo } from './meta-cache.ts';

/**
 * Takes the records that pass: consecutive ones of one block, [from, to). It leaves out rows of removed records, which may
 * be among them.
 */
export interface RecordSink {
  append(view: BlockView, from: number, to: number): void;
}

/**
 * Which labels decide: those a record was written with, so that a change of labels on the way neither loses a record nor
 * brings one in (replication §2.1), or those that it has now.
 */
export type LabelsInForce = 'written' | 'current';

/** Distinct metas whose verdict is remembered; policy when full: `forget_all`. */
const MAX_VERDICTS = 8192;

export class TaskFilter {
  /** The verdict on a record depends on this record alone, so tasks with equal settings may share it. */
  readonly isStateless: boolean;
  /** Every record of the bucket passes. */
  readonly takesAll: boolean;
  /** Records are left out by sampling: an update must not bring one in (replication §2.4). */
  readonly isSampling: boolean;
  readonly #settings: ReplicationSettings;
  readonly #metas: MetaCache;
  readonly #selects: (entryName: string) => boolean;
  readonly #passesLabels: LabelPredicate;
  readonly #hasLabelFilter: boolean;
  readonly #selected: Map<string, boolean> = new Map();
  readonly #verdicts: Map<MetaInfo, boolean> = new Map();
  readonly #condition: ConditionFilter | undefined;
  #sampler: Sampler;

  /** @throws ApiError 422 when the stored condition cannot be compiled. */
  constructor(settings: ReplicationSettings, metas: MetaCache, readBlock: ReadBlock) {
    this.#settings = settings;
    this.#metas = metas;
    this.#selects = compileEntryPatterns(settings.entries);
    this.#passesLabels = compileLabelFilter(settings);
    const { include, exclude, whenText } = settings;
    this.#hasLabelFilter = Object.keys(include).length + Object.keys(exclude).length > 0;
    this.#sampler = new Sampler(settings);
    this.#condition = whenText === null ? undefined : new ConditionFilter(whenText, readBlock);
    this.isSampling = this.#sampler.active;
    this.isStateless = !this.#sampler.active && this.#condition === undefined;
    this.takesAll = this.isStateless && !this.#hasLabelFilter && settings.entries.length === 0;
  }

  /** Batch limits of the condition's directives; undefined members were not given. */
  get batchLimits(): { readonly records?: number; readonly bytes?: number } {
    return this.#condition?.batchLimits ?? {};
  }

  /** See `ConditionFilter`. */
  takeErrors(): ConditionErrors | null {
    return this.#condition?.takeErrors() ?? null;
  }

  /** Goes on from a state of the same settings; `null`: from the beginning. */
  restore(state: FilterState | null): void {
    if (this.isStateless) return;
    this.#sampler = new Sampler(this.#settings, state?.sampling);
    this.#condition?.restore(state?.condition ?? new Map());
  }

  /** A copy of the counters; `null` for stateless filters. Costs time in the number of entries. */
  snapshot(): FilterState | null {
    if (this.isStateless) return null;
    return {
      sampling: this.#sampler.snapshot(),
      condition: this.#condition?.snapshot() ?? new Map(),
    };
  }

  /** Step 2: whether the task wants anything of this entry. */
  selects(entryName: string): boolean {
    let selected = this.#selected.get(entryName);
    if (selected === undefined) {
      selected = this.#selects(entryName);
      this.#selected.set(entryName, selected);
    }
    return selected;
  }

  /** Steps 3 to 8 for records [from, to) of one block of a selected entry. */
  filter(
    view: BlockView,
    entryName: string,
    sink: RecordSink,
    from = 0,
    to: number = view.recordCount,
    inForce: LabelsInForce = 'written',
  ): void {
    const passesAll = isMetaEntry(entryName) || (this.isStateless && !this.#hasLabelFilter);
    if (passesAll) {
      sink.append(view, from, to);
    } else if (this.isStateless) {
      this.#filterByMeta(view, sink, from, to, inForce);
    } else {
      this.#filterByRecord(view, sink, from, to, inForce);
    }
  }

  #filterByMeta(
    view: BlockView,
    sink: RecordSink,
    from: number,
    to: number,
    inForce: LabelsInForce,
  ): void {
    if (view.metaCount === 1) {
      if (this.#passes(view, 0, inForce)) sink.append(view, from, to);
      return;
    }
    let start = -1;
    for (let i = from; i < to; i++) {
      const metaIndex = view.metaIndex(i);
      const passes = metaIndex !== REMOVED_META && this.#passes(view, metaIndex, inForce);
      if (passes && start < 0) start = i;
      if (!passes && start >= 0) {
        sink.append(view, start, i);
        start = -1;
      }
    }
    if (start >= 0) sink.append(view, start, to);
  }

  /**
   * Step by step: the first "no" ends it, so what an earlier filter refuses moves no counter of a later one. Label updates
   * do not touch the counters of sampling (replication §2.4).
   */
  #filterByRecord(
    view: BlockView,
    sink: RecordSink,
    from: number,
    to: number,
    inForce: LabelsInForce,
  ): void {
    const { entryId } = view;
    const isSampled = this.#sampler.active && view.kind !== BLOCK_KIND_UPDATES;
    for (let i = from; i < to; i++) {
      const meta = view.metaIndex(i);
      if (meta === REMOVED_META || !this.#passes(view, meta, inForce)) continue;
      if (isSampled && !this.#sampler.accept(entryId, view.ts(i))) continue;
      if (this.#condition === undefined) sink.append(view, i, i + 1);
      else this.#condition.push(view, i, labelsOf(this.#metas.of(view, meta), inForce), sink);
    }
  }

  /** Steps 4 and 5. */
  #passes(view: BlockView, metaIndex: number, inForce: LabelsInForce): boolean {
    if (!this.#hasLabelFilter) return true;
    const meta = this.#metas.of(view, metaIndex);
    // Rare, and has two verdicts.
    if (meta.writtenLabels !== meta.labels) return this.#passesLabels(labelsOf(meta, inForce));
    let verdict = this.#verdicts.get(meta);
    if (verdict === undefined) {
      verdict = this.#passesLabels(meta.labels);
      if (this.#verdicts.size >= MAX_VERDICTS) this.#verdicts.clear();
      this.#verdicts.set(meta, verdict);
    }
    return verdict;
  }
}

function labelsOf({ labels, writtenLabels }: MetaInfo, inForce: LabelsInForce): Labels {
  return inForce === 'written' ? writtenLabels : labels;
}
