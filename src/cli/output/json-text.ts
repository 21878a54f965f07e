import {
  isJsonArray,
  isJsonObject,
  JsonFloat,
  type JsonValue,
  stringifyJson,
} from '../../wire/json.ts';

/** What is easy to write down. */
export type Plain =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Plain[]
  | { readonly [name: string]: Plain | undefined };

/** A JSON value of plain objects; undefined members are left out. */
export function toJson(value: Plain): JsonValue {
  if (value === null || typeof value !== 'object') return value;
  if (isPlainArray(value)) return value.map(toJson);
  const members = Object.entries(value).flatMap(([name, member]) =>
    member === undefined ? [] : [[name, toJson(member)] as const],
  );
  return new Map(members);
}

function isPlainArray(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}

const INDENT = '  ';

/** JSON for people and programs: indented by two blanks, order of members and big integers kept. */
export function prettyJson(value: JsonValue, indent: string = ''): string {
  if (value === null || typeof value !== 'object' || value instanceof JsonFloat) {
    return stringifyJson(value);
  }
  const inner = indent + INDENT;
  if (isJsonArray(value)) {
    return block(
      '[',
      value.map((item) => prettyJson(item, inner)),
      ']',
      indent,
    );
  }
  if (!isJsonObject(value)) return stringifyJson(value);
  const members = [...value].map(
    ([name, member]) => `${JSON.stringify(name)}: ${prettyJson(member, inner)}`,
  );
  return block('{', members, '}', indent);
}

function block(open: string, parts: readonly string[], close: string, indent: string): string {
  if (parts.length === 0) return open + close;
  return `${open}\n${parts.map((part) => indent + INDENT + part).join(',\n')}\n${indent}${close}`;
}
