/** Percent-encoding of paths, query strings and the header values of batch protocol v2. */

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** What a malformed escape (`%`, `%4`, `%zz`) means: kept as it stands, or an error. */
export type MalformedEscape = 'keep' | 'reject';

/** The text held a malformed escape (only in mode `reject`). */
export class PercentSyntaxError extends Error {}

/**
 * Decodes to bytes; characters beyond ASCII contribute their UTF-8 bytes.
 * @throws PercentSyntaxError in mode `reject`.
 */
function decodeToBytes(text: string, malformed: MalformedEscape): Buffer {
  const source = Buffer.from(text, 'utf8');
  const out = Buffer.allocUnsafe(source.length);
  let length = 0;
  for (let i = 0; i < source.length; i++) {
    const byte = source[i] ?? 0;
    if (byte === 0x25) {
      const high = hexDigit(source[i + 1]);
      const low = hexDigit(source[i + 2]);
      if (high >= 0 && low >= 0) {
        out[length++] = (high << 4) | low;
        i += 2;
        continue;
      }
      if (malformed === 'reject') throw new PercentSyntaxError();
    }
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * Decodes percent escapes as UTF-8.
 * @returns undefined when the result is not valid UTF-8.
 * @throws PercentSyntaxError in mode `reject`, for a truncated or non-hexadecimal escape.
 */
export function percentDecode(text: string, malformed: MalformedEscape): string | undefined {
  if (!text.includes('%')) return text;
  const bytes = decodeToBytes(text, malformed);
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Like `percentDecode` with `keep`, but invalid UTF-8 becomes U+FFFD, as form decoders do. */
export function percentDecodeLossy(text: string): string {
  return text.includes('%') ? decodeToBytes(text, 'keep').toString('utf8') : text;
}

const MUST_ENCODE = /[^A-Za-z0-9!#$%&'*+\-.^_`|~]/;

/**
 * Encodes a name for `x-reduct-entries` and `x-reduct-labels` (http-api-records §6.1): header token characters stay,
 * also `%` itself, every other byte becomes `%XX`.
 */
export function encodeHeaderName(name: string): string {
  if (!MUST_ENCODE.test(name)) return name;
  let out = '';
  for (const byte of Buffer.from(name, 'utf8')) {
    const character = String.fromCharCode(byte);
    out +=
      byte >= 0x80 || MUST_ENCODE.test(character)
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : character;
  }
  return out;
}
