/** JSON of answers: as `JSON.parse`, but integers beyond 2^53 come as `bigint` (timestamps reach 2^64). */
import { isJsonArray, isJsonObject, JsonFloat, type JsonValue, parseJson } from '../wire/json.ts';

/** @throws JsonSyntaxError */
export function parseAnswer(text: string): unknown {
  return toPlain(parseJson(text));
}

function toPlain(value: JsonValue): unknown {
  if (value instanceof JsonFloat) return value.value;
  if (value === null || typeof value !== 'object') return value;
  if (isJsonArray(value)) return value.map(toPlain);
  if (isJsonObject(value)) {
    return Object.fromEntries([...value].map(([name, member]) => [name, toPlain(member)]));
  }
  return value;
}
