/** A token as it is stored, and its row in the `meta` family (docs/FORMATS.md). */
import { StoreFormatError } from '../errors/errors.ts';
import { COLUMN_META } from '../store/format.ts';
import { tokenKey } from '../store/keys.ts';
import type { RowChange } from '../store/row-change.ts';
import { isJsonArray, isJsonObject, JsonSyntaxError, parseJson } from '../wire/json.ts';
import type { JsonObject, JsonValue } from '../wire/json.ts';
import { parseRfc3339 } from '../wire/rfc3339.ts';
import type { Instant } from '../wire/rfc3339.ts';
import type { Permissions } from './permissions.ts';
import { DIGEST_BYTES, SALT_BYTES } from './secret.ts';
import type { HashedSecret } from './secret.ts';

/** Immutable: a change makes another one. */
export interface Token {
  readonly name: string;
  readonly secret: HashedSecret;
  /** The value has the form of `generateValue`; false for values that people chose. */
  readonly isGenerated: boolean;
  readonly createdAt: Instant;
  readonly permissions: Permissions;
  /** Came from the environment: clients cannot remove or rotate it. */
  readonly isProvisioned: boolean;
  readonly expiresAt: Instant | undefined;
  /** Whole seconds; may exceed 2^53. */
  readonly ttlS: bigint | undefined;
  readonly ipAllowlist: readonly string[];
}

export function tokenRow(token: Token): RowChange {
  const { secret, permissions, ttlS } = token;
  const value = JSON.stringify({
    salt: secret.salt.toString('hex'),
    digest: secret.digest.toString('hex'),
    isGenerated: token.isGenerated,
    createdAt: token.createdAt.text,
    permissions,
    isProvisioned: token.isProvisioned,
    expiresAt: token.expiresAt?.text ?? null,
    ttlS: ttlS === undefined ? null : ttlS.toString(),
    ipAllowlist: token.ipAllowlist,
  });
  return { column: COLUMN_META, key: tokenKey(token.name), value: Buffer.from(value) };
}

export function removedTokenRow(name: string): RowChange {
  return { column: COLUMN_META, key: tokenKey(name), value: null };
}

/** @throws StoreFormatError when the row is not what `tokenRow` writes. */
export function decodeToken(key: Buffer, value: Buffer): Token {
  const name = key.toString('utf8', 1);
  const row = new RowReader(name, value);
  const permissions = row.object('permissions');
  const ttlS = row.optionalText('ttlS');
  const expiresAt = row.optionalText('expiresAt');
  return {
    name,
    secret: { salt: row.bytes('salt', SALT_BYTES), digest: row.bytes('digest', DIGEST_BYTES) },
    isGenerated: row.flag('isGenerated'),
    createdAt: row.instant('createdAt', row.text('createdAt')),
    permissions: {
      full_access: row.flag('full_access', permissions),
      read: row.texts('read', permissions),
      write: row.texts('write', permissions),
    },
    isProvisioned: row.flag('isProvisioned'),
    expiresAt: expiresAt === undefined ? undefined : row.instant('expiresAt', expiresAt),
    ttlS: ttlS === undefined ? undefined : row.integer('ttlS', ttlS),
    ipAllowlist: row.texts('ipAllowlist'),
  };
}

/** Reads members by type and names the token and the member in what it throws. */
class RowReader {
  readonly #name: string;
  readonly #members: JsonObject;

  constructor(name: string, value: Buffer) {
    this.#name = name;
    let row: JsonValue;
    try {
      row = parseJson(value.toString('utf8'));
    } catch (error) {
      if (error instanceof JsonSyntaxError) throw this.#unreadable('', error);
      throw error;
    }
    if (!isJsonObject(row)) throw this.#unreadable('');
    this.#members = row;
  }

  object(member: string): JsonObject {
    const value = this.#members.get(member) ?? null;
    if (isJsonObject(value)) return value;
    throw this.#unreadable(member);
  }

  text(member: string): string {
    const value = this.optionalText(member);
    if (value === undefined) throw this.#unreadable(member);
    return value;
  }

  optionalText(member: string): string | undefined {
    const value = this.#members.get(member) ?? null;
    if (value === null) return undefined;
    if (typeof value === 'string') return value;
    throw this.#unreadable(member);
  }

  flag(member: string, of: JsonObject = this.#members): boolean {
    const value = of.get(member);
    if (typeof value === 'boolean') return value;
    throw this.#unreadable(member);
  }

  texts(member: string, of: JsonObject = this.#members): string[] {
    const value = of.get(member) ?? null;
    if (!isJsonArray(value)) throw this.#unreadable(member);
    return value.map((item) => {
      if (typeof item === 'string') return item;
      throw this.#unreadable(member);
    });
  }

  bytes(member: string, length: number): Buffer {
    const text = this.text(member);
    if (text.length !== 2 * length || !/^[0-9a-f]+$/.test(text)) throw this.#unreadable(member);
    return Buffer.from(text, 'hex');
  }

  instant(member: string, text: string): Instant {
    const value = parseRfc3339(text);
    if (value === undefined) throw this.#unreadable(member);
    return value;
  }

  integer(member: string, text: string): bigint {
    if (!/^\d{1,20}$/.test(text)) throw this.#unreadable(member);
    return BigInt(text);
  }

  #unreadable(member: string, cause?: unknown): StoreFormatError {
    const where = member === '' ? '' : `: '${member}'`;
    return new StoreFormatError(`The row of token '${this.#name}' is not readable${where}`, {
      cause,
    });
  }
}
