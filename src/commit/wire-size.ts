/**
 * Sizes as the contract counts them (http-api §4.3): content plus the length of the record's protobuf descriptor at the
 * moment the write began. They are part of the contract: clients' tests compare exact numbers.
 */
import type { Labels } from '../store/labels.ts';

/** Up to here a timestamp is exact as a number, and division costs a fraction. */
const MAX_SAFE_TS = BigInt(Number.MAX_SAFE_INTEGER);

/** Bytes of the base-128 encoding of a non-negative integer. */
function varintBytes(value: number): number {
  let bytes = 1;
  while (value >= 128) {
    value = Math.floor(value / 128);
    bytes++;
  }
  return bytes;
}

function stringFieldBytes(text: string): number {
  if (text.length === 0) return 0;
  const length = Buffer.byteLength(text);
  return 1 + varintBytes(length) + length;
}

/** The part that does not depend on time or place: labels and content type. */
export function metaWireBytes(contentType: string, labels: Labels): number {
  let total = stringFieldBytes(contentType);
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const inner = stringFieldBytes(labels[i] ?? '') + stringFieldBytes(labels[i + 1] ?? '');
    total += 1 + varintBytes(inner) + inner;
  }
  return total;
}

/**
 * Descriptor bytes of a record without labels and content type.
 * @param beginOffset content bytes before it in its extent.
 */
export function placeWireBytes(ts: bigint, beginOffset: number, lengthBytes: number): number {
  const isSafe = ts <= MAX_SAFE_TS;
  const seconds = isSafe ? Math.floor(Number(ts) / 1e6) : Number(ts / 1_000_000n);
  const nanos = (isSafe ? Number(ts) % 1e6 : Number(ts % 1_000_000n)) * 1000;
  let total = 2;
  if (seconds !== 0) total += 1 + varintBytes(seconds);
  if (nanos !== 0) total += 1 + varintBytes(nanos);
  if (beginOffset !== 0) total += 1 + varintBytes(beginOffset);
  const end = beginOffset + lengthBytes;
  if (end !== 0) total += 1 + varintBytes(end);
  return total;
}
