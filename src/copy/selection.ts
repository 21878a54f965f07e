/** The filters that we apply ourselves, to the records of one entry in ascending order of time (replication §2.1). */
import type { RecordHead } from '../client/record-heads.ts';
import { compileLabelFilter, type LabelPredicate } from '../replication/label-filter.ts';
import { Sampler } from '../replication/sampling.ts';
import { labelValue } from '../store/labels.ts';
import { compileCondition } from '../when/condition.ts';
import type { ConditionStream } from '../when/evaluate/stream.ts';
import type { RecordView } from '../when/frame.ts';
import { parseJson } from '../wire/json.ts';
import type { CopyFilter } from './types.ts';

/** The sampler counts by entry; here is only one. */
const ENTRY_ID = 0;

class HeadView implements RecordView {
  readonly head: RecordHead;

  constructor(head: RecordHead) {
    this.head = head;
  }

  get timestamp(): bigint {
    return this.head.ts;
  }

  label(name: string): string | undefined {
    return labelValue(this.head.meta.labels, name);
  }

  hasLabel(name: string): boolean {
    return this.label(name) !== undefined;
  }
}

export class Selection {
  readonly #passesLabels: LabelPredicate;
  readonly #sampler: Sampler;
  readonly #condition: ConditionStream<HeadView> | null;
  #left: number;
  /** Records share their labels: one verdict serves all of them. */
  #judged: readonly string[] | undefined;
  #verdict = false;

  /** @throws ApiError 422 or JsonSyntaxError when the condition is none. */
  constructor(filter: CopyFilter) {
    const { whenText, strict, limit } = filter;
    this.#passesLabels = compileLabelFilter(filter);
    this.#sampler = new Sampler(filter);
    this.#left = limit ?? Number.POSITIVE_INFINITY;
    this.#condition =
      whenText === null
        ? null
        : compileCondition(parseJson(whenText, { keepFloats: true })).createStream(strict);
  }

  /** Nothing that comes later can pass. */
  get isFull(): boolean {
    return this.#left <= 0 || this.#condition?.isStopped === true;
  }

  /** Heads of the page that pass, and those before it which now do as context. @throws ApiError when strict. */
  select(heads: readonly RecordHead[]): readonly RecordHead[] {
    const passed: RecordHead[] = [];
    for (const head of heads) {
      if (this.isFull) break;
      if (this.#passes(head)) this.#emit(head, passed);
    }
    // With a condition, records of earlier pages may be among them.
    return this.#condition === null && passed.length === heads.length ? heads : passed;
  }

  #passes({ ts, meta: { labels } }: RecordHead): boolean {
    if (labels !== this.#judged) {
      this.#judged = labels;
      this.#verdict = this.#passesLabels(labels);
    }
    return this.#verdict && this.#sampler.accept(ENTRY_ID, ts);
  }

  #emit(head: RecordHead, passed: RecordHead[]): void {
    const emitted =
      this.#condition === null
        ? [head]
        : this.#condition.push(new HeadView(head)).emit.map((view) => view.head);
    for (const one of emitted) {
      if (this.#left <= 0) return;
      this.#left--;
      passed.push(one);
    }
  }
}
