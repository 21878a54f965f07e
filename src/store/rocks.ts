/**
 * The only module that knows `@nxtedition/rocksdb` (12.2.12, RocksDB 9.7.4), which has no type declarations and
 * underscored methods. Everything here is synchronous unless it returns a promise.
 *
 * Lifetime (tried by crashing it): `close()` in a worker closes the database under every thread, so workers never
 * close; the main thread stops all workers before it closes.
 */
import { createRequire } from 'node:module';
import { NativeModuleError, StorageFullError, StoreLockedError } from '../errors/errors.ts';
import { COLUMN_BLOCKS, COLUMN_INDEX, COLUMN_META, COLUMNS } from './format.ts';

/** Opaque column family handle of the binding. */
type ColumnHandle = object;

interface RawBatch {
  _put(key: Uint8Array, value: Uint8Array, options: { column: ColumnHandle }): void;
  _del(key: Uint8Array, options: { column: ColumnHandle }): void;
  _writeSync(options: { sync: boolean }): void;
  _clear(): void;
  _closeSync(): void;
}

interface RawIterator {
  _nextvSync(size: number, options: object): { rows: Buffer[]; finished: boolean };
  _seekSync(target: Uint8Array): void;
  _closeSync(): void;
}

interface RawDb {
  readonly handle: bigint;
  readonly columns: Record<string, ColumnHandle>;
  open(options: object): Promise<void>;
  close(): Promise<void>;
  clear(options: object): Promise<void>;
  getProperty(name: string): string;
  _chainedBatch(): RawBatch;
  _getManySync(keys: readonly Uint8Array[], options: object): (Buffer | undefined)[];
  _getMany(
    keys: readonly Uint8Array[],
    options: object,
    callback: (error: Error | null, values: (Buffer | undefined)[]) => void,
  ): void;
  _iterator(options: object): RawIterator;
  /** Every iterator attaches itself when it is made. */
  detachResource(resource: RawIterator): void;
}

type RawConstructor = new (locationOrHandle: string | bigint) => RawDb;

export type ColumnName = typeof COLUMN_META | typeof COLUMN_INDEX | typeof COLUMN_BLOCKS;

export interface RangeOptions {
  readonly gte?: Uint8Array;
  readonly gt?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
  /** Return undefined instead of values (they are not copied). */
  readonly keysOnly?: boolean;
  /** A page ends when this many bytes were read. Default: 16 MiB. */
  readonly pageBytes?: number;
}

/** Rows of a page: key at even, value at odd positions. */
export interface Page {
  readonly rows: Buffer[];
  readonly finished: boolean;
}

/** A range iterator. `close()` it, always: it pins files. */
export interface RangeIterator {
  next(maxRows: number): Page;
  close(): void;
}

/** One atomic write over all column families. Reusable after `commit` or `clear`. */
export interface WriteBatch {
  put(column: ColumnName, key: Uint8Array, value: Uint8Array): void;
  del(column: ColumnName, key: Uint8Array): void;
  /** Writes all or nothing. @throws StorageFullError when the disk is full, Error otherwise. */
  commit(sync: boolean): void;
  clear(): void;
}

/** Read side of the database; the same database may be open for reading in any number of threads. */
export interface RocksReader {
  get(column: ColumnName, key: Uint8Array): Buffer | undefined;
  getMany(column: ColumnName, keys: readonly Uint8Array[]): (Buffer | undefined)[];
  /** Like `get`, on the thread pool: for reads that may touch the disk and must not hold this thread. */
  getAsync(column: ColumnName, key: Uint8Array): Promise<Buffer | undefined>;
  iterate(column: ColumnName, range: RangeOptions): RangeIterator;
}

/** The database as its one writer (the main thread) has it. */
export interface RocksDatabase extends RocksReader {
  /** Number to hand to other threads, see `attachRocks`. */
  readonly handle: bigint;
  batch(): WriteBatch;
  /** One range tombstone; space comes back with later compactions. */
  clearRange(column: ColumnName, gte: Uint8Array, lt: Uint8Array): Promise<void>;
  property(name: string): string;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Block cache for reads, in bytes. */
  readonly cacheBytes: number;
}

/**
 * Memory for tables not yet flushed. Blocks keep the library's own (two of 64 MiB): only its default compaction moves
 * files of ascending keys without rewriting them (1.5 GiB in 20 KiB blocks: 2.0 bytes written per byte stored and 7 µs of
 * CPU per 4 KiB, against 3.4 and 19 µs with its universal style, and 2.7 and 11 µs with its level style).
 *
 * The write-ahead log lives until the slowest of the families has flushed, and all of it is read again at the next start
 * after a crash; so the families of small rows get small tables, and the unused default family the smallest.
 */
const INDEX_MEMTABLE_BYTES = 8 << 20;
const META_MEMTABLE_BYTES = 4 << 20;
const UNUSED_MEMTABLE_BYTES = 1 << 20;

const DEFAULT_PAGE_BYTES = 16 * 1024 * 1024;

function loadBinding(): RawConstructor {
  const require = createRequire(import.meta.url);
  try {
    const module: unknown = require('@nxtedition/rocksdb');
    // The binding is a CommonJS module with this one export; it has no declarations to check against.
    return (module as { RocksLevel: RawConstructor }).RocksLevel;
  } catch (cause) {
    throw new NativeModuleError('The RocksDB binding does not load on this machine', {
      cause,
      hint: 'It is prebuilt for linux-x64 (glibc 2.27 or later) and macOS arm64 with Node.js 20 to 24.',
    });
  }
}

