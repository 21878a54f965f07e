/** Evaluation of a condition over the records of one entry (when.md §10). */
import { ApiError, BugError } from '../../errors/errors.ts';
import { toBoolean } from '../convert.ts';
import type { Directives } from '../directives.ts';
import {
  type Evaluate,
  type Frame,
  newFrame,
  type OperatorState,
  type RecordView,
  type Scope,
} from '../frame.ts';
import { type AfterState, ContextBuffer, hasContext, passesAfter } from './context.ts';

export interface PushResult<T> {
  /** Records to return now, in time order: matches and their context. */
  readonly emit: readonly T[];
  /** The stream has ended (`$limit`); this record and all later ones are not returned. */
  readonly stop: boolean;
}

/** State of a stream as plain data, to be restored into a stream of the same condition, also in another thread. */
export interface ConditionState {
  readonly isStopped: boolean;
  readonly operators: readonly Readonly<OperatorState>[];
  readonly after: Readonly<AfterState>;
}

const NOTHING: PushResult<never> = Object.freeze({ emit: Object.freeze([]), stop: false });
const STOP: PushResult<never> = Object.freeze({ emit: Object.freeze([]), stop: true });

/**
 * Made by `CompiledCondition.createStream`. Records come in ascending time order, only finished ones inside the
 * range asked for. Use either `evaluate` or `push` on one stream: both advance the same operators.
 */
export class ConditionStream<T extends RecordView = RecordView> {
  readonly #root: Evaluate;
  readonly #directives: Directives;
  readonly #strict: boolean;
  readonly #hasContext: boolean;
  readonly #frame: Frame;
  readonly #before: ContextBuffer<T>;
  readonly #after: AfterState = { remainingRecords: -1, lastMatchUs: undefined };

  constructor(root: Evaluate, scope: Scope, directives: Directives, strict: boolean) {
    this.#root = root;
    this.#directives = directives;
    this.#strict = strict;
    this.#hasContext = hasContext(directives);
    this.#frame = newFrame(scope);
    this.#before = new ContextBuffer<T>(directives.contextBefore);
  }

  /** True once a `$limit` was exceeded; `evaluate` is false and `push` stops from then on. */
  get isStopped(): boolean {
    return this.#frame.isStopped;
  }

  /**
   * The bare condition, without context: whether this record matches. False also for the record that exceeds a
   * `$limit`; `isStopped` tells that apart.
   * @throws ApiError 404 or 422 when strict; the stream may go on with the next record.
   */
  evaluate(record: RecordView): boolean {
    const frame = this.#frame;
    if (frame.isStopped) return false;
    frame.record = record;
    try {
      return toBoolean(this.#root(frame)) && !frame.isStopped;
    } catch (error) {
      // After a `$limit` overflow the rest of the condition has no say, neither with its value nor with an error.
      if (!(error instanceof ApiError) || (this.#strict && !frame.isStopped)) throw error;
      return false;
    }
  }

  /**
   * The condition with `#ctx_before` and `#ctx_after`. Holds as many records as `#ctx_before` asks for, which the
   * client chooses: give it references to payloads, not payloads.
   * @throws ApiError 404 or 422 when strict; the query has to end then.
   */
  push(record: T): PushResult<T> {
    if (!this.#hasContext) {
      if (this.evaluate(record)) return { emit: [record], stop: false };
      return this.isStopped ? STOP : NOTHING;
    }
    if (this.isStopped) return STOP;
    this.#before.add(record);
    const isMatch = this.evaluate(record);
    if (this.isStopped) return STOP;
    const window = this.#directives.contextAfter;
    if (!passesAfter(this.#after, window, record.timestamp, isMatch)) return NOTHING;
    return { emit: this.#before.drain(), stop: false };
  }

  /** Records held as possible context, in time order; they belong to the state but may be no plain data. */
  buffered(): T[] {
    return this.#before.list();
  }

  /** A copy that survives structured cloning. Save `buffered()` beside it, in a form of the caller's choice. */
  snapshot(): ConditionState {
    return {
      isStopped: this.#frame.isStopped,
      operators: this.#frame.states.map((state) => ({ ...state })),
      after: { ...this.#after },
    };
  }

  /** Goes on where `state` was taken. @throws BugError when the state is of another condition. */
  restore(state: ConditionState, buffered: readonly T[] = []): void {
    const { states } = this.#frame;
    if (state.operators.length !== states.length) {
      throw new BugError(
        `${state.operators.length} operator states for ${states.length} operators`,
      );
    }
    states.forEach((target, index) => Object.assign(target, state.operators[index]));
    this.#frame.isStopped = state.isStopped;
    Object.assign(this.#after, state.after);
    this.#before.replace(buffered);
  }
}
