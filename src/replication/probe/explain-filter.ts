/** The filters of a task, step by step like `scan/task-filter.ts`, with the step that said no. */
import type { BlockView } from '../../store/block.ts';
import type { Labels } from '../../store/labels.ts';
import { compileEntryPatterns, isMetaEntry } from '../entry-pattern.ts';
import { compileLabelFilter, type LabelPredicate } from '../label-filter.ts';
import { Sampler } from '../sampling.ts';
import { ConditionFilter } from '../scan/condition-filter.ts';
import type { ReplicationSettings } from '../settings.ts';

/** `when_error`: the condition could not be evaluated for the record, which counts as no. */
export type Verdict =
  | 'passed'
  | 'entries'
  | 'include'
  | 'exclude'
  | 'each_n'
  | 'each_s'
  | 'when'
  | 'when_error';

export interface Explained {
  readonly verdict: Verdict;
  /** Text of the error, for `when_error`. */
  readonly message: string | null;
}

/** Told about records that pass only now, as context of a later one (`#ctx_before`). */
export type PassedLater = (view: BlockView, index: number) => void;

const PASSED: Explained = { verdict: 'passed', message: null };

export class ExplainFilter {
  readonly #selects: (entryName: string) => boolean;
  readonly #include: LabelPredicate;
  readonly #exclude: LabelPredicate;
  readonly #eachN: Sampler;
  readonly #eachS: Sampler;
  readonly #condition: ConditionFilter | undefined;
  readonly #passedLater: PassedLater;

  /** @throws ApiError 422 or JsonSyntaxError when the condition cannot be compiled. */
  constructor(settings: ReplicationSettings, passedLater: PassedLater) {
    const { entries, include, exclude, eachN, eachS, whenText } = settings;
    this.#selects = compileEntryPatterns(entries);
    this.#include = compileLabelFilter({ include, exclude: {} });
    this.#exclude = compileLabelFilter({ include: {}, exclude });
    // What the count refuses is not seen by the clock, so they can be asked one after the other.
    this.#eachN = new Sampler({ eachN, eachS: null });
    this.#eachS = new Sampler({ eachN: null, eachS });
    this.#condition =
      whenText === null ? undefined : new ConditionFilter(whenText, () => undefined);
    this.#passedLater = passedLater;
  }

  explain(view: BlockView, index: number, entryName: string, labels: Labels): Explained {
    if (!this.#selects(entryName)) return refused('entries');
    if (isMetaEntry(entryName)) return PASSED;
    if (!this.#include(labels)) return refused('include');
    if (!this.#exclude(labels)) return refused('exclude');
    const { entryId } = view;
    const ts = view.ts(index);
    if (!this.#eachN.accept(entryId, ts)) return refused('each_n');
    if (!this.#eachS.accept(entryId, ts)) return refused('each_s');
    return this.#condition === undefined ? PASSED : this.#ask(this.#condition, view, index, labels);
  }

  #ask(condition: ConditionFilter, view: BlockView, index: number, labels: Labels): Explained {
    const { errors } = condition;
    let isPassed = false;
    condition.push(view, index, labels, {
      append: (passed, from) => {
        if (passed === view && from === index) isPassed = true;
        else this.#passedLater(passed, from);
      },
    });
    if (isPassed) return PASSED;
    return condition.errors === errors
      ? refused('when')
      : { verdict: 'when_error', message: condition.lastError };
  }
}

function refused(verdict: Verdict): Explained {
  return { verdict, message: null };
}
