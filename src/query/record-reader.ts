/**
 * Reads of single records by timestamp (http-api-records §2.1), on the main thread: one index row and one block. The
 * latest records of the entries read last are kept, because dashboards and alarms ask for them again and again.
 */
import type { Entry, EntryStats } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';
import { COLUMN_BLOCKS } from '../store/format.ts';
import { chunkKey } from '../store/keys.ts';
import type { RocksReader } from '../store/rocks.ts';
import { readBlock, runAtOrBefore } from '../store/run-index.ts';
import { ByteLru } from './byte-lru.ts';
import type { RecordData, RecordReader } from './types.ts';

/** Bound for kept records, and for one of them. */
const LATEST_BYTES = 16 * 1024 * 1024;
const MAX_KEPT_BYTES = 64 * 1024;
/** What a kept record costs besides its content and labels. */
const KEPT_OVERHEAD_BYTES = 512;

interface Latest {
  /** Of the entry when the record was read: the same object means that nothing has changed since. */
  readonly stats: EntryStats;
  readonly record: RecordData;
}

export class StoredRecordReader implements RecordReader {
  readonly #reader: RocksReader;
  /** By entry id. */
  readonly #latest: ByteLru<number, Latest> = new ByteLru(LATEST_BYTES);

  constructor(reader: RocksReader) {
    this.#reader = reader;
  }

  read(entry: Entry, ts: bigint | undefined): RecordData {
    const { stats } = entry;
    const wantedTs = ts ?? (stats.recordCount === 0 ? 0n : stats.latestTs);
    const found = stats.recordCount === 0 ? undefined : this.#read(entry, wantedTs);
    if (found !== undefined) return found;
    const path = `${entry.bucket.name}/${entry.name}`;
    throw new ApiError(404, `Record ${wantedTs} not found in entry ${path}`);
  }

  readChunk(uploadId: number, chunk: number): Promise<Buffer | undefined> {
    return this.#reader.getAsync(COLUMN_BLOCKS, chunkKey(uploadId, chunk));
  }

  #read(entry: Entry, ts: bigint): RecordData | undefined {
    const { stats } = entry;
    if (ts !== stats.latestTs) return this.#find(entry, ts);
    const latest = this.#latest.get(entry.id);
    if (latest?.stats === stats && latest.record.entryName === entry.name) return latest.record;
    const record = this.#find(entry, ts);
    if (record !== undefined) this.#keep(entry, record);
    return record;
  }

  #keep(entry: Entry, record: RecordData): void {
    const { payload } = record;
    let bytes = KEPT_OVERHEAD_BYTES + (payload?.length ?? 0);
    for (const text of record.labels) bytes += 2 * text.length;
    if (bytes > MAX_KEPT_BYTES) return;
    // A copy: the content as it was read keeps its whole block alive.
    const kept = payload === undefined ? record : { ...record, payload: Uint8Array.from(payload) };
    const latest = { stats: entry.stats, record: kept };
    this.#latest.set(entry.id, latest, bytes);
  }

  #find(entry: Entry, ts: bigint): RecordData | undefined {
    const run = runAtOrBefore(this.#reader, entry.id, ts);
    if (run === undefined || run.lastTs < ts) return undefined;
    const block = readBlock(this.#reader, run.sequence);
    if (block === undefined) return undefined;
    const end = run.startIndex + run.count;
    const index = block.lowerBound(ts, run.startIndex, end);
    if (index >= end || block.ts(index) !== ts || block.isRemoved(index)) return undefined;
    const { contentType, labels } = block.metaOf(index);
    const large = block.large();
    return {
      entryName: entry.name,
      ts,
      contentType,
      labels,
      lengthBytes: block.length(index),
      payload: large === undefined ? block.payload(index) : undefined,
      large,
    };
  }
}
