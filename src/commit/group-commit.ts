/**
 * The sequencer: everything that arrived in one turn of the event loop becomes one atomic write of the store, one fsync
 * in `fsync` mode, and is acknowledged after it. Main thread only, the one writer of the store.
 *
 * Crash points: nothing is visible, published or acknowledged before `WriteBatch.commit` returned, and everything a
 * commit makes true (records, index, figures, new entries) is in that one batch. Dying before it leaves nothing; dying
 * after it leaves a record whose writer was not told, which a repeated write meets as 409.
 */
import type { Entry } from '../catalog/model.ts';
import type { RemovedRows } from '../catalog/removal-causes.ts';
import { crashPoint } from '../crash/crash-points.ts';
import { BugError, UnavailableError } from '../errors/errors.ts';
import type { MillraceError } from '../errors/errors.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import type { Labels } from '../store/labels.ts';
import type { WriteBatch } from '../store/rocks.ts';
import type { CommitStats } from './commit-stats.ts';
import { newCommitStats } from './commit-stats.ts';
import type { StagedMutation } from './mutation-flush.ts';
import { flushMutations } from './mutation-flush.ts';
import type { IsUnread, MutationSession } from './mutations.ts';
import { admitByQuota, admitByStorage, refusalAhead } from './quota.ts';
import { diskRefusal, RecordFlush } from './record-flush.ts';
import type { RowChange, StagedRecord } from './staging.ts';
import { CommitGroup, MetaMemory } from './staging.ts';
import type { CommitListener, GroupCommitOptions, Ingest, Upload, WriteSink } from './types.ts';
import { ChunkedUpload } from './upload.ts';

/** Payload bytes a group may hold before it is flushed without waiting for the end of the turn. */
export const GROUP_MAX_BYTES: number = 8 * 1024 * 1024;

/** Gives the catalogue's own entry for one that a request resolved earlier, see `Catalog.attach`. */
export type AttachEntry = (entry: Entry) => Entry;

