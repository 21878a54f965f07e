/** What the closures of a condition evaluate against: the record, and the state of one stream. */
import { BugError } from '../errors/errors.ts';
import type { Value } from './value.ts';

/** A record as conditions see it. */
export interface RecordView {
  /** µs since the Unix epoch, unsigned 64-bit. */
  readonly timestamp: bigint;
  /** Text of a label, undefined when the record does not have it. */
  label(name: string): string | undefined;
  hasLabel(name: string): boolean;
  /** Text of a computed label, named without the `@`; only extensions make them. Absent: there are none. */
  computedLabel?(name: string): string | undefined;
}

/** State of one stateful operator; each kind uses the fields it needs. Plain data. */
export interface OperatorState {
  /** Evaluations so far (`$each_n`, `$limit`). */
  count: number;
  /** Reference time of `$each_t`; time of the last record for `$gate`. */
  referenceUs: bigint | undefined;
  /** `$gate`: end of the open span; undefined while it is shut. */
  deadlineUs: bigint | undefined;
  /** `$gate`: the span is over and the input has not been false since. */
  isSpent: boolean;
}

/** Text and inferred value of one label as last seen, so that repeated texts are not read again. */
export interface LabelMemory {
  text: string | undefined;
  value: Value;
}

/** Belongs to one stream; `record` is set before each evaluation. */
export interface Frame {
  record: RecordView;
  /** Set by `$limit`; the value of the evaluation that set it is void, and the stream ends. */
  isStopped: boolean;
  readonly states: readonly OperatorState[];
  readonly labels: readonly LabelMemory[];
}

/** One node of a compiled condition. @throws ApiError for an evaluation error (when.md §11). */
export type Evaluate = (frame: Frame) => Value;

export function newOperatorState(): OperatorState {
  return { count: 0, referenceUs: undefined, deadlineUs: undefined, isSpent: false };
}

/** Gives out the places in a frame while a condition is compiled. */
export class Scope {
  readonly #labelSlots = new Map<string, number>();
  #stateCount = 0;

  get stateCount(): number {
    return this.#stateCount;
  }

  get labelCount(): number {
    return this.#labelSlots.size;
  }

  /** @returns the index of a new operator state. */
  addState(): number {
    return this.#stateCount++;
  }

  /** @returns the index of the memory of a label, one for all its occurrences. */
  labelSlot(name: string): number {
    const slot = this.#labelSlots.get(name) ?? this.#labelSlots.size;
    this.#labelSlots.set(name, slot);
    return slot;
  }
}

const NO_RECORD: RecordView = { timestamp: 0n, label: () => undefined, hasLabel: () => false };

export function newFrame(scope: Scope): Frame {
  return {
    record: NO_RECORD,
    isStopped: false,
    states: Array.from({ length: scope.stateCount }, newOperatorState),
    labels: Array.from({ length: scope.labelCount }, () => ({ text: undefined, value: false })),
  };
}

export function stateAt(frame: Frame, index: number): OperatorState {
  const state = frame.states[index];
  if (state === undefined)
    throw new BugError(`no operator state ${index} of ${frame.states.length}`);
  return state;
}
