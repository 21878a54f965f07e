/**
 * The block: all records that one entry received in one commit group, in timestamp order, self-describing, so that
 * the index can be rebuilt from blocks alone. The same bytes lie in RocksDB and in the ring.
 *
 * ```
 * header | record table (16 B a record) | meta offsets (u32 each) | metas | payloads in table order
 * ```
 * A *meta* is content type and labels; records with equal ones share it, as far as the writer noticed that they are equal.
 */
import { StoreFormatError } from '../errors/errors.ts';
import {
  BLOCK,
  BLOCK_KIND_LARGE,
  BLOCK_KIND_RECORDS,
  BLOCK_KIND_UPDATES,
  BLOCK_ROW,
  BLOCK_VERSION,
  LARGE_REFERENCE_BYTES,
  REMOVED_META,
} from './format.ts';
import type { MetaPool } from './meta-pool.ts';
import { decodeMeta, type RecordMeta } from './record-meta.ts';

/** Metas of a block that the next record may share: machines go to and fro between a few states. */
const SHARED_METAS = 4;

/** Where the content of a large record lies. */
export interface LargeReference {
  readonly uploadId: number;
  readonly chunkBytes: number;
}

/** One record for `encodeBlock`; `payload` is copied from `source[offset, offset + length)`. */
export interface BlockRecord {
  readonly ts: bigint;
  readonly length: number;
  readonly source: Buffer;
  readonly offset: number;
  /** Encoded with `encodeMeta`; records with the identical buffer share one meta. */
  readonly meta: Buffer;
}

export interface BlockIdentity {
  readonly sequence: number;
  readonly bucketId: number;
  readonly entryId: number;
  readonly bucketOrdinal: number;
}

/** Upper bound of the bytes `encodeBlock` needs for these records. */
export function blockBytesBound(records: readonly BlockRecord[]): number {
  let bytes: number = BLOCK.headerBytes;
  for (const record of records) {
    bytes += BLOCK_ROW.bytes + 4 + record.meta.length + record.length;
  }
  return bytes;
}

/**
 * Writes a block of inline records into `out` at 0.
 * @param records at most `BLOCK_MAX_RECORDS`, in ascending timestamp order.
 * @returns bytes written.
 */
export function encodeBlock(
  out: Buffer,
  identity: BlockIdentity,
  records: readonly BlockRecord[],
): number {
  return encodeInline(out, identity, BLOCK_KIND_RECORDS, records);
}

/**
 * Writes a block of label updates: per record all labels after the update as meta, and as payload the names that
 * disappeared, encoded with `encodeMeta('', [name, '', …])`. In order of the updates; a timestamp may occur twice.
 */
export function encodeUpdateBlock(
  out: Buffer,
  identity: BlockIdentity,
  records: readonly BlockRecord[],
): number {
  return encodeInline(out, identity, BLOCK_KIND_UPDATES, records);
}

function encodeInline(
  out: Buffer,
  identity: BlockIdentity,
  kind: number,
  records: readonly BlockRecord[],
): number {
  let at = writeTables(out, identity, kind, records);
  const payloadStart = at;
  for (const record of records) {
    at += record.source.copy(out, at, record.offset, record.offset + record.length);
  }
  out.writeUInt32BE(at - payloadStart, BLOCK.payloadBytes);
  return at;
}

/** Writes the block of one large record whose content is in chunks already. @returns bytes written. */
export function encodeLargeBlock(
  out: Buffer,
  identity: BlockIdentity,
  record: Omit<BlockRecord, 'source' | 'offset'>,
  reference: LargeReference,
): number {
  const at = writeTables(out, identity, BLOCK_KIND_LARGE, [record]);
  out.writeUIntBE(reference.uploadId, at, 6);
  out.writeUInt32BE(reference.chunkBytes, at + 6);
  out.writeUInt32BE(LARGE_REFERENCE_BYTES, BLOCK.payloadBytes);
  return at + LARGE_REFERENCE_BYTES;
}

