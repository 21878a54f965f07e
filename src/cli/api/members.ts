/** Reads members of JSON answers. Servers of other versions lack some: a default stands for them where one makes sense. */
import {
  isJsonArray,
  isJsonObject,
  JsonFloat,
  type JsonObject,
  type JsonValue,
} from '../../wire/json.ts';
import { CliError } from '../errors.ts';

const EMPTY: JsonObject = new Map();

/** @param what the answer is, for the message. @throws CliError when `value` is no object. */
export function objectOf(value: JsonValue | undefined, what: string): JsonObject {
  if (value !== undefined && isJsonObject(value)) return value;
  throw new CliError(`The server's ${what} cannot be understood`);
}

/** An object that may be missing; empty then. */
export function objectMember(object: JsonObject, name: string): JsonObject {
  const value = object.get(name);
  return value !== undefined && isJsonObject(value) ? value : EMPTY;
}

/** Items of a list that are objects; none when it is missing. */
export function objectsMember(object: JsonObject, name: string): readonly JsonObject[] {
  return listMember(object, name).filter(isJsonObject);
}

export function listMember(object: JsonObject, name: string): readonly JsonValue[] {
  const value = object.get(name);
  return value !== undefined && isJsonArray(value) ? value : [];
}

/** Texts of a list. */
export function textsMember(object: JsonObject, name: string): readonly string[] {
  return listMember(object, name).filter((item) => typeof item === 'string');
}

export function textMember(object: JsonObject, name: string, fallback: string = ''): string {
  const value = object.get(name);
  return typeof value === 'string' ? value : fallback;
}

export function countMember(object: JsonObject, name: string): bigint {
  const value = object.get(name);
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : 0n;
}

/** With fraction; 0 when it is missing. */
export function numberMember(object: JsonObject, name: string): number {
  const value = object.get(name);
  if (value instanceof JsonFloat) return value.value;
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
}

export function flagMember(object: JsonObject, name: string): boolean {
  return object.get(name) === true;
}