function columnOptions({ cacheBytes }: OpenOptions): Record<string, object> {
  const small = (memtableMemoryBudget: number, cacheSize: number): object => ({
    compression: false,
    compaction: 'level',
    memtableMemoryBudget,
    cacheSize,
  });
  return {
    default: small(UNUSED_MEMTABLE_BYTES, 0),
    [COLUMN_META]: small(META_MEMTABLE_BYTES, Math.floor(cacheBytes * 0.1)),
    [COLUMN_INDEX]: small(INDEX_MEMTABLE_BYTES, Math.floor(cacheBytes * 0.4)),
    [COLUMN_BLOCKS]: { compression: false, cacheSize: Math.floor(cacheBytes * 0.5) },
  };
}

/**
 * Opens (or creates) the database as its one writer.
 * @throws StoreLockedError when another process holds the folder; NativeModuleError when the binding is missing.
 */
export async function openRocks(path: string, options: OpenOptions): Promise<RocksDatabase> {
  const RocksLevel = loadBinding();
  const db = new RocksLevel(path);
  try {
    await db.open({
      createIfMissing: true,
      walCompression: false,
      compression: false,
      columns: columnOptions(options),
    });
  } catch (error) {
    throw describeOpenError(path, error);
  }
  return new Rocks(db);
}

/**
 * Opens the same database in another thread of this process, for reading. Never close it there.
 * @param handle `RocksDatabase.handle` of the thread that opened it.
 */
export async function attachRocks(handle: bigint): Promise<RocksReader> {
  const RocksLevel = loadBinding();
  const db = new RocksLevel(handle);
  await db.open({ columns: Object.fromEntries(COLUMNS.map((name) => [name, {}])) });
  return new Rocks(db);
}

function describeOpenError(path: string, error: unknown): Error {
  const text = deepMessage(error);
  if (/lock/i.test(text)) {
    return new StoreLockedError(`The data folder ${path} is in use by another process`, {
      cause: error,
      hint: 'Stop the other instance, or give this one its own folder with RS_DATA_PATH.',
    });
  }
  if (/no space left/i.test(text)) {
    return new StorageFullError(`The data folder ${path} cannot be opened: the disk is full`, {
      cause: error,
      hint: 'Free space on that file system and start again.',
    });
  }
  return new Error(`The data folder ${path} cannot be opened: ${text}`, { cause: error });
}

function deepMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined
    ? error.message
    : `${error.message}: ${deepMessage(error.cause)}`;
}

class Rocks implements RocksDatabase {
  readonly #db: RawDb;
  readonly #columns: Record<ColumnName, { column: ColumnHandle }>;
  readonly #getOptions: Record<ColumnName, object>;

  constructor(db: RawDb) {
    this.#db = db;
    const handleOf = (name: ColumnName): { column: ColumnHandle } => {
      const column = db.columns[name];
      if (column === undefined) throw new Error(`BUG: column family ${name} is not open`);
      return { column };
    };
    this.#columns = {
      [COLUMN_META]: handleOf(COLUMN_META),
      [COLUMN_INDEX]: handleOf(COLUMN_INDEX),
      [COLUMN_BLOCKS]: handleOf(COLUMN_BLOCKS),
    };
    const get = (name: ColumnName): object => ({ ...this.#columns[name], valueEncoding: 'buffer' });
    this.#getOptions = {
      [COLUMN_META]: get(COLUMN_META),
      [COLUMN_INDEX]: get(COLUMN_INDEX),
      [COLUMN_BLOCKS]: get(COLUMN_BLOCKS),
    };
  }

  get handle(): bigint {
    return this.#db.handle;
  }

  get(column: ColumnName, key: Uint8Array): Buffer | undefined {
    return this.#db._getManySync([key], this.#getOptions[column])[0];
  }

  getMany(column: ColumnName, keys: readonly Uint8Array[]): (Buffer | undefined)[] {
    return this.#db._getManySync(keys, this.#getOptions[column]);
  }

  getAsync(column: ColumnName, key: Uint8Array): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      this.#db._getMany([key], this.#getOptions[column], (error, values) => {
        if (error) reject(error);
        else resolve(values[0]);
      });
    });
  }

  iterate(column: ColumnName, range: RangeOptions): RangeIterator {
    const { keysOnly, pageBytes, ...bounds } = range;
    const iterator = this.#db._iterator({
      ...bounds,
      ...this.#columns[column],
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      values: keysOnly !== true,
      highWaterMarkBytes: pageBytes ?? DEFAULT_PAGE_BYTES,
    });
    return {
      next: (maxRows) => iterator._nextvSync(maxRows, {}),
      close: () => {
        iterator._closeSync();
        // Only the asynchronous close does that by itself; without it the database would keep every iterator.
        this.#db.detachResource(iterator);
      },
    };
  }

  batch(): WriteBatch {
    const raw = this.#db._chainedBatch();
    const columns = this.#columns;
    return {
      put: (column, key, value) => raw._put(key, value, columns[column]),
      del: (column, key) => raw._del(key, columns[column]),
      commit: (sync) => {
        try {
          raw._writeSync({ sync });
        } catch (error) {
          throw describeWriteError(error);
        } finally {
          raw._clear();
        }
      },
      clear: () => raw._clear(),
    };
  }

  clearRange(column: ColumnName, gte: Uint8Array, lt: Uint8Array): Promise<void> {
    return this.#db.clear({ gte, lt, ...this.#columns[column], keyEncoding: 'buffer' });
  }

  property(name: string): string {
    return this.#db.getProperty(name);
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

function describeWriteError(error: unknown): Error {
  const text = deepMessage(error);
  if (/no space left|quota exceeded/i.test(text)) {
    return new StorageFullError(`The disk of the data folder is full: ${text}`, {
      cause: error,
      hint: 'Free space on that file system; writing goes on by itself.',
    });
  }
  return error instanceof Error ? error : new Error(text);
}
