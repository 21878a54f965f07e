/** There are no native extensions: why a query that asks for one is refused (http-api-records §5.6). */
import { ApiError } from '../errors/errors.ts';
import { compileCondition } from '../when/condition.ts';
import { isJsonArray, isJsonObject } from '../wire/json.ts';
import type { JsonObject, JsonValue } from '../wire/json.ts';

/**
 * @param ext the member as sent; null for none.
 * @returns the text of the 422 answer, or undefined when no extension is asked for.
 */
export function extensionRefusal(ext: JsonValue, queryId: number): string | undefined {
  if (ext === null) return undefined;
  const where = `in query id=${queryId}`;
  const steps = toSteps(ext);
  if (steps === undefined) {
    return `Extension parameters must be a JSON object or an array of JSON objects ${where}`;
  }
  const isPipeline = steps.length > 1;
  const names: string[] = [];
  for (const step of steps) {
    if (!isJsonObject(step)) return `Each '#ext' pipeline step must be a JSON object ${where}`;
    const whenText = conditionRefusal(step.get('when') ?? null);
    if (whenText !== undefined) return whenText;
    const [name, second] = extensionNames(step);
    if (isPipeline && (name === undefined || second !== undefined)) {
      return `Each '#ext' pipeline step must contain exactly one extension ${where}`;
    }
    if (second !== undefined) return `Multiple extensions are not supported ${where}`;
    if (name !== undefined) names.push(name);
  }
  const [first] = names;
  if (first === undefined) return `Extension name is not found ${where}`;
  return `Unknown extension '${first}' ${where}${isPipeline ? ' at step 0' : ''}`;
}

/** A bad condition of a step is told before its extension is looked for. */
function conditionRefusal(when: JsonValue): string | undefined {
  try {
    compileCondition(when);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** An object of several keys without `when` is one step per key. */
function toSteps(ext: JsonValue): readonly JsonValue[] | undefined {
  if (ext === null || typeof ext !== 'object') return undefined;
  if (isJsonArray(ext)) return ext;
  if (!isJsonObject(ext)) return undefined;
  if (ext.size > 1 && !ext.has('when')) {
    return [...ext].map(([name, value]): JsonObject => new Map([[name, value]]));
  }
  return [ext];
}

function extensionNames(step: JsonObject): string[] {
  return [...step.keys()].filter((name) => name !== 'when');
}
