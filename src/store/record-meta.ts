/** The meta of a record, as it lies in a block: content type, labels, and what replication needs to know beside them. */
import type { Labels } from './labels.ts';

/** Content type and labels of a record, decoded. */
export interface RecordMeta {
  readonly contentType: string;
  readonly labels: Labels;
}

/**
 * Encodes content type and labels: u16 length, bytes, u16 count, then u16/bytes and u32/bytes per label; behind them the
 * path, if there is one, as it is; behind that, for a record whose labels were changed, a zero byte and the labels it was
 * written with, in the same form.
 * @param path of replication that the record came by (see `src/replication/replication-path.ts`): ASCII.
 * @param writtenLabels what filters of replication decide by; `null`: the labels are those it was written with, or nobody asks.
 */
export function encodeMeta(
  contentType: string,
  labels: Labels,
  path = '',
  writtenLabels: Labels | null = null,
): Buffer {
  const writtenBytes = writtenLabels === null ? 0 : 1 + labelsBytes(writtenLabels);
  const typeBytes = Buffer.byteLength(contentType);
  const out = Buffer.allocUnsafe(2 + typeBytes + labelsBytes(labels) + path.length + writtenBytes);
  let at = out.writeUInt16BE(typeBytes, 0);
  at += out.write(contentType, at);
  at = writeLabels(out, labels, at);
  at += out.write(path, at, 'latin1');
  if (writtenLabels !== null) writeLabels(out, writtenLabels, out.writeUInt8(END_OF_PATH, at));
  return out;
}

/** No path contains it. */
const END_OF_PATH = 0;

function labelsBytes(labels: Labels): number {
  let bytes = 2;
  for (let i = 0; i + 1 < labels.length; i += 2) {
    bytes += 6 + Buffer.byteLength(labels[i] ?? '') + Buffer.byteLength(labels[i + 1] ?? '');
  }
  return bytes;
}

/** @returns where they end. */
function writeLabels(out: Buffer, labels: Labels, offset: number): number {
  let at = out.writeUInt16BE(labels.length >> 1, offset);
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    const value = labels[i + 1] ?? '';
    at = out.writeUInt16BE(Buffer.byteLength(name), at);
    at += out.write(name, at);
    at = out.writeUInt32BE(Buffer.byteLength(value), at);
    at += out.write(value, at);
  }
  return at;
}

/** The path behind content type and labels; empty for records that were written here. @param meta the whole of it. */
export function pathOfMeta(meta: Buffer): string {
  const start = endOfLabels(meta);
  return start === meta.length ? '' : meta.toString('latin1', start, endOfPath(meta, start));
}

/** The labels that a record was written with; `null` when they were not changed. @param meta the whole of it. */
export function writtenLabelsOfMeta(meta: Buffer): Labels | null {
  const end = endOfPath(meta, endOfLabels(meta));
  return end === meta.length ? null : decodeLabels(meta, end + 1);
}

function endOfPath(meta: Buffer, start: number): number {
  const end = meta.indexOf(END_OF_PATH, start);
  return end === -1 ? meta.length : end;
}

/** Content type and labels alone: equal for records that differ in their path only. */
export function metaWithoutPath(meta: Buffer): Buffer {
  return meta.subarray(0, endOfLabels(meta));
}

function endOfLabels(meta: Buffer): number {
  let at = 2 + meta.readUInt16BE(0);
  const count = meta.readUInt16BE(at);
  at += 2;
  for (let i = 0; i < count; i++) {
    at += 2 + meta.readUInt16BE(at);
    at += 4 + meta.readUInt32BE(at);
  }
  return at;
}

/** Decodes what `encodeMeta` wrote at `offset`. */
export function decodeMeta(bytes: Buffer, offset: number): RecordMeta {
  let at = offset;
  const typeLength = bytes.readUInt16BE(at);
  const contentType = bytes.toString('utf8', at + 2, at + 2 + typeLength);
  at += 2 + typeLength;
  return { contentType, labels: decodeLabels(bytes, at) };
}

function decodeLabels(bytes: Buffer, offset: number): Labels {
  const count = bytes.readUInt16BE(offset);
  let at = offset + 2;
  const labels: string[] = [];
  for (let i = 0; i < count; i++) {
    const nameLength = bytes.readUInt16BE(at);
    at += 2;
    labels.push(bytes.toString('utf8', at, at + nameLength));
    at += nameLength;
    const valueLength = bytes.readUInt32BE(at);
    at += 4;
    labels.push(bytes.toString('utf8', at, at + valueLength));
    at += valueLength;
  }
  return labels;
}
