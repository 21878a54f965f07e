/**
 * Every constant of the on-disk format. `docs/FORMATS.md` explains them, `test/store/format.test.ts` pins them.
 * All integers are big-endian, so that the order of bytes is the order of keys.
 */

/** Version of the whole store, kept in the `meta` header row. A store of another version is not opened. */
export const STORE_FORMAT_VERSION = 1;

/** The one partition of the embedded engine. Part of every position, so that a later engine can have more. */
export const PARTITION = 0;

/** Column families. Every open must list all of them. */
export const COLUMN_META = 'meta';
export const COLUMN_INDEX = 'index';
export const COLUMN_BLOCKS = 'blocks';
export const COLUMNS: readonly string[] = ['default', COLUMN_META, COLUMN_INDEX, COLUMN_BLOCKS];

/** First byte of a `meta` key. */
export const META = {
  header: 0x01,
  bucket: 0x02,
  entry: 0x03,
  entryStats: 0x04,
  extent: 0x05,
  task: 0x06,
  cursor: 0x07,
  upload: 0x08,
  deadLetter: 0x09,
  token: 0x0a,
  attachment: 0x0b,
  lifecycle: 0x0c,
  taskRange: 0x0d,
  updateBlock: 0x0e,
  budgetUse: 0x0f,
} as const;

/** Third byte of a `blocks` key (after the partition): sealed blocks of the log, or chunks of large records. */
export const BLOCK_SPACE_LOG = 0x01;
export const BLOCK_SPACE_CHUNK = 0x02;

export const BLOCK_KEY_BYTES = 9; // u16 partition, u8 space, u48 sequence
export const CHUNK_KEY_BYTES = 13; // u16 partition, u8 space, u48 upload id, u32 chunk number
export const INDEX_KEY_BYTES = 12; // u32 entry id, u64 first timestamp
/** u64 last timestamp, u48 sequence, u32 start index, u32 count, u8 flags, u48 contract size of its records. */
export const INDEX_VALUE_BYTES = 29;
/** Flag of an index row: the run is one large record, its block holds a reference to chunks. */
export const RUN_LARGE = 0x01;
/** Flag of an index row: the run is all that is left of its block, so the block goes when the run goes. */
export const RUN_WHOLE = 0x02;

/** Block header, see docs/FORMATS.md. */
export const BLOCK_VERSION = 1;
export const BLOCK = {
  version: 0, // u8
  kind: 1, // u8
  metaCount: 2, // u16
  bucketId: 4, // u32
  entryId: 8, // u32
  recordCount: 12, // u32
  sequence: 16, // u48
  bucketOrdinal: 22, // u48: records written to the bucket before this block
  metaBytes: 28, // u32
  payloadBytes: 32, // u32
  headerBytes: 36,
} as const;

/** Row of the record table that follows the header. */
export const BLOCK_ROW = {
  timestamp: 0, // u64
  length: 8, // u48: content length of the record
  metaIndex: 14, // u16
  bytes: 16,
} as const;

export const BLOCK_KIND_RECORDS = 1;
/** One record whose content lies in chunks; the payload section holds u48 upload id and u32 chunk size. */
export const BLOCK_KIND_LARGE = 2;
export const LARGE_REFERENCE_BYTES = 10;
/**
 * Label updates, for replication: per record its timestamp, all labels after the update as meta, and as payload the
 * names of labels that disappeared (a meta with empty content type and values). The records themselves were rewritten.
 */
export const BLOCK_KIND_UPDATES = 3;
/** Meta index of a record that was removed: its row stays (indexes must not move), its length is 0. */
export const REMOVED_META = 0xffff;

/** A block is sealed when it holds this much payload: small enough to read for one record, large enough to batch. */
export const BLOCK_PAYLOAD_TARGET_BYTES: number = 256 * 1024;
/** And never more records than this. Below 65 536, so that a meta index fits 16 bits. */
export const BLOCK_MAX_RECORDS = 2048;

/** Records above this are stored in chunks of this size while they arrive; smaller ones live inside a block. */
export const CHUNK_BYTES: number = 1024 * 1024;

export const U64_MAX = 0xffff_ffff_ffff_ffffn;
