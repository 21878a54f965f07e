/**
 * The sequencer: everything that arrived in one turn of the event loop becomes one atomic write of the store, one fsync
 * in `fsync` mode, and is acknowledged after it. Main thread only, the one writer of the store.
 *
 * Crash points: nothing is visible, published or acknowledged before `WriteBatch.commit` returned, and everything a
 * commit makes true (records, index, figures, new entries) is in that one batch. Dying before it leaves nothing; dying
 * after it leaves a record whose writer was not told, which a repeated write meets as 409.
 */
import type { Entry } from '../catalog/model.ts';
import { encodeExtent, encodeStats } from '../catalog/rows.ts';
import { BugError, MillraceError, UnavailableError, ApiError } from '../errors/errors.ts';
import { CHUNK_BYTES, COLUMN_BLOCKS, COLUMN_INDEX, COLUMN_META, META } from '../store/format.ts';
import { blockKey, indexKey, metaKey, metaKey64 } from '../store/keys.ts';
import type { Labels } from '../store/labels.ts';
import type { RocksDatabase, WriteBatch } from '../store/rocks.ts';
import { encodeRun } from '../store/run-index.ts';
import type { Plan } from './apply.ts';
import { apply } from './apply.ts';
import { BlockArena } from './block-arena.ts';
import { parentEntryNames } from '../wire/names.ts';
import { encodeEntryRows } from './entry-rows.ts';
import { RunTail, StoredEntryView } from './entry-view.ts';
import type { EntryGroup, RowChange, StagedRecord } from './staging.ts';
import { CommitGroup, MetaMemory } from './staging.ts';
import type { CommitStats } from './commit-stats.ts';
import { newCommitStats, observeCommit } from './commit-stats.ts';
import type { Ingest, Upload, WriteSink } from './types.ts';
import { ChunkedUpload } from './upload.ts';

/** Payload bytes a group may hold before it is flushed without waiting for the end of the turn. */
export const GROUP_MAX_BYTES: number = 8 * 1024 * 1024;

/** Told after every commit, before the writers are acknowledged. */
export interface CommitListener {
  /** @param buckets ids of the buckets that received records. */
  onCommitted(headSequence: number, buckets: ReadonlySet<number>): void;
}

/** Where committed blocks go besides the store. */
export interface BlockPublisher {
  append(sequence: number, bucketId: number, bytes: Uint8Array): void;
  publish(): void;
}

export interface GroupCommitOptions {
  readonly db: RocksDatabase;
  readonly publisher: BlockPublisher;
  /** fsync every group before it is acknowledged. */
  readonly sync: boolean;
  readonly nextSequence: number;
  readonly nextUploadId: number;
  /** Bytes that may still be written to the data folder's file system; undefined while unknown. */
  readonly freeBytes: () => number | undefined;
}

/** Gives the catalogue's own entry for one that a request resolved earlier, see `Catalog.attach`. */
export type AttachEntry = (entry: Entry) => Entry;

/** What one entry's share of a group will change, once the write succeeded. */
interface PlannedEntry {
  readonly group: EntryGroup;
  readonly plan: Plan;
  readonly firstBlock: number;
}

