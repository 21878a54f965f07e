/**
 * Typed readers for the members of a JSON body. Refusals are `ApiError` 422 with texts in the shape people know
 * from ReductStore (spec §1.1); the member's name stands where its parser prints line and column.
 *
 * Values are not repeated in type errors: the value may be a secret.
 */
import { ApiError } from '../errors/errors.ts';

type Members = Readonly<Record<string, unknown>>;

/** An unknown variant is quoted up to this many characters: the text travels in a response header. */
const QUOTED_VARIANT_CHARS = 64;

/** @throws ApiError 422 when `value` is not a JSON object; `what` names the expected type. */
export function readObject(value: unknown, what: string): Members {
  if (!isObject(value)) throw invalidJson(`invalid type: ${typeName(value)}, expected ${what}`);
  return value;
}

/** A required string. @throws ApiError 422 when it is absent, `null` or something else. */
export function readString(members: Members, name: string): string {
  const value = members[name];
  if (value === undefined) throw invalidJson(`missing field \`${name}\``);
  if (typeof value !== 'string') throw invalidType(value, 'a string', name);
  return value;
}

/** A string, or `null` when it is absent or `null`. @throws ApiError 422 on another type. */
export function readOptionalString(members: Members, name: string): string | null {
  const value = members[name] ?? null;
  if (value !== null && typeof value !== 'string') throw invalidType(value, 'a string', name);
  return value;
}

/** An array of strings; empty when it is absent or `null`. @throws ApiError 422 on another type. */
export function readStringList(members: Members, name: string): readonly string[] {
  const value = members[name] ?? [];
  if (!Array.isArray(value)) throw invalidType(value, 'a sequence', name);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw invalidType(item, 'a string', name);
    return item;
  });
}

/** An object of strings; empty when it is absent or `null`. @throws ApiError 422 on another type. */
export function readLabelMap(members: Members, name: string): Readonly<Record<string, string>> {
  const value = members[name] ?? {};
  if (!isObject(value)) throw invalidType(value, 'a map', name);
  const pairs = Object.entries(value).map(([label, text]): [string, string] => {
    if (typeof text !== 'string') throw invalidType(text, 'a string', name);
    return [label, text];
  });
  // fromEntries defines own members, so that a label called `__proto__` stays a label.
  return Object.fromEntries(pairs);
}

/** One of `variants`, or `null` when it is absent or `null`. @throws ApiError 422 on anything else. */
export function readVariant<T extends string>(
  members: Members,
  name: string,
  variants: readonly T[],
): T | null {
  const value = readOptionalString(members, name);
  return value === null ? null : pickVariant(value, name, variants);
}

/** One of `variants`. @throws ApiError 422 on anything else, also when it is absent or `null`. */
export function readRequiredVariant<T extends string>(
  members: Members,
  name: string,
  variants: readonly T[],
): T {
  return pickVariant(readString(members, name), name, variants);
}

/**
 * An integer from 1 to 2⁵³ − 1, or `null`. Zero is refused because no record can be "every 0th" (spec §1.4).
 *
 * @throws ApiError 422 otherwise.
 */
export function readEachN(members: Members, name: string): number | null {
  const value = members[name] ?? null;
  if (value === null) return null;
  if (typeof value !== 'number') throw invalidType(value, 'u64', name);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalidValue(value, 'an integer from 1 to 9007199254740991', name);
}

/** A number of seconds, finite and from 0, or `null`. @throws ApiError 422 otherwise (spec §1.4). */
export function readEachS(members: Members, name: string): number | null {
  const value = members[name] ?? null;
  if (value === null) return null;
  if (typeof value !== 'number') throw invalidType(value, 'f64', name);
  if (Number.isFinite(value) && value >= 0) return value;
  throw invalidValue(value, 'a finite number of seconds from 0', name);
}

function pickVariant<T extends string>(value: string, name: string, variants: readonly T[]): T {
  const found = variants.find((variant) => variant === value);
  if (found !== undefined) return found;
  const quoted = value.slice(0, QUOTED_VARIANT_CHARS);
  const expected = variants.map((variant) => `\`${variant}\``).join(', ');
  throw invalidJson(`unknown variant \`${quoted}\`, expected one of ${expected}${at(name)}`);
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'sequence';
  if (typeof value === 'object') return 'map';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'floating point';
  return typeof value;
}

function invalidType(value: unknown, expected: string, name: string): ApiError {
  return invalidJson(`invalid type: ${typeName(value)}, expected ${expected}${at(name)}`);
}

function invalidValue(value: number, expected: string, name: string): ApiError {
  return invalidJson(
    `invalid value: ${typeName(value)} \`${value}\`, expected ${expected}${at(name)}`,
  );
}

function at(name: string): string {
  return ` at \`${name}\``;
}

function invalidJson(text: string): ApiError {
  return new ApiError(422, `Invalid JSON: ${text}`);
}
