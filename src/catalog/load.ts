/** Reads the catalogue at start: time in the number of buckets and entries, never in the number of records. */
import { randomUUID } from 'node:crypto';
import { StoreFormatError } from '../errors/errors.ts';
import {
  BLOCK_SPACE_CHUNK,
  BLOCK_SPACE_LOG,
  COLUMN_BLOCKS,
  COLUMN_META,
  META,
  PARTITION,
  STORE_FORMAT_VERSION,
} from '../store/format.ts';
import { readHead } from '../store/head-row.ts';
import { chunkKey, metaKey, metaRange, sequenceOfBlockKey } from '../store/keys.ts';
import type { RocksDatabase } from '../store/rocks.ts';
import type { Bucket, Entry } from './model.ts';
import type { StoreHeader } from './rows.ts';
import {
  decodeBucket,
  decodeEntry,
  decodeHeader,
  decodeStats,
  emptyStats,
  encodeJson,
} from './rows.ts';

export interface LoadedCatalog {
  readonly header: StoreHeader;
  readonly buckets: Map<string, Bucket>;
  readonly entriesById: Map<number, Entry>;
  /** Head of the log: the sequence of the next block. */
  readonly nextSequence: number;
  readonly nextUploadId: number;
}

/**
 * Loads (or creates) the catalogue and removes the chunks of uploads that a crash interrupted.
 * @param isReadOnly nothing is created and nothing removed.
 * @throws StoreFormatError when the store is of another version or a row cannot be read, or there is none to read.
 */
export function loadCatalog(db: RocksDatabase, isReadOnly = false): LoadedCatalog {
  const stored = db.get(COLUMN_META, metaKey(META.header, 0));
  if (stored === undefined && isReadOnly) {
    throw new StoreFormatError('The data folder holds no store yet: there is nothing to read');
  }
  const header = stored === undefined ? createHeader(db) : decodeHeader(stored);
  const buckets = loadBuckets(db);
  const entriesById = loadEntries(db, buckets);
  if (!isReadOnly) removeOrphanUploads(db);
  return {
    header: {
      ...header,
      nextBucketId: Math.max(header.nextBucketId, highest(buckets.keys()) + 1),
      nextEntryId: Math.max(header.nextEntryId, highest(entriesById.keys()) + 1),
    },
    buckets: new Map([...buckets.values()].map((bucket) => [bucket.name, bucket])),
    entriesById,
    nextSequence: Math.max(header.nextSequence, readHead(db), lastNumber(db, BLOCK_SPACE_LOG) + 1),
    nextUploadId: lastNumber(db, BLOCK_SPACE_CHUNK) + 1,
  };
}

function createHeader(db: RocksDatabase): StoreHeader {
  const header: StoreHeader = {
    formatVersion: STORE_FORMAT_VERSION,
    instanceId: randomUUID(),
    nextBucketId: 1,
    nextEntryId: 1,
    nextTaskId: 1,
    nextSequence: 1,
  };
  const batch = db.batch();
  batch.put(COLUMN_META, metaKey(META.header, 0), encodeJson(header));
  batch.commit(true);
  return header;
}

function highest(ids: Iterable<number>): number {
  let max = 0;
  for (const id of ids) max = Math.max(max, id);
  return max;
}

/** Visits all `meta` rows of a kind. */
function forEachRow(
  db: RocksDatabase,
  kind: number,
  visit: (key: Buffer, value: Buffer) => void,
): void {
  const iterator = db.iterate(COLUMN_META, metaRange(kind));
  try {
    for (;;) {
      const { rows, finished } = iterator.next(1000);
      for (let i = 0; i + 1 < rows.length; i += 2) {
        const key = rows[i];
        const value = rows[i + 1];
        if (key !== undefined && value !== undefined) visit(key, value);
      }
      if (finished) return;
    }
  } finally {
    iterator.close();
  }
}

function loadBuckets(db: RocksDatabase): Map<number, Bucket> {
  const buckets = new Map<number, Bucket>();
  forEachRow(db, META.bucket, (key, value) => {
    const row = decodeBucket(value);
    const id = key.readUInt32BE(1);
    buckets.set(id, {
      id,
      name: row.name,
      settings: row.settings,
      isProvisioned: false,
      status: row.status,
      entries: new Map(),
      recordsWritten: row.recordsWritten,
      rewrites: 0,
      sizeBytes: 0,
    });
  });
  return buckets;
}

function loadEntries(db: RocksDatabase, buckets: Map<number, Bucket>): Map<number, Entry> {
  const entries = new Map<number, Entry>();
  forEachRow(db, META.entry, (key, value) => {
    const id = key.readUInt32BE(1);
    const { bucketId, name, status } = decodeEntry(value);
    const bucket = buckets.get(bucketId);
    if (bucket === undefined) {
      throw new StoreFormatError(`Entry '${name}' belongs to bucket id ${bucketId}, which is gone`);
    }
    const entry: Entry = {
      id,
      bucket,
      name,
      status,
      isDurable: true,
      rewrites: 0,
      stats: emptyStats(),
    };
    entries.set(id, entry);
    bucket.entries.set(name, entry);
  });
  forEachRow(db, META.entryStats, (key, value) => {
    const entry = entries.get(key.readUInt32BE(1));
    if (entry === undefined) return;
    entry.stats = decodeStats(value);
    const { bucket } = entry;
    bucket.sizeBytes += entry.stats.sizeBytes;
    bucket.recordsWritten = Math.max(bucket.recordsWritten, entry.stats.bucketOrdinal);
  });
  return entries;
}

/** Highest sequence or upload id in a key space of the `blocks` family, 0 when it is empty. */
function lastNumber(db: RocksDatabase, space: number): number {
  const gte = Buffer.from([PARTITION >> 8, PARTITION & 0xff, space]);
  const lt = Buffer.from([PARTITION >> 8, PARTITION & 0xff, space + 1]);
  const iterator = db.iterate(COLUMN_BLOCKS, { gte, lt, reverse: true, limit: 1, keysOnly: true });
  try {
    const [key] = iterator.next(1).rows;
    return key === undefined ? 0 : sequenceOfBlockKey(key);
  } finally {
    iterator.close();
  }
}

function removeOrphanUploads(db: RocksDatabase): void {
  forEachRow(db, META.upload, (markerKey) => {
    const uploadId = markerKey.readUIntBE(1, 6);
    const chunks = db.iterate(COLUMN_BLOCKS, {
      gte: chunkKey(uploadId, 0),
      lte: chunkKey(uploadId, 0xffff_ffff),
      keysOnly: true,
    });
    const batch = db.batch();
    try {
      for (;;) {
        const { rows, finished } = chunks.next(1000);
        for (let i = 0; i < rows.length; i += 2) {
          const key = rows[i];
          if (key !== undefined) batch.del(COLUMN_BLOCKS, key);
        }
        if (finished) break;
      }
    } finally {
      chunks.close();
    }
    batch.del(COLUMN_META, markerKey);
    batch.commit(false);
  });
}