export class GroupCommit implements Ingest {
  readonly stats: CommitStats = newCommitStats();
  readonly #options: GroupCommitOptions;
  readonly #batch: WriteBatch;
  readonly #arena: BlockArena = new BlockArena();
  readonly #metas: MetaMemory = new MetaMemory();
  readonly #tails: WeakMap<Entry, RunTail> = new WeakMap();
  readonly #listeners: CommitListener[] = [];
  /** Payloads of the current group, copied out of the sockets' buffers. */
  readonly #payloads: Buffer = Buffer.allocUnsafeSlow(GROUP_MAX_BYTES);
  #payloadsUsed = 0;
  #group: CommitGroup = new CommitGroup();
  #isScheduled = false;
  #isClosed = false;
  #attach: AttachEntry = (entry) => entry;
  #nextSequence: number;
  #nextUploadId: number;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#batch = options.db.batch();
    this.#nextSequence = options.nextSequence;
    this.#nextUploadId = options.nextUploadId;
  }

  /** Sequence the next block will get: the head of the log. */
  get headSequence(): number {
    return this.#nextSequence;
  }

  /** Set once at start: the catalogue needs the commit path, and this is its way back. */
  setAttach(attach: AttachEntry): void {
    this.#attach = attach;
  }

  addListener(listener: CommitListener): void {
    this.#listeners.push(listener);
  }

  stage(
    target: Entry,
    ts: bigint,
    contentType: string,
    labels: Labels,
    payload: Uint8Array,
    sink: WriteSink,
    tag: number,
  ): void {
    const { length } = payload;
    if (length > CHUNK_BYTES) throw new BugError(`staged ${length} bytes, limit ${CHUNK_BYTES}`);
    if (this.#payloadsUsed + length > GROUP_MAX_BYTES) this.flush();
    const entry = this.#attach(target);
    const meta = this.#metas.of(entry, contentType, labels);
    const offset = this.#payloadsUsed;
    this.#payloads.set(payload, offset);
    this.#payloadsUsed += length;
    this.#add(entry, {
      ts,
      length,
      large: false,
      meta: meta.bytes,
      metaWireBytes: meta.wireBytes,
      source: this.#payloads,
      offset,
      upload: undefined,
      sink,
      tag,
    });
  }

  openUpload(): Upload {
    return new ChunkedUpload(this.#nextUploadId++, (rows, done) => this.stageRows(rows, done));
  }

  stageUpload(
    target: Entry,
    ts: bigint,
    contentType: string,
    labels: Labels,
    upload: Upload,
    sink: WriteSink,
    tag: number,
  ): void {
    const entry = this.#attach(target);
    const meta = this.#metas.of(entry, contentType, labels);
    this.#add(entry, {
      ts,
      length: upload.lengthBytes,
      large: true,
      meta: meta.bytes,
      metaWireBytes: meta.wireBytes,
      source: this.#payloads,
      offset: 0,
      upload: { id: upload.id, chunkBytes: CHUNK_BYTES },
      sink: {
        onWritten: (at, error) => {
          if (error !== null) upload.abort();
          sink.onWritten(at, error);
        },
      },
      tag,
    });
  }

  /**
   * Puts rows into the current group: catalogue changes, cursors, chunks.
   * @param done called once, after the commit or its failure.
   */
  stageRows(rows: readonly RowChange[], done: (error: MillraceError | null) => void): void {
    if (this.#isClosed) {
      done(new UnavailableError('The server is shutting down'));
      return;
    }
    this.#group.rows.push({ rows, done });
    for (const row of rows) this.#group.payloadBytes += row.value?.length ?? 0;
    if (this.#group.payloadBytes > GROUP_MAX_BYTES * 2) this.flush();
    else this.#schedule();
  }

  /** Like `stageRows`, as a promise. */
  commitRows(rows: readonly RowChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stageRows(rows, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Flushes and refuses everything that comes later with 503. */
  close(): void {
    this.flush();
    this.#isClosed = true;
  }

  /** Writes the current group now. Never throws: failures go to the sinks. */
  flush(): void {
    this.#isScheduled = false;
    const group = this.#group;
    if (group.isEmpty) return;
    this.#group = new CommitGroup();
    this.#payloadsUsed = 0;
    const startMs = performance.now();
    let planned: PlannedEntry[];
    try {
      this.#checkSpace(group);
      planned = this.#plan(group);
      this.#fill(group, planned);
      this.#batch.commit(this.#options.sync);
    } catch (error) {
      this.#batch.clear();
      this.#fail(group, error);
      return;
    }
    this.#makeVisible(group, planned);
    observeCommit(this.stats, group, performance.now() - startMs);
    this.#acknowledge(group, planned);
  }

  #add(entry: Entry, record: StagedRecord): void {
    if (this.#isClosed) {
      record.sink.onWritten(record.tag, new UnavailableError('The server is shutting down'));
      return;
    }
    this.#group.add(entry, record);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.flush());
  }

  /** Contract http-api §4.4: free disk space below the content is 507, before anything is written. */
  #checkSpace(group: CommitGroup): void {
    const free = this.#options.freeBytes();
    if (free === undefined || group.payloadBytes <= free) return;
    throw new ApiError(
      507,
      `Not enough free disk space in the data folder to write a record of ${group.payloadBytes} bytes: only ${free} bytes available`,
      { hint: 'Free space on the file system of RS_DATA_PATH; writing goes on by itself.' },
    );
  }

  #plan(group: CommitGroup): PlannedEntry[] {
    const planned: PlannedEntry[] = [];
    let sequence = this.#nextSequence;
    for (const entryGroup of group.entries.values()) {
      const { entry } = entryGroup;
      if (refusal(entry) !== null) continue;
      const view = new StoredEntryView(this.#options.db, entry, this.#tailOf(entry));
      const { max_block_size: maxBytes, max_block_records: maxRecords } = entry.bucket.settings;
      const plan = apply(view, entryGroup.records, sequence, { maxBytes, maxRecords });
      planned.push({ group: entryGroup, plan, firstBlock: sequence });
      sequence += plan.blocks.length;
    }
    return planned;
  }

  #fill(group: CommitGroup, planned: readonly PlannedEntry[]): void {
    const batch = this.#batch;
    this.#arena.begin(group.payloadBytes);
    for (const { rows } of group.rows) {
      for (const { column, key, value } of rows) {
        if (value === null) batch.del(column, key);
        else batch.put(column, key, value);
      }
    }
    const ordinals = new Map<number, number>();
    for (const { group: entryGroup, plan, firstBlock } of planned) {
      if (plan.acceptedCount === 0) continue;
      const { entry } = entryGroup;
      const { bucket } = entry;
      let ordinal = ordinals.get(bucket.id) ?? bucket.recordsWritten;
      for (const [at, block] of plan.blocks.entries()) {
        const records = block.records.flatMap((index) => entryGroup.records[index] ?? []);
        const identity = {
          sequence: firstBlock + at,
          bucketId: bucket.id,
          entryId: entry.id,
          bucketOrdinal: ordinal,
        };
        batch.put(
          COLUMN_BLOCKS,
          blockKey(identity.sequence),
          this.#arena.encode(identity, records),
        );
        ordinal += records.length;
      }
      ordinals.set(bucket.id, ordinal);
      plan.stats.bucketOrdinal = ordinal;
      this.#fillEntryRows(entryGroup, plan);
    }
  }

  #fillEntryRows({ entry, records }: EntryGroup, plan: Plan): void {
    const batch = this.#batch;
    for (const { run } of plan.runs) {
      batch.put(COLUMN_INDEX, indexKey(entry.id, run.firstTs), encodeRun(run));
    }
    for (const extent of plan.extents) {
      const key = metaKey64(META.extent, entry.id, extent.startTs);
      batch.put(COLUMN_META, key, encodeExtent(extent));
    }
    batch.put(COLUMN_META, metaKey(META.entryStats, entry.id), encodeStats(plan.stats));
    if (!entry.isDurable) {
      for (const row of encodeEntryRows(entry)) batch.put(row.column, row.key, row.value);
    }
    for (const [index, { upload }] of records.entries()) {
      // From this commit on the chunks belong to the record; the marker would have them removed at the next start.
      if (upload !== undefined && plan.accepted[index] === 1) {
        batch.del(COLUMN_META, ChunkedUpload.markerKey(upload.id));
      }
    }
  }

  /** After the write: memory, ring and listeners learn what is true now. */
  #makeVisible(group: CommitGroup, planned: readonly PlannedEntry[]): void {
    const buckets = new Set<number>();
    for (const { group: entryGroup, plan } of planned) {
      if (plan.acceptedCount === 0) continue;
      const { entry } = entryGroup;
      const { latestTs, recordCount } = entry.stats;
      this.#tailOf(entry).merge(plan.runs, latestTs, recordCount === 0);
      entry.stats = plan.stats;
      entry.bucket.recordsWritten = Math.max(entry.bucket.recordsWritten, plan.stats.bucketOrdinal);
      markDurable(entry);
      buckets.add(entry.bucket.id);
      this.stats.recordsStored += plan.acceptedCount;
      this.#nextSequence += plan.blocks.length;
    }
    if (buckets.size > 0) {
      const { publisher } = this.#options;
      this.#arena.forEachBlock((sequence, bucketId, bytes) => {
        publisher.append(sequence, bucketId, bytes);
      });
      publisher.publish();
      for (const listener of this.#listeners) listener.onCommitted(this.#nextSequence, buckets);
    }
    for (const { done } of group.rows) done(null);
  }

  #acknowledge(group: CommitGroup, planned: readonly PlannedEntry[]): void {
    for (const { group: entryGroup, plan } of planned) {
      for (const [index, record] of entryGroup.records.entries()) {
        const isAccepted = plan.accepted[index] === 1;
        record.sink.onWritten(record.tag, isAccepted ? null : alreadyExists(record.ts));
        if (!isAccepted) this.stats.recordsRefused++;
      }
    }
    if (planned.length === group.entries.size) return;
    for (const { entry, records } of group.entries.values()) {
      const error = refusal(entry);
      if (error === null) continue;
      for (const record of records) record.sink.onWritten(record.tag, error);
    }
  }

  #fail(group: CommitGroup, cause: unknown): void {
    const error =
      cause instanceof MillraceError
        ? cause
        : new UnavailableError('The record could not be stored', { cause });
    this.stats.commitFailures++;
    this.stats.lastFailure = cause instanceof Error ? cause.message : String(cause);
    for (const { records } of group.entries.values()) {
      for (const record of records) record.sink.onWritten(record.tag, error);
    }
    for (const { done } of group.rows) done(error);
  }

  #tailOf(entry: Entry): RunTail {
    let tail = this.#tails.get(entry);
    if (tail === undefined) {
      tail = new RunTail();
      this.#tails.set(entry, tail);
    }
    return tail;
  }
}

/** Why records staged for this entry must not be written any more, or null. */
function refusal({ bucket, name, status }: Entry): ApiError | null {
  if (bucket.status === 'DELETING') {
    return new ApiError(409, `Bucket '${bucket.name}' is being deleted`);
  }
  if (status === 'DELETING') {
    return new ApiError(409, `Entry '${name}' in bucket '${bucket.name}' is being deleted`);
  }
  return null;
}

function alreadyExists(ts: bigint): ApiError {
  return new ApiError(409, `A record with timestamp ${ts} already exists`);
}

/** The entry and the parents that its row set created are readable from now on. */
function markDurable(entry: Entry): void {
  if (entry.isDurable) return;
  entry.isDurable = true;
  for (const parent of parentEntryNames(entry.name)) {
    const found = entry.bucket.entries.get(parent);
    if (found !== undefined) found.isDurable = true;
  }
}
