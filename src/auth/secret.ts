/**
 * Values of tokens and what is kept of them: a salt of its own per token and HMAC-SHA-256 under that salt.
 *
 * Why no slow hash (scrypt, argon2): a generated value has 128 random bits, which nobody guesses however fast the
 * hash is, and a wrong value is answered on the thread that takes in records: tens of milliseconds per guess would let
 * anyone who can connect stall it. Values chosen by people (`RS_API_TOKEN` and the like) are as hard to guess from
 * the data folder as they were chosen; the documentation asks for long random ones.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export const SALT_BYTES = 16;
/** SHA-256. */
export const DIGEST_BYTES = 32;
/** http-api §3.4: 32 hexadecimal digits. */
const RANDOM_BYTES = 16;
const SUFFIX_LENGTH = '-'.length + 2 * RANDOM_BYTES;

/** All that is stored of a value. */
export interface HashedSecret {
  readonly salt: Buffer;
  readonly digest: Buffer;
}

/** `<name>-` and 32 hexadecimal digits. */
export function generateValue(tokenName: string): string {
  return `${tokenName}-${randomBytes(RANDOM_BYTES).toString('hex')}`;
}

/** Name of the only token that can have this value as a generated one. */
export function nameInValue(value: string): string | undefined {
  return value.at(-SUFFIX_LENGTH) === '-' ? value.slice(0, -SUFFIX_LENGTH) : undefined;
}

/** Taken once per value, so that comparing it with many tokens costs the same for any length. */
export function fingerprint(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}

export function hashSecret(value: string): HashedSecret {
  const salt = randomBytes(SALT_BYTES);
  return { salt, digest: digestOf(salt, fingerprint(value)) };
}

/** Takes the same time wherever the difference is. */
export function matchesSecret(valueFingerprint: Buffer, { salt, digest }: HashedSecret): boolean {
  return timingSafeEqual(digestOf(salt, valueFingerprint), digest);
}

function digestOf(salt: Buffer, valueFingerprint: Buffer): Buffer {
  return createHmac('sha256', salt).update(valueFingerprint).digest();
}
