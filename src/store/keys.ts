/** Builders and readers of all keys. Layouts: `format.ts` and docs/FORMATS.md. */
import { createHash } from 'node:crypto';
import {
  BLOCK_KEY_BYTES,
  BLOCK_SPACE_CHUNK,
  BLOCK_SPACE_LOG,
  CHUNK_KEY_BYTES,
  INDEX_KEY_BYTES,
  META,
  PARTITION,
} from './format.ts';

/** Key of a block of the log. @param sequence below 2^48. */
export function blockKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(BLOCK_KEY_BYTES);
  key.writeUInt16BE(PARTITION, 0);
  key[2] = BLOCK_SPACE_LOG;
  key.writeUIntBE(sequence, 3, 6);
  return key;
}

export function sequenceOfBlockKey(key: Buffer): number {
  return key.readUIntBE(3, 6);
}

/** Key of one chunk of a large record. */
export function chunkKey(uploadId: number, chunk: number): Buffer {
  const key = Buffer.allocUnsafe(CHUNK_KEY_BYTES);
  key.writeUInt16BE(PARTITION, 0);
  key[2] = BLOCK_SPACE_CHUNK;
  key.writeUIntBE(uploadId, 3, 6);
  key.writeUInt32BE(chunk, 9);
  return key;
}

/** Index row of the run of records that starts at `firstTs`. */
export function indexKey(entryId: number, firstTs: bigint): Buffer {
  const key = Buffer.allocUnsafe(INDEX_KEY_BYTES);
  key.writeUInt32BE(entryId, 0);
  key.writeBigUInt64BE(firstTs, 4);
  return key;
}

/** First key behind all index rows of an entry. */
export function indexEnd(entryId: number): Buffer {
  const key = Buffer.allocUnsafe(4);
  key.writeUInt32BE(entryId + 1, 0);
  return key;
}

export function firstTsOfIndexKey(key: Buffer): bigint {
  return key.readBigUInt64BE(4);
}

/** `meta` key of kind and id. */
export function metaKey(kind: number, id: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key[0] = kind;
  key.writeUInt32BE(id, 1);
  return key;
}

/** `meta` key of kind, id and a 64-bit part (extents by start, dead letters by number). */
export function metaKey64(kind: number, id: number, part: bigint): Buffer {
  const key = Buffer.allocUnsafe(13);
  key[0] = kind;
  key.writeUInt32BE(id, 1);
  key.writeBigUInt64BE(part, 5);
  return key;
}

/** `meta` key of an unfinished upload. */
export function uploadKey(uploadId: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = META.upload;
  key.writeUIntBE(uploadId, 1, 6);
  return key;
}

/** `meta` key of a token. */
export function tokenKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([META.token]), Buffer.from(name)]);
}

/** `meta` key of a lifecycle policy. */
export function lifecycleKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([META.lifecycle]), Buffer.from(name)]);
}

/** `meta` key of the records with one key in a `$meta` entry; keys of any length become 32 bytes. */
export function attachmentKey(entryId: number, key: string): Buffer {
  const digest = createHash('sha256').update(key).digest();
  return Buffer.concat([metaKey(META.attachment, entryId), digest]);
}

/** Range of all `meta` rows of one kind. */
export function metaRange(kind: number): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.from([kind]), lt: Buffer.from([kind + 1]) };
}

/** Range of all `meta` rows of one kind and id. */
export function metaIdRange(kind: number, id: number): { gte: Buffer; lt: Buffer } {
  return { gte: metaKey(kind, id), lt: metaKey(kind, id + 1) };
}
