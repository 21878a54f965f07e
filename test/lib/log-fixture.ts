/** A real log for tests: RocksDB in a temporary folder and the ring, filled without the commit path. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RingReader } from '../../src/ring/reader.ts';
import { RingWriter } from '../../src/ring/writer.ts';
import {
  type BlockRecord,
  blockBytesBound,
  encodeBlock,
  encodeLargeBlock,
  encodeUpdateBlock,
} from '../../src/store/block.ts';
import { encodeMeta } from '../../src/store/record-meta.ts';
import { COLUMN_BLOCKS, COLUMN_INDEX } from '../../src/store/format.ts';
import { blockKey, chunkKey, indexKey } from '../../src/store/keys.ts';
import { openRocks, type RocksDatabase } from '../../src/store/rocks.ts';
import { rewriteBlock } from '../../src/store/block-rewrite.ts';
import { encodeRun, readBlock } from '../../src/store/run-index.ts';

export interface FixtureRecord {
  readonly ts: bigint;
  readonly payload: Buffer;
  /** Flat: name, value, … */
  readonly labels?: readonly string[];
  readonly contentType?: string;
}

export interface FixtureUpdate {
  readonly ts: bigint;
  readonly labels: readonly string[];
  readonly removed?: readonly string[];
}

export interface FixtureOptions {
  readonly ringBytes?: number;
  readonly firstSequence?: number;
}

export class LogFixture {
  readonly db: RocksDatabase;
  readonly ring: RingWriter;
  readonly #folder: string;
  #nextSequence: number;
  #nextUploadId = 1;
  readonly #ordinals: Map<number, number> = new Map();

  private constructor(db: RocksDatabase, folder: string, options: FixtureOptions) {
    this.db = db;
    this.#folder = folder;
    this.#nextSequence = options.firstSequence ?? 1;
    this.ring = new RingWriter(options.ringBytes ?? 8 * 1024 * 1024, this.#nextSequence);
  }

  static async open(options: FixtureOptions = {}): Promise<LogFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-log-'));
    const db = await openRocks(folder, { cacheBytes: 16 << 20 });
    return new LogFixture(db, folder, options);
  }

