/** The body of a token creation (http-api §3.6). */
import type { Permissions } from '../auth/permissions.ts';
import type { TokenDraft } from '../auth/types.ts';
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
import { parseRfc3339 } from '../wire/rfc3339.ts';
import type { Instant } from '../wire/rfc3339.ts';

/** Top-level members of the two shapes; any other is refused. */
const V1_MEMBERS: ReadonlySet<string> = new Set(['full_access', 'read', 'write', 'ip_allowlist']);
const V2_MEMBERS: ReadonlySet<string> = new Set([
  'permissions',
  'expires_at',
  'ttl',
  'ip_allowlist',
]);

/** The answer to everything that does not parse, whatever the reason. */
export function invalidBody(): ApiError {
  return new ApiError(422, 'Invalid body');
}

/** @throws ApiError 422 `Invalid body`. */
export function parseTokenBody(text: string): TokenDraft {
  const body = object(parse(text));
  const isV2 = body.has('permissions');
  const known = isV2 ? V2_MEMBERS : V1_MEMBERS;
  for (const member of body.keys()) if (!known.has(member)) throw invalidBody();
  return {
    // Members that a shape does not have were refused above, so they read as absent.
    permissions: permissions(isV2 ? object(body.get('permissions') ?? null) : body),
    expiresAt: instant(body.get('expires_at') ?? null),
    ttlS: seconds(body.get('ttl') ?? null),
    ipAllowlist: texts(body, 'ip_allowlist'),
  };
}

function parse(text: string): JsonValue {
  try {
    return parseJson(text, JSON_BODY_LIMITS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw invalidBody();
    throw error;
  }
}

function object(value: JsonValue): JsonObject {
  if (isJsonObject(value)) return value;
  throw invalidBody();
}

function permissions(members: JsonObject): Permissions {
  const hasFullAccess = members.has('full_access') ? members.get('full_access') : false;
  if (typeof hasFullAccess !== 'boolean') throw invalidBody();
  return {
    full_access: hasFullAccess,
    read: texts(members, 'read'),
    write: texts(members, 'write'),
  };
}

/** May be left out, must not be null. */
function texts(members: JsonObject, name: string): string[] {
  const value = members.get(name);
  if (value === undefined) return [];
  if (value === null || !isJsonArray(value)) throw invalidBody();
  return value.map((item) => {
    if (typeof item === 'string') return item;
    throw invalidBody();
  });
}

function instant(value: JsonValue): Instant | undefined {
  if (value === null) return undefined;
  const parsed = typeof value === 'string' ? parseRfc3339(value) : undefined;
  if (parsed === undefined) throw invalidBody();
  return parsed;
}

/** An unsigned 64-bit integer. */
function seconds(value: JsonValue): bigint | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'bigint' && typeof value !== 'number') throw invalidBody();
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw invalidBody();
  const integer = BigInt(value);
  if (integer < 0n || integer > U64_MAX) throw invalidBody();
  return integer;
}
