/**
 * The form a link has in its URL: compressed, encrypted and authenticated with a key that only this server can derive,
 * and only while the token it was made with is what it was.
 *
 * Key: HKDF-SHA-256 over the token's stored secret, with a salt of its own per link. Cipher: AES-256-GCM with a random
 * nonce; the token's name is authenticated with it. All of it is opaque to clients (http-api-extras §1.1).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ApiError } from '../errors/errors.ts';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_PURPOSE = 'millrace query link 1';

/** More than a link that fits a request can hold: only such a link is opened as this server made. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/** The parameters `ct`, `s` and `n` of a link, in URL-safe base64 without padding. */
export interface SealedText {
  readonly ct: string;
  readonly s: string;
  readonly n: string;
}

/** @param secret of the token `tokenName`. */
export function sealText(text: string, secret: Uint8Array, tokenName: string): SealedText {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(secret, salt), nonce);
  cipher.setAAD(Buffer.from(tokenName));
  const sealed = [cipher.update(deflateRawSync(text)), cipher.final(), cipher.getAuthTag()];
  return {
    ct: Buffer.concat(sealed).toString('base64url'),
    s: salt.toString('base64url'),
    n: nonce.toString('base64url'),
  };
}

/** @throws ApiError 422 with the texts of http-api-extras §1.2. */
export function openSealed(sealed: SealedText, secret: Uint8Array, tokenName: string): string {
  const text = base64Bytes('ct', sealed.ct);
  const salt = base64Bytes('s', sealed.s);
  const nonce = base64Bytes('n', sealed.n);
  const packed = decrypt(text, keyOf(secret, salt), nonce, tokenName);
  try {
    return inflateRawSync(packed, { maxOutputLength: MAX_TEXT_BYTES }).toString();
  } catch (error) {
    throw new ApiError(422, `Failed to decompress query: ${messageOf(error)}`);
  }
}

function decrypt(text: Buffer, key: Uint8Array, nonce: Buffer, tokenName: string): Buffer {
  if (text.length < TAG_BYTES || nonce.length !== NONCE_BYTES) throw undecryptable();
  const decipher = createDecipheriv(CIPHER, key, nonce);
  decipher.setAAD(Buffer.from(tokenName));
  decipher.setAuthTag(text.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(text.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw undecryptable();
  }
}

function undecryptable(): ApiError {
  return new ApiError(
    422,
    'Failed to decrypt query: the link was changed, or its token is another one now',
  );
}

function keyOf(secret: Uint8Array, salt: Buffer): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, KEY_PURPOSE, KEY_BYTES));
}

/** Exactly what `toString('base64url')` gives: the decoder of the platform would pass over anything else. */
function base64Bytes(parameter: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') === text) return bytes;
  const at = text.search(/[^A-Za-z0-9_-]/);
  const why = at === -1 ? 'Invalid length or last symbol' : `Invalid symbol at offset ${at}`;
  throw new ApiError(422, `Invalid base64 in '${parameter}' parameter: ${why}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
