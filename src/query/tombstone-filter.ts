/** Queries on `$meta` entries do not see removed attachments (http-api-extras §2). */
import { isJsonArray, isJsonObject, parseJson } from '../wire/json.ts';
import type { JsonObject, JsonValue } from '../wire/json.ts';

const IS_TOMBSTONE: JsonValue = parseJson('{"$and":[{"$has":"remove"},{"&remove":{"$eq":true}}]}');

/**
 * The condition with the filter: in the list of its `$not`, or else as the last member, so that a `$limit` of the caller
 * counts what it would have counted. What is neither an object nor has a list there is joined by AND.
 * @param when a condition that compiles, null for none.
 */
export function hideTombstones(when: JsonValue): JsonValue {
  if (when === null) return new Map([['$not', [IS_TOMBSTONE]]]);
  if (!isJsonObject(when)) return joined(new Map(), when);
  const not = when.get('$not');
  if (not === undefined) return new Map<string, JsonValue>([...when, ['$not', [IS_TOMBSTONE]]]);
  if (not !== null && typeof not === 'object' && isJsonArray(not)) {
    return new Map<string, JsonValue>([...when, ['$not', [...not, IS_TOMBSTONE]]]);
  }
  const directives = [...when].filter(([name]) => name.startsWith('#'));
  const expression = [...when].filter(([name]) => !name.startsWith('#'));
  return joined(new Map(directives), new Map(expression));
}

function joined(directives: JsonObject, expression: JsonValue): JsonValue {
  return new Map<string, JsonValue>([
    ...directives,
    ['$and', [expression]],
    ['$not', [IS_TOMBSTONE]],
  ]);
}
