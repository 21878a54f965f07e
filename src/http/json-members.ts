/** Reading members of a JSON object in a request body; `null` counts as absent (http-api §1.6). */
import { ApiError } from '../errors/errors.ts';
import { U64_MAX } from '../store/format.ts';
import {
  isJsonArray,
  isJsonObject,
  JSON_BODY_LIMITS,
  JsonSyntaxError,
  parseJson,
} from '../wire/json.ts';
import type { JsonObject, JsonValue } from '../wire/json.ts';

/** @throws ApiError 422 `Invalid JSON: …`. */
export function parseJsonObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = parseJson(text, JSON_BODY_LIMITS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw invalidJson(error.message);
    throw error;
  }
  if (!isJsonObject(value)) throw invalidJson(`invalid type: ${typeName(value)}, expected a map`);
  return value;
}

export function invalidJson(message: string): ApiError {
  return new ApiError(422, `Invalid JSON: ${message}`);
}

/** @throws ApiError 422 when it is no integer in [0, 2^64). */
export function u64Member(object: JsonObject, name: string): bigint | undefined {
  const value = object.get(name) ?? null;
  if (value === null) return undefined;
  const integer =
    typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(Number(value)) : -1n;
  if (typeof value === 'string' || integer < 0n || integer > U64_MAX) {
    throw wrongType(value, name, 'u64');
  }
  return integer;
}

/** @throws ApiError 422. */
export function numberMember(object: JsonObject, name: string): number | undefined {
  const value = object.get(name) ?? null;
  if (value === null) return undefined;
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw wrongType(value, name, 'f64');
}

/** @throws ApiError 422. */
export function booleanMember(object: JsonObject, name: string): boolean | undefined {
  const value = object.get(name) ?? null;
  if (value === null) return undefined;
  if (typeof value === 'boolean') return value;
  throw wrongType(value, name, 'a boolean');
}

/** @throws ApiError 422. */
export function stringMember(object: JsonObject, name: string): string | undefined {
  const value = object.get(name) ?? null;
  if (value === null) return undefined;
  if (typeof value === 'string') return value;
  throw wrongType(value, name, 'a string');
}

/** @throws ApiError 422. */
export function stringsMember(object: JsonObject, name: string): string[] | undefined {
  const value = object.get(name) ?? null;
  if (value === null) return undefined;
  if (!isJsonArray(value)) throw wrongType(value, name, 'a sequence');
  return value.map((item) => {
    if (typeof item === 'string') return item;
    throw wrongType(item, name, 'a string');
  });
}

/** An object of texts as flat pairs, in the order written. @throws ApiError 422. */
export function textPairsMember(object: JsonObject, name: string): string[] {
  const value = object.get(name) ?? null;
  if (value === null) return [];
  if (!isJsonObject(value)) throw wrongType(value, name, 'a map');
  const pairs: string[] = [];
  for (const [key, item] of value) {
    if (typeof item !== 'string') throw wrongType(item, name, 'a string');
    pairs.push(key, item);
  }
  return pairs;
}

function wrongType(value: JsonValue, name: string, expected: string): ApiError {
  return invalidJson(`${name}: invalid type: ${typeName(value)}, expected ${expected}`);
}

function typeName(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return `string "${value}"`;
  if (typeof value === 'boolean') return `boolean \`${value}\``;
  if (typeof value === 'number' || typeof value === 'bigint') return `number \`${value}\``;
  return isJsonArray(value) ? 'sequence' : 'map';
}