export class GroupCommit implements Ingest {
  readonly stats: CommitStats = newCommitStats();
  readonly #options: GroupCommitOptions;
  readonly #batch: WriteBatch;
  readonly #records: RecordFlush;
  readonly #metas: MetaMemory = new MetaMemory();
  readonly #listeners: CommitListener[] = [];
  /** Payloads of the current group, copied out of the sockets' buffers. */
  readonly #payloads: Buffer = Buffer.allocUnsafeSlow(GROUP_MAX_BYTES);
  #payloadsUsed = 0;
  #group: CommitGroup = new CommitGroup();
  #isScheduled = false;
  /** What everything is refused with; undefined while it is open. */
  #refusal: MillraceError | undefined;
  #attach: AttachEntry = (entry) => entry;
  #nextSequence: number;
  #nextUploadId: number;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#batch = options.db.batch();
    this.#records = new RecordFlush(options, this.#batch, this.stats);
    this.#refusal = options.refusal;
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
    path = '',
  ): void {
    const { length } = payload;
    if (length > CHUNK_BYTES) throw new BugError(`staged ${length} bytes, limit ${CHUNK_BYTES}`);
    if (this.#payloadsUsed + length > GROUP_MAX_BYTES) this.flush();
    const entry = this.#attach(target);
    const meta = this.#metas.of(entry, contentType, labels, path);
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

  uploadRefusal({ bucket }: Entry, lengthBytes: number): MillraceError | undefined {
    if (this.#refusal !== undefined) return this.#refusal;
    const { space, storageLimit } = this.#options;
    return refusalAhead(bucket, lengthBytes, storageLimit) ?? diskRefusal(space, lengthBytes);
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
    path = '',
  ): void {
    const entry = this.#attach(target);
    const meta = this.#metas.of(entry, contentType, labels, path);
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
    if (this.#refusal !== undefined) {
      done(this.#refusal);
      return;
    }
    this.#group.addRows({ rows, done });
    if (this.#group.payloadBytes > GROUP_MAX_BYTES * 2) this.flush();
    else this.#schedule();
  }

  /**
   * Changes existing records in the current group, after the records staged in the same turn.
   * @param run looks and changes, on this thread, at the time of the flush; throws to refuse, before any change.
   * Resolves when the change is durable. Rejects with what `run` threw.
   */
  mutate(run: (session: MutationSession) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#refusal !== undefined) {
        reject(this.#refusal);
        return;
      }
      const done = (error: MillraceError | null): void =>
        error === null ? resolve() : reject(error);
      this.#group.mutations.push({ run, done });
      this.#schedule();
    });
  }

  /** Like `stageRows`, as a promise. */
  commitRows(rows: readonly RowChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stageRows(rows, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /**
   * Commits what is staged, and then these rows, before it returns: for changes between which nothing may come.
   * @throws MillraceError when the rows could not be stored.
   */
  commitNow(rows: readonly RowChange[]): void {
    const outcome: { error: MillraceError | null } = { error: null };
    this.flush();
    this.stageRows(rows, (error) => {
      outcome.error = error;
    });
    this.flush();
    if (outcome.error !== null) throw outcome.error;
  }

  /** Flushes and refuses everything that comes later with 503. */
  close(): void {
    this.flush();
    this.#refusal = new UnavailableError('The server is shutting down');
  }

  /** Writes the current group now. Never throws: failures go to the sinks. */
  flush(): void {
    this.#isScheduled = false;
    const group = this.#group;
    if (group.isEmpty) return;
    this.#group = new CommitGroup();
    this.#payloadsUsed = 0;
    if (group.recordCount > 0 || group.rows.length > 0) this.#flushRecords(group);
    if (group.mutations.length > 0) this.#flushMutations(group.mutations);
  }

  #flushRecords(group: CommitGroup): void {
    const beyondStorage = admitByStorage(group, this.#options.storageLimit);
    if (beyondStorage.size > 0) group.drop(beyondStorage);
    const beyondQuota = admitByQuota(group, (run) => this.#evict(run));
    if (beyondQuota.size > 0) group.drop(beyondQuota);
    const outcome = this.#records.flush(group, this.#nextSequence);
    for (const refusals of [beyondStorage, beyondQuota]) {
      for (const [record, error] of refusals) record.sink.onWritten(record.tag, error);
    }
    if (outcome === undefined) return;
    const { buckets, nextSequence, acknowledge } = outcome;
    this.#nextSequence = nextSequence;
    if (buckets.size > 0) this.#tellListeners(buckets);
    crashPoint('commit-published');
    acknowledge();
    crashPoint('commit-acknowledged');
  }

  #tellListeners(buckets: ReadonlySet<number>): void {
    for (const listener of this.#listeners) listener.onCommitted(this.#nextSequence, buckets);
  }

  /** For removals that are committed as mere rows, too. */
  tellRemoved(rows: readonly RemovedRows[]): void {
    if (rows.length === 0) return;
    for (const listener of this.#listeners) listener.onRemoved?.(rows);
  }

  #evict(run: (session: MutationSession) => void): boolean {
    let isDone = false;
    const done = (error: MillraceError | null): void => {
      isDone = error === null;
    };
    const forQuota = (session: MutationSession): void => {
      session.cause = 'quota';
      run(session);
    };
    this.#flushMutations([{ run: forQuota, done }]);
    return isDone;
  }

  /** For one commit, in which places do not change: each bucket is asked for once. */
  #unreadBlocks(): IsUnread {
    const firstByBucket = new Map<number, number>();
    return (bucketId, sequence) => {
      let first = firstByBucket.get(bucketId);
      if (first === undefined) {
        const places = this.#listeners.map((listener) => listener.neededFrom?.(bucketId));
        first = Math.min(...places.map((place) => place ?? Number.POSITIVE_INFINITY));
        firstByBucket.set(bucketId, first);
      }
      return sequence >= first;
    };
  }

  #flushMutations(mutations: readonly StagedMutation[]): void {
    const { db, sync, publisher } = this.#options;
    const isUnread = this.#unreadBlocks();
    const flushed = flushMutations(mutations, db, this.#batch, sync, this.#nextSequence, isUnread);
    if (flushed === undefined) return;
    crashPoint('change-written');
    const { updateBlocks, changedSequences, changedEntries, removed } = flushed.outcome;
    for (const entry of changedEntries) this.#records.forget(entry);
    for (const sequence of changedSequences) publisher.invalidate(sequence);
    const buckets = new Set<number>();
    for (const { sequence, bucketId, bytes } of updateBlocks) {
      publisher.append(sequence, bucketId, bytes);
      buckets.add(bucketId);
    }
    this.#nextSequence += updateBlocks.length;
    publisher.publish();
    this.#tellListeners(buckets);
    this.tellRemoved(removed);
    flushed.acknowledge();
  }

  #add(entry: Entry, record: StagedRecord): void {
    if (this.#refusal !== undefined) {
      record.sink.onWritten(record.tag, this.#refusal);
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
}
