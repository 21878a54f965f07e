/** Reads of single records by timestamp (http-api-records §2.1), on the main thread: one index row and one block. */
import type { Entry } from '../catalog/model.ts';
import { ApiError } from '../errors/errors.ts';
import { COLUMN_BLOCKS } from '../store/format.ts';
import { chunkKey } from '../store/keys.ts';
import type { RocksReader } from '../store/rocks.ts';
import { readBlock, runAtOrBefore } from '../store/run-index.ts';
import type { RecordData, RecordReader } from './types.ts';

export class StoredRecordReader implements RecordReader {
  readonly #reader: RocksReader;

  constructor(reader: RocksReader) {
    this.#reader = reader;
  }

  read(entry: Entry, ts: bigint | undefined): RecordData {
    const { stats } = entry;
    const wantedTs = ts ?? (stats.recordCount === 0 ? 0n : stats.latestTs);
    const found = stats.recordCount === 0 ? undefined : this.#find(entry, wantedTs);
    if (found !== undefined) return found;
    const path = `${entry.bucket.name}/${entry.name}`;
    throw new ApiError(404, `Record ${wantedTs} not found in entry ${path}`);
  }

  readChunk(uploadId: number, chunk: number): Promise<Buffer | undefined> {
    return this.#reader.getAsync(COLUMN_BLOCKS, chunkKey(uploadId, chunk));
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
