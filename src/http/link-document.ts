/** The body of `POST /links/…` (http-api-extras §1.1), which is also what a link carries. */
import type { ApiError } from '../errors/errors.ts';
import type { LinkDocument } from '../links/types.ts';
import { isJsonObject, memberText, stringifyJson } from '../wire/json.ts';
import type { JsonObject } from '../wire/json.ts';
import { invalidJson, parseJsonObject, stringMember, u64Member } from './json-members.ts';
import { parseQueryDocument } from './query-spec.ts';

/** @throws ApiError 422 `Invalid JSON: …`. */
export function parseLinkDocument(text: string): LinkDocument {
  const object = parseJsonObject(text);
  const query = object.get('query');
  if (query === undefined) throw missing('query');
  if (!isJsonObject(query)) throw invalidJson('query: invalid type, expected a map');
  const queryText = memberText(text, 'query') ?? '';
  const { isRemoval, patterns, ext, spec } = parseQueryDocument(queryText);
  return {
    bucketName: requiredText(object, 'bucket'),
    entryName: requiredText(object, 'entry'),
    recordEntry: stringMember(object, 'record_entry'),
    recordTs: u64Member(object, 'record_timestamp'),
    expireAtS: requiredSeconds(object, 'expire_at'),
    baseUrl: stringMember(object, 'base_url'),
    isRemoval,
    patterns,
    ext,
    spec,
    queryText,
  };
}

/** What a link carries: `parseLinkDocument` reads it again. */
export function linkDocumentText(document: LinkDocument): string {
  const members = new Map<string, string>([
    ['bucket', JSON.stringify(document.bucketName)],
    ['entry', JSON.stringify(document.entryName)],
    ['record_entry', JSON.stringify(document.recordEntry ?? null)],
    ['record_timestamp', stringifyJson(document.recordTs ?? null)],
    ['expire_at', String(document.expireAtS)],
    ['query', document.queryText],
  ]);
  return `{${[...members].map(([name, value]) => `"${name}":${value}`).join(',')}}`;
}

function requiredText(object: JsonObject, name: string): string {
  const value = stringMember(object, name);
  if (value === undefined) throw missing(name);
  return value;
}

function requiredSeconds(object: JsonObject, name: string): number {
  const value = object.get(name) ?? null;
  if (value === null) throw missing(name);
  const isInteger = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!isInteger) throw invalidJson(`${name}: invalid type, expected i64`);
  return Number(value);
}

function missing(name: string): ApiError {
  return invalidJson(`missing field \`${name}\``);
}
