/** Which records of the source a task's filters let through, whatever the order in which they are looked at. */
import type { BlockView } from '../../store/block.ts';
import { labelValue } from '../../store/labels.ts';
import { ApiError } from '../../errors/errors.ts';
import { compileCondition } from '../../when/condition.ts';
import type { ConditionStream } from '../../when/evaluate/stream.ts';
import type { RecordView } from '../../when/frame.ts';
import { parseJson } from '../../wire/json.ts';
import { isMetaEntry } from '../entry-pattern.ts';
import { compileLabelFilter, type LabelPredicate } from '../label-filter.ts';
import type { MetaInfo } from '../scan/meta-cache.ts';
import type { ReplicationSettings } from '../settings.ts';

/** Whether the verdict on a record depends on that record alone: no sampling, no counting condition, no context. */
export function isExact({ eachN, eachS, whenText }: ReplicationSettings): boolean {
  if (eachN !== null || eachS !== null) return false;
  return whenText === null || !compiled(whenText).isStateful;
}

/** - `yes`, `no`; `unknown`: that depends on records before it, which are not looked at in the order of the log. */
export type Verdict = 'yes' | 'no' | 'unknown';

export class Expectation {
  readonly #passesLabels: LabelPredicate;
  readonly #isExact: boolean;
  readonly #condition: ConditionStream | undefined;

  /** @throws ApiError 422 or JsonSyntaxError when the stored condition cannot be compiled. */
  constructor(settings: ReplicationSettings) {
    this.#passesLabels = compileLabelFilter(settings);
    this.#isExact = isExact(settings);
    const { whenText } = settings;
    if (whenText !== null && this.#isExact) {
      this.#condition = compiled(whenText).createStream(true);
    }
  }

  of(entryName: string, view: BlockView, index: number, meta: MetaInfo): Verdict {
    if (isMetaEntry(entryName)) return 'yes';
    if (!this.#passesLabels(meta.labels)) return 'no';
    if (!this.#isExact) return 'unknown';
    return this.#passesCondition(view, index, meta) ? 'yes' : 'no';
  }

  /** An error of the condition means that the record is not replicated (replication §2.5). */
  #passesCondition(view: BlockView, index: number, { labels }: MetaInfo): boolean {
    if (this.#condition === undefined) return true;
    const record: RecordView = {
      timestamp: view.ts(index),
      label: (name) => labelValue(labels, name),
      hasLabel: (name) => labelValue(labels, name) !== undefined,
    };
    try {
      return this.#condition.push(record).emit.length > 0;
    } catch (error) {
      if (error instanceof ApiError) return false;
      throw error;
    }
  }
}

function compiled(whenText: string): ReturnType<typeof compileCondition> {
  return compileCondition(parseJson(whenText, { keepFloats: true }));
}
