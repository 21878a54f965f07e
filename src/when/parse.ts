/** JSON → closures (when.md §2, §3). All errors are `ApiError` 422 with the texts of §11. */
import { ApiError } from '../errors/errors.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonFloat,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  stringifyJson,
} from '../wire/json.ts';
import { parseDuration } from './duration-text.ts';
import type { Evaluate, Scope } from './frame.ts';
import { INT64_MAX, INT64_MIN } from './int64.ts';
import { OPERATORS } from './operators/registry.ts';
import { computedReference, labelReference } from './reference.ts';
import { Duration, fromJsonNumber, type Value } from './value.ts';

const UINT64_MAX = 2n ** 64n - 1n;

/**
 * The operands a JSON value stands for: one for a scalar, one per member, in the order written, for an object.
 * In case of several mistakes the innermost is reported: operands are parsed before the operator is looked at.
 * @throws ApiError 422.
 */
export function parseOperands(json: JsonValue, scope: Scope): Evaluate[] {
  if (json === null) throw new ApiError(422, 'Null type is not supported: null');
  if (typeof json === 'string') return [parseLiteral(json, scope)];
  if (typeof json === 'boolean') return [constant(json)];
  if (typeof json !== 'object' || json instanceof JsonFloat) return [constant(numberValue(json))];
  if (isJsonArray(json)) {
    throw new ApiError(422, `Array type is not supported: ${stringifyJson(json)}`);
  }
  const operands: Evaluate[] = [];
  for (const [key, value] of json) operands.push(parseMember(key, value, scope));
  return operands;
}

function parseMember(key: string, value: JsonValue, scope: Scope): Evaluate {
  if (typeof value === 'object' && value !== null) {
    if (isJsonArray(value)) return buildOperator(key, parseItems(value, scope), scope);
    if (isJsonObject(value)) return parseObjectNotation(key, value, scope);
  }
  return buildOperator(key, parseOperands(value, scope), scope);
}

function parseItems(items: JsonArray, scope: Scope): Evaluate[] {
  const operands: Evaluate[] = [];
  for (const item of items) {
    for (const operand of parseOperands(item, scope)) operands.push(operand);
  }
  return operands;
}

/** `{"&a": {"$gt": 1}}`: the key is the first operand of the only member's operator. */
function parseObjectNotation(key: string, value: JsonObject, scope: Scope): Evaluate {
  const operands = [parseLiteral(key, scope)];
  const [member] = value;
  if (member === undefined || value.size !== 1) {
    throw new ApiError(422, 'Object notation must have exactly one operator');
  }
  const [operator, right] = member;
  for (const operand of parseOperands(right, scope)) operands.push(operand);
  return buildOperator(operator, operands, scope);
}

function buildOperator(name: string, operands: readonly Evaluate[], scope: Scope): Evaluate {
  if (!name.startsWith('$')) throw new ApiError(422, `Operator '${name}' must start with '$'`);
  const operator = OPERATORS.get(name);
  if (operator === undefined) throw new ApiError(422, `Operator '${name}' not supported`);
  if (operands.length < operator.minOperands || operands.length > operator.maxOperands) {
    throw new ApiError(422, operator.arityText);
  }
  return operator.build(operands, scope);
}

/** A string in operand position, or the key of object notation. */
function parseLiteral(text: string, scope: Scope): Evaluate {
  if (text.startsWith('&')) return labelReference(text.slice(1), scope);
  if (text.startsWith('@')) return computedReference(text.slice(1));
  if (text.startsWith('$$')) return constant(text.slice(1));
  if (text.startsWith('$')) {
    const operator = OPERATORS.get(text);
    if (operator?.minOperands === 0) return operator.build([], scope);
    throw new ApiError(422, `Unknown '$' literal '${text}'; use '$$' to escape a string value`);
  }
  const us = parseDuration(text);
  return constant(us === undefined ? text : new Duration(us));
}

function constant(value: Value): Evaluate {
  return () => value;
}

/**
 * Integers outside [−2^63, 2^64−1] are floats (when.md §4).
 * @throws ApiError 422 for 2^63 to 2^64−1, where the reference server crashes.
 */
function numberValue(json: number | bigint | JsonFloat): Value {
  if (typeof json !== 'bigint') return fromJsonNumber(json);
  if (json >= INT64_MIN && json <= INT64_MAX) return json;
  if (json < INT64_MIN || json > UINT64_MAX) return Number(json);
  throw new ApiError(422, `Integer value out of range: ${json}`);
}
