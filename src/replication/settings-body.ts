/** Bodies with settings: plain JSON, except for the condition, which comes back as it was sent. */
import { ApiError } from '../errors/errors.ts';
import { JsonSyntaxError, memberText, parseJson, stringifyJson } from '../wire/json.ts';

export interface ParsedBody {
  readonly body: unknown;
  /** The condition as compact JSON with the order of its members; `null` when there is none. */
  readonly whenText: string | null;
}

/** @throws ApiError 422 `Invalid JSON: …`. */
export function parseBody(text: string): ParsedBody {
  try {
    const when = memberText(text, 'when');
    const hasWhen = when !== undefined && when !== 'null';
    const whenText = hasWhen ? stringifyJson(parseJson(when, { keepFloats: true })) : null;
    const body: unknown = JSON.parse(text);
    return { body, whenText };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ApiError(422, `Invalid JSON: ${error.message}`);
  }
}