function writeTables(
  out: Buffer,
  identity: BlockIdentity,
  kind: number,
  records: readonly Pick<BlockRecord, 'ts' | 'length' | 'meta'>[],
): number {
  const metas: Buffer[] = [];
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  let at: number = BLOCK.headerBytes;
  let previous: Buffer | undefined;
  let metaIndex = 0;
  for (const record of records) {
    if (record.meta !== previous) {
      previous = record.meta;
      metaIndex = shareMeta(metas, previous, isIdentical);
    }
    view.setBigUint64(at + BLOCK_ROW.timestamp, record.ts);
    setUint48(view, at + BLOCK_ROW.length, record.length);
    view.setUint16(at + BLOCK_ROW.metaIndex, metaIndex);
    at += BLOCK_ROW.bytes;
  }
  const metaStart = at + metas.length * 4;
  let metaAt = metaStart;
  for (const meta of metas) {
    view.setUint32(at, metaAt - metaStart);
    at += 4;
    metaAt += meta.copy(out, metaAt);
  }
  view.setUint8(BLOCK.version, BLOCK_VERSION);
  view.setUint8(BLOCK.kind, kind);
  view.setUint16(BLOCK.metaCount, metas.length);
  view.setUint32(BLOCK.bucketId, identity.bucketId);
  view.setUint32(BLOCK.entryId, identity.entryId);
  view.setUint32(BLOCK.recordCount, records.length);
  setUint48(view, BLOCK.sequence, identity.sequence);
  setUint48(view, BLOCK.bucketOrdinal, identity.bucketOrdinal);
  view.setUint32(BLOCK.metaBytes, metaAt - metaStart);
  return metaAt;
}

/**
 * Number of the meta of the next record: of an equal one among the newest, or of a new one.
 * @param metas of the block so far; gets the new one.
 */
export function shareMeta(
  metas: Buffer[],
  meta: Buffer,
  isEqual: (a: Buffer, b: Buffer) => boolean,
): number {
  const oldest = Math.max(0, metas.length - SHARED_METAS);
  for (let i = metas.length - 1; i >= oldest; i--) {
    const known = metas[i];
    if (known !== undefined && isEqual(known, meta)) return i;
  }
  return metas.push(meta) - 1;
}

function isIdentical(a: Buffer, b: Buffer): boolean {
  return a === b;
}

function setUint48(view: DataView, offset: number, value: number): void {
  view.setUint16(offset, Math.floor(value / 2 ** 32));
  view.setUint32(offset + 2, value >>> 0);
}

/** A view over the bytes of one block. Nothing is copied; metas are decoded on first use. */
export class BlockView {
  readonly bytes: Buffer;
  readonly kind: number;
  readonly sequence: number;
  readonly bucketId: number;
  readonly entryId: number;
  readonly bucketOrdinal: number;
  readonly recordCount: number;
  readonly metaCount: number;
  readonly #metaOffsetsAt: number;
  readonly #metasAt: number;
  readonly payloadStart: number;
  readonly payloadBytes: number;
  readonly #metas: (RecordMeta | undefined)[] = [];
  readonly #pool: MetaPool | undefined;
  /** Numbers are read through it: `Buffer` puts its 64-bit ones together in steps. */
  readonly #view: DataView;
  #payloadOffsets: Float64Array | undefined;

  /**
   * @param pool of metas that this block shares with others.
   * @throws StoreFormatError when the bytes are not a whole block of a known version.
   */
  constructor(bytes: Buffer, pool?: MetaPool) {
    if (bytes.length < BLOCK.headerBytes || bytes[BLOCK.version] !== BLOCK_VERSION) {
      throw new StoreFormatError(`A block of ${bytes.length} bytes has an unknown version`);
    }
    this.bytes = bytes;
    this.#pool = pool;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.kind = bytes[BLOCK.kind] ?? 0;
    this.metaCount = bytes.readUInt16BE(BLOCK.metaCount);
    this.bucketId = bytes.readUInt32BE(BLOCK.bucketId);
    this.entryId = bytes.readUInt32BE(BLOCK.entryId);
    this.recordCount = bytes.readUInt32BE(BLOCK.recordCount);
    this.sequence = bytes.readUIntBE(BLOCK.sequence, 6);
    this.bucketOrdinal = bytes.readUIntBE(BLOCK.bucketOrdinal, 6);
    this.payloadBytes = bytes.readUInt32BE(BLOCK.payloadBytes);
    this.#metaOffsetsAt = BLOCK.headerBytes + this.recordCount * BLOCK_ROW.bytes;
    this.#metasAt = this.#metaOffsetsAt + this.metaCount * 4;
    this.payloadStart = this.#metasAt + bytes.readUInt32BE(BLOCK.metaBytes);
    if (this.payloadStart + this.payloadBytes !== bytes.length) {
      throw new StoreFormatError(`Block ${this.sequence} is ${bytes.length} bytes, not its length`);
    }
  }

