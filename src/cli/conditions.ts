import { JsonSyntaxError, type JsonValue, parseJson } from '../wire/json.ts';
import { UsageError } from './errors.ts';

/** A condition of the command line, in a box: commander takes a bare `null` for no value. */
export interface Condition {
  /** `null` removes the present one. */
  readonly json: JsonValue;
}

/** A condition as it is typed. Numbers keep their form, so that 2.0 does not become 2. @throws UsageError */
export function parseCondition(text: string): Condition {
  try {
    return { json: parseJson(text, { keepFloats: true }) };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new UsageError(
      `The condition is no JSON: ${error.message}`,
      `Quote it for the shell: '{"&score": {"$gt": 10}}'.`,
    );
  }
}
