/** Values of the `meta` column family. Layouts are in docs/FORMATS.md and pinned by a test. */
import { StoreFormatError } from '../errors/errors.ts';
import { STORE_FORMAT_VERSION } from '../store/format.ts';
import type { BucketSettings, EntryStats, Extent, ResourceStatus } from './model.ts';

/** The one header row of the store. */
export interface StoreHeader {
  readonly formatVersion: number;
  /** Random, made once; names this instance to others. */
  readonly instanceId: string;
  /** Ids are never reused: a removed bucket's id stays used. */
  readonly nextBucketId: number;
  readonly nextEntryId: number;
  readonly nextTaskId: number;
  /** Lower bound of the next sequence, for the case that the last blocks were removed. */
  readonly nextSequence: number;
}

export interface BucketRow {
  readonly name: string;
  readonly settings: BucketSettings;
  readonly status: ResourceStatus;
  readonly recordsWritten: number;
}

export interface EntryRow {
  readonly bucketId: number;
  readonly name: string;
  readonly status: ResourceStatus;
}

export const STATS_BYTES = 57;
export const EXTENT_BYTES = 10;

export function encodeJson(value: StoreHeader | BucketRow | EntryRow): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** @throws StoreFormatError when the row is not JSON with these members. */
function decodeObject(what: string, value: Buffer, members: readonly string[]): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString('utf8'));
  } catch (cause) {
    throw new StoreFormatError(`The ${what} row is not readable`, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null) {
    throw new StoreFormatError(`The ${what} row is not an object`);
  }
  for (const member of members) {
    if (!(member in parsed)) throw new StoreFormatError(`The ${what} row has no '${member}'`);
  }
  return parsed;
}

/** @throws StoreFormatError also when the store is of another format version. */
export function decodeHeader(value: Buffer): StoreHeader {
  const members = ['formatVersion', 'instanceId', 'nextBucketId', 'nextEntryId', 'nextSequence'];
  // Members are checked above; the row was written by `encodeJson(StoreHeader)`.
  const header = decodeObject('store header', value, members) as StoreHeader;
  if (header.formatVersion !== STORE_FORMAT_VERSION) {
    throw new StoreFormatError(
      `The data folder has format ${header.formatVersion}, this version reads ${STORE_FORMAT_VERSION}`,
      { hint: 'Start the version of Millrace that wrote it, or use another RS_DATA_PATH.' },
    );
  }
  return header;
}

export function decodeBucket(value: Buffer): BucketRow {
  const members = ['name', 'settings', 'status', 'recordsWritten'];
  return decodeObject('bucket', value, members) as BucketRow;
}

export function decodeEntry(value: Buffer): EntryRow {
  return decodeObject('entry', value, ['bucketId', 'name', 'status']) as EntryRow;
}

/** Figures of an entry: fixed layout, rewritten with every commit that touches the entry. */
export function encodeStats(stats: EntryStats): Buffer {
  const value = Buffer.alloc(STATS_BYTES);
  value.writeUIntBE(stats.recordCount, 0, 6);
  value.writeUIntBE(stats.sizeBytes, 6, 6);
  value.writeBigUInt64BE(stats.oldestTs, 12);
  value.writeBigUInt64BE(stats.latestTs, 20);
  value.writeUInt32BE(stats.extentCount, 28);
  value.writeUIntBE(stats.bucketOrdinal, 32, 6);
  const { extent } = stats;
  if (extent !== undefined) {
    value[38] = 1;
    value.writeBigUInt64BE(extent.startTs, 39);
    encodeExtent(extent).copy(value, 47);
  }
  return value;
}

export function decodeStats(value: Buffer): EntryStats {
  if (value.length !== STATS_BYTES) {
    throw new StoreFormatError(`An entry's figures are ${value.length} bytes, not ${STATS_BYTES}`);
  }
  const extent: Extent | undefined =
    value[38] === 1
      ? {
          startTs: value.readBigUInt64BE(39),
          contentBytes: value.readUIntBE(47, 6),
          records: value.readUInt32BE(53),
        }
      : undefined;
  return {
    recordCount: value.readUIntBE(0, 6),
    sizeBytes: value.readUIntBE(6, 6),
    oldestTs: value.readBigUInt64BE(12),
    latestTs: value.readBigUInt64BE(20),
    extentCount: value.readUInt32BE(28),
    bucketOrdinal: value.readUIntBE(32, 6),
    extent,
  };
}

/** Figures of an entry without records. */
export function emptyStats(): EntryStats {
  return {
    recordCount: 0,
    sizeBytes: 0,
    oldestTs: 0n,
    latestTs: 0n,
    extentCount: 0,
    extent: undefined,
    bucketOrdinal: 0,
  };
}

export function encodeExtent(extent: Extent): Buffer {
  const value = Buffer.allocUnsafe(EXTENT_BYTES);
  value.writeUIntBE(extent.contentBytes, 0, 6);
  value.writeUInt32BE(extent.records, 6);
  return value;
}

/** @param key `metaKey64(META.extent, entryId, startTs)`. */
export function decodeExtent(key: Buffer, value: Buffer): Extent {
  return {
    startTs: key.readBigUInt64BE(5),
    contentBytes: value.readUIntBE(0, 6),
    records: value.readUInt32BE(6),
  };
}