  ts(index: number): bigint {
    return this.#view.getBigUint64(BLOCK.headerBytes + index * BLOCK_ROW.bytes);
  }

  /** Content length of a record in bytes (of the whole record, also when it lies in chunks). */
  length(index: number): number {
    const at = BLOCK.headerBytes + index * BLOCK_ROW.bytes + BLOCK_ROW.length;
    return this.#view.getUint16(at) * 2 ** 32 + this.#view.getUint32(at + 2);
  }

  /** Number of the record's meta, 0 ≤ n < metaCount; equal numbers mean equal content type and labels. */
  metaIndex(index: number): number {
    const at = BLOCK.headerBytes + index * BLOCK_ROW.bytes + BLOCK_ROW.metaIndex;
    return this.#view.getUint16(at);
  }

  /** Content type and labels by meta number. */
  meta(metaIndex: number): RecordMeta {
    const known = this.#metas[metaIndex];
    if (known !== undefined) return known;
    const start = this.#metaStart(metaIndex);
    const meta =
      this.#pool?.of(this.bytes, start, this.#metaStart(metaIndex + 1), decodeMeta) ??
      decodeMeta(this.bytes, start);
    this.#metas[metaIndex] = meta;
    return meta;
  }

  metaOf(index: number): RecordMeta {
    return this.meta(this.metaIndex(index));
  }

  /** True for the row of a record that was removed: it has neither meta nor content. */
  isRemoved(index: number): boolean {
    return this.metaIndex(index) === REMOVED_META;
  }

  /** Encoded meta by meta number, as `encodeMeta` wrote it; shares memory with the block. */
  metaBytes(metaIndex: number): Buffer {
    return this.bytes.subarray(this.#metaStart(metaIndex), this.#metaStart(metaIndex + 1));
  }

  /** Where meta `metaIndex` begins in `bytes`; of the one behind the last, where that ends. */
  #metaStart(metaIndex: number): number {
    if (metaIndex >= this.metaCount) return this.payloadStart;
    return this.#metasAt + this.#view.getUint32(this.#metaOffsetsAt + metaIndex * 4);
  }

  /** Where the content of record `index` begins in `bytes`. Only for inline records. */
  payloadOffset(index: number): number {
    this.#payloadOffsets ??= this.#sumOffsets();
    return this.#payloadOffsets[index] ?? 0;
  }

  /** Content of an inline record; shares memory with the block. */
  payload(index: number): Buffer {
    const at = this.payloadOffset(index);
    return this.bytes.subarray(at, at + this.length(index));
  }

  /** Reference to the chunks when this is the block of a large record. */
  large(): LargeReference | undefined {
    if (this.kind !== BLOCK_KIND_LARGE) return undefined;
    return {
      uploadId: this.bytes.readUIntBE(this.payloadStart, 6),
      chunkBytes: this.bytes.readUInt32BE(this.payloadStart + 6),
    };
  }

  /** Smallest index in [from, to) whose timestamp is ≥ ts; `to` when there is none. */
  lowerBound(ts: bigint, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ts(middle) < ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sumOffsets(): Float64Array {
    const offsets = new Float64Array(this.recordCount);
    let at = this.payloadStart;
    for (let i = 0; i < this.recordCount; i++) {
      offsets[i] = at;
      at += this.length(i);
    }
    return offsets;
  }
}