  /** The database is closed: no worker thread may use it any more. */
  async close(): Promise<void> {
    await this.db.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  reader(): RingReader {
    return new RingReader(this.ring.buffer);
  }

  get headSequence(): number {
    return this.#nextSequence;
  }

  recordsWritten(bucketId: number): number {
    return this.#ordinals.get(bucketId) ?? 0;
  }

  /** One block of records of one entry, ascending in time, and its run. @returns its sequence. */
  append(bucketId: number, entryId: number, records: readonly FixtureRecord[]): number {
    const blockRecords = records.map(toBlockRecord(new Map()));
    const out = Buffer.allocUnsafe(blockBytesBound(blockRecords));
    const identity = this.#identity(bucketId, entryId);
    const bytes = out.subarray(0, encodeBlock(out, identity, blockRecords));
    this.#ordinals.set(bucketId, identity.bucketOrdinal + records.length);
    this.#putRun(entryId, records, false);
    return this.#put(bucketId, bytes);
  }

  /** One large record in chunks. @returns its sequence. */
  appendLarge(
    bucketId: number,
    entryId: number,
    record: FixtureRecord,
    chunkBytes: number,
  ): number {
    const uploadId = this.#nextUploadId++;
    const batch = this.db.batch();
    const { payload } = record;
    for (let at = 0, chunk = 0; at < payload.length; at += chunkBytes, chunk++) {
      const bytes = payload.subarray(at, at + chunkBytes);
      batch.put(COLUMN_BLOCKS, chunkKey(uploadId, chunk), bytes);
    }
    batch.commit(false);
    const [row] = [record].map(toBlockRecord(new Map()));
    if (row === undefined) throw new Error('no record');
    const out = Buffer.allocUnsafe(blockBytesBound([{ ...row, length: 64 }]));
    const identity = this.#identity(bucketId, entryId);
    const length = encodeLargeBlock(out, identity, row, { uploadId, chunkBytes });
    this.#ordinals.set(bucketId, identity.bucketOrdinal + 1);
    this.#putRun(entryId, [record], true);
    return this.#put(bucketId, out.subarray(0, length));
  }

  /** One block of label updates. @returns its sequence. */
  appendUpdates(bucketId: number, entryId: number, updates: readonly FixtureUpdate[]): number {
    const records = updates.map(({ ts, labels, removed }): BlockRecord => {
      const names = (removed ?? []).flatMap((name) => [name, '']);
      const source = encodeMeta('', names);
      const meta = encodeMeta('application/octet-stream', labels);
      return { ts, meta, source, offset: 0, length: source.length };
    });
    const out = Buffer.allocUnsafe(blockBytesBound(records));
    const identity = this.#identity(bucketId, entryId);
    return this.#put(bucketId, out.subarray(0, encodeUpdateBlock(out, identity, records)));
  }

  /** Gives a record other labels: its block is written again, and an update follows in the log. */
  relabel(sequence: number, ts: bigint, labels: readonly string[]): void {
    const view = readBlock(this.db, sequence);
    if (view === undefined) throw new Error(`no block ${sequence}`);
    const index = view.lowerBound(ts, 0, view.recordCount);
    const before = view.metaOf(index);
    const changes = new Map([[index, encodeMeta(before.contentType, labels)]]);
    const batch = this.db.batch();
    batch.put(COLUMN_BLOCKS, blockKey(sequence), rewriteBlock(view, changes));
    batch.commit(false);
    this.ring.invalidate(sequence);
    const names = labels.filter((_, at) => at % 2 === 0);
    const removed = before.labels.filter((name, at) => at % 2 === 0 && !names.includes(name));
    this.appendUpdates(view.bucketId, view.entryId, [{ ts, labels, removed }]);
  }

  /** Removes a block from the store; what is in the ring stays there. */
  removeBlock(sequence: number): void {
    const batch = this.db.batch();
    batch.del(COLUMN_BLOCKS, blockKey(sequence));
    batch.commit(false);
  }

  removeChunk(uploadId: number, chunk: number): void {
    const batch = this.db.batch();
    batch.del(COLUMN_BLOCKS, chunkKey(uploadId, chunk));
    batch.commit(false);
  }

  publish(): void {
    this.ring.publish();
  }

  #identity(bucketId: number, entryId: number) {
    const bucketOrdinal = this.recordsWritten(bucketId);
    return { sequence: this.#nextSequence, bucketId, entryId, bucketOrdinal };
  }

  #put(bucketId: number, bytes: Buffer): number {
    const sequence = this.#nextSequence++;
    const batch = this.db.batch();
    batch.put(COLUMN_BLOCKS, blockKey(sequence), bytes);
    batch.commit(false);
    this.ring.append(sequence, bucketId, bytes);
    return sequence;
  }

  #putRun(entryId: number, records: readonly FixtureRecord[], large: boolean): void {
    const firstTs = records[0]?.ts ?? 0n;
    const lastTs = records.at(-1)?.ts ?? 0n;
    const sequence = this.#nextSequence;
    const count = records.length;
    const run = {
      firstTs,
      lastTs,
      sequence,
      startIndex: 0,
      count,
      large,
      whole: true,
      sizeBytes: 0,
    };
    const batch = this.db.batch();
    batch.put(COLUMN_INDEX, indexKey(entryId, firstTs), encodeRun(run));
    batch.commit(false);
  }
}

function toBlockRecord(known: Map<string, Buffer>): (record: FixtureRecord) => BlockRecord {
  return ({ ts, payload, labels, contentType }) => {
    const type = contentType ?? 'application/octet-stream';
    const key = JSON.stringify([type, labels ?? []]);
    const meta = known.get(key) ?? encodeMeta(type, labels ?? []);
    known.set(key, meta);
    return { ts, meta, source: payload, offset: 0, length: payload.length };
  };
}
