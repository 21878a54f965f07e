/** Query strings: form-urlencoded, the last value of a repeated key wins (http-api §1.1). */
import { percentDecodeLossy } from './percent.ts';

/** The decoded pairs in order of first occurrence. @param raw without `?`; may be empty. */
export function parseQueryString(raw: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const part of raw.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals === -1) pairs.set(decodeFormText(part), '');
    else pairs.set(decodeFormText(part.slice(0, equals)), decodeFormText(part.slice(equals + 1)));
  }
  return pairs;
}

function decodeFormText(text: string): string {
  return percentDecodeLossy(text.includes('+') ? text.replaceAll('+', ' ') : text);
}

const PLAIN_TS = /^ts=([0-9]+)$/;

/** Value of `ts`, or undefined. What every sensor sends, `ts=<digits>` alone, takes no parser. */
export function tsOfQueryString(raw: string): string | undefined {
  const plain = PLAIN_TS.exec(raw);
  return plain === null ? parseQueryString(raw).get('ts') : plain[1];
}
