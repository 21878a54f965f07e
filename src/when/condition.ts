/** Compiled conditions (when.md). */
import { ApiError } from '../errors/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../wire/json.ts';
import {
  type Directives,
  readDirectives,
  splitDirectives,
  type SplitCondition,
} from './directives.ts';
import { hasContext } from './evaluate/context.ts';
import { ConditionStream } from './evaluate/stream.ts';
import { type Evaluate, type RecordView, Scope } from './frame.ts';
import { allOf } from './operators/logical.ts';
import { parseOperands } from './parse.ts';

/** Immutable; any number of streams may share it. It holds closures: send the JSON text to another thread. */
export class CompiledCondition {
  readonly directives: Directives;
  readonly #root: Evaluate;
  readonly #scope: Scope;

  constructor(directives: Directives, root: Evaluate, scope: Scope) {
    this.directives = directives;
    this.#root = root;
    this.#scope = scope;
  }

  /** Whether the verdict on a record depends on those before it, or decides about others. */
  get isStateful(): boolean {
    return this.#scope.stateCount > 0 || hasContext(this.directives);
  }

  /**
   * A stream at its beginning: own counters, own context. One per entry and query (when.md §10).
   * @param strict true: evaluation errors are thrown; false: they make the condition false for that record.
   */
  createStream<T extends RecordView = RecordView>(strict: boolean): ConditionStream<T> {
    return new ConditionStream<T>(this.#root, this.#scope, this.directives, strict);
  }
}

/**
 * Compiles the JSON of a `when`. `null` means no condition and matches everything. Parse with `keepFloats` where
 * `2.0` must stay a float.
 * @param syntaxErrorPrefix goes before the texts of expression and directive-name errors, not before those of bad
 *   directive values (replication §1.4, rows 6 and 7).
 * @throws ApiError 422 with the texts of when.md §11.
 */
export function compileCondition(when: JsonValue, syntaxErrorPrefix = ''): CompiledCondition {
  const scope = new Scope();
  const { root, split } = withPrefix(syntaxErrorPrefix, () => parseRoot(when, scope));
  return new CompiledCondition(readDirectives(split), root, scope);
}

const EMPTY: JsonObject = new Map();

function parseRoot(when: JsonValue, scope: Scope): { root: Evaluate; split: SplitCondition } {
  const isObject = when === null || isJsonObject(when);
  const split = splitDirectives(isObject ? (when ?? EMPTY) : EMPTY);
  const root = allOf(parseOperands(isObject ? split.expression : when, scope));
  return { root, split };
}

function withPrefix<R>(prefix: string, parse: () => R): R {
  try {
    return parse();
  } catch (error) {
    if (prefix === '' || !(error instanceof ApiError)) throw error;
    throw new ApiError(error.status, prefix + error.message);
  }
}
