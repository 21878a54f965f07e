/** The part of a flush that writes new records and catalogue rows: plan, one write, make visible, acknowledge. */
import type { Entry } from '../catalog/model.ts';
import { encodeExtent, encodeStats } from '../catalog/rows.ts';
import { crashPoint } from '../crash/crash-points.ts';
import { ApiError, MillraceError, UnavailableError } from '../errors/errors.ts';
import {
  BLOCK_KEY_BYTES,
  COLUMN_BLOCKS,
  COLUMN_INDEX,
  COLUMN_META,
  META,
} from '../store/format.ts';
import { putHead } from '../store/head-row.ts';
import { blockKey, indexKey, metaKey, metaKey64, sequenceOfBlockKey } from '../store/keys.ts';
import type { WriteBatch } from '../store/rocks.ts';
import { encodeRun } from '../store/run-index.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { Plan } from './apply.ts';
import { apply } from './apply.ts';
import type { AttachmentWrites } from './attachment-writes.ts';
import {
  ATTACHMENT_EXTENT_BYTES,
  planAttachments,
  removeSupersededUploads,
} from './attachment-writes.ts';
import { BlockArena } from './block-arena.ts';
import type { CommitStats } from './commit-stats.ts';
import { countStored, observeCommit } from './commit-stats.ts';
import { countRewrite, encodeEntryRows, markDurable } from '../catalog/entry-rows.ts';
import { RunTail, StoredEntryView } from './entry-view.ts';
import { MutationSession } from './mutations.ts';
import { deletingRefusal } from './refusal.ts';
import type { CommitGroup, EntryGroup, StagedRecord } from './staging.ts';
import type { DiskSpace, GroupCommitOptions } from './types.ts';
import { ChunkedUpload } from './upload.ts';

/** What one entry's share of a group will change, once the write succeeded. */
interface PlannedEntry {
  readonly group: EntryGroup;
  readonly plan: Plan<StagedRecord>;
  readonly firstBlock: number;
  /** Only for `$meta` entries. */
  readonly attachments: AttachmentWrites | undefined;
}

/** What a successful flush made true. */
export interface RecordOutcome {
  /** Ids of the buckets that received records. */
  readonly buckets: ReadonlySet<number>;
  readonly nextSequence: number;
  /** Tells all writers; call it after everything else has learned of the commit. */
  readonly acknowledge: () => void;
}

export class RecordFlush {
  readonly #options: GroupCommitOptions;
  readonly #batch: WriteBatch;
  readonly #stats: CommitStats;
  readonly #arena: BlockArena = new BlockArena();
  readonly #tails: WeakMap<Entry, RunTail> = new WeakMap();
  #nextSequence = 0;
  /** What attachments of this flush replace; undefined when there are none. */
  #replacements: MutationSession | undefined;

  constructor(options: GroupCommitOptions, batch: WriteBatch, stats: CommitStats) {
    this.#options = options;
    this.#batch = batch;
    this.#stats = stats;
  }

  /** What is remembered of the entry's newest runs is void: they were changed. */
  forget(entry: Entry): void {
    this.#tails.delete(entry);
  }

  /**
   * Writes a group. Never throws: when the write fails, every writer is told and nothing has changed.
   * @param firstSequence sequence of the first block.
   */
  flush(group: CommitGroup, firstSequence: number): RecordOutcome | undefined {
    this.#nextSequence = firstSequence;
    this.#replacements = undefined;
    const startMs = performance.now();
    let planned: PlannedEntry[];
    try {
      this.#checkSpace(group);
      planned = this.#plan(group);
      this.#fill(group, planned);
      crashPoint('commit-planned');
      this.#batch.commit(this.#options.sync);
      crashPoint('commit-written');
    } catch (error) {
      this.#batch.clear();
      this.#fail(group, error);
      return undefined;
    }
    this.#options.space.wrote(group.payloadBytes);
    const buckets = this.#makeVisible(planned);
    this.#withdrawRemovedBlocks(group);
    observeCommit(this.#stats, group, performance.now() - startMs);
    return {
      buckets,
      nextSequence: this.#nextSequence,
      acknowledge: () => this.#acknowledge(group, planned),
    };
  }

  /** Contract http-api §4.4: free disk space below the content is 507, before anything is written. */
  #checkSpace(group: CommitGroup): void {
    const refusal = diskRefusal(this.#options.space, group.contentBytes);
    if (refusal !== undefined) throw refusal;
  }

  #plan(group: CommitGroup): PlannedEntry[] {
    const planned: PlannedEntry[] = [];
    let sequence = this.#nextSequence;
    for (const entryGroup of group.entries.values()) {
      const { entry } = entryGroup;
      if (deletingRefusal(entry) !== null) continue;
      const next = isMetaEntryName(entry.name)
        ? this.#planAttachments(entryGroup, sequence)
        : this.#planEntry(entryGroup, sequence);
      planned.push(next);
      sequence += next.plan.blocks.length;
    }
    return planned;
  }

  #planEntry(group: EntryGroup, firstBlock: number): PlannedEntry {
    const { entry, records } = group;
    const view = new StoredEntryView(this.#options.db, entry, this.#tailOf(entry));
    const { max_block_size: maxBytes, max_block_records: maxRecords } = entry.bucket.settings;
    const plan = apply(view, records, firstBlock, { maxBytes, maxRecords });
    return { group, plan, firstBlock, attachments: undefined };
  }

  #planAttachments(group: EntryGroup, firstBlock: number): PlannedEntry {
    const { entry } = group;
    this.#replacements ??= new MutationSession(this.#options.db);
    const attachments = planAttachments(this.#replacements, entry, group.records);
    const limits = {
      maxBytes: ATTACHMENT_EXTENT_BYTES,
      maxRecords: entry.bucket.settings.max_block_records,
    };
    const view = this.#replacements.viewFor(entry);
    const plan = apply(view, attachments.stored, firstBlock, limits);
    return { group, plan: { ...plan, refused: attachments.refused }, firstBlock, attachments };
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
    // Before the new records: where both change a row, theirs is the true one.
    this.#replacements?.fill(batch);
    for (const { group: entryGroup, plan } of planned) {
      if (plan.acceptedCount === 0 || entryGroup.entry.isDurable) continue;
      for (const row of encodeEntryRows(entryGroup.entry))
        batch.put(row.column, row.key, row.value);
    }
    if (this.#replacements !== undefined || removesBlocks(group)) {
      let blocks = 0;
      for (const { plan } of planned) blocks += plan.blocks.length;
      putHead(batch, this.#nextSequence + blocks);
    }
    const ordinals = new Map<number, number>();
    for (const { group: entryGroup, plan, firstBlock, attachments } of planned) {
      if (plan.acceptedCount === 0) continue;
      const { entry } = entryGroup;
      const { bucket } = entry;
      let ordinal = ordinals.get(bucket.id) ?? bucket.recordsWritten;
      for (const [at, block] of plan.blocks.entries()) {
        const { records } = block;
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
      if (attachments !== undefined) removeSupersededUploads(batch, attachments.superseded);
    }
  }

  #fillEntryRows({ entry, records }: EntryGroup, plan: Plan<StagedRecord>): void {
    const batch = this.#batch;
    for (const { run } of plan.runs) {
      batch.put(COLUMN_INDEX, indexKey(entry.id, run.firstTs), encodeRun(run));
    }
    for (const extent of plan.extents) {
      const key = metaKey64(META.extent, entry.id, extent.startTs);
      batch.put(COLUMN_META, key, encodeExtent(extent));
    }
    batch.put(COLUMN_META, metaKey(META.entryStats, entry.id), encodeStats(plan.stats));
    for (const record of records) {
      // From this commit on the chunks belong to the record; the marker would have them removed at the next start.
      if (record.upload !== undefined && plan.refused?.has(record) !== true) {
        batch.del(COLUMN_META, ChunkedUpload.markerKey(record.upload.id));
      }
    }
  }

  /** After the write: memory and ring learn what is true now. */
  #makeVisible(planned: readonly PlannedEntry[]): Set<number> {
    const buckets = new Set<number>();
    this.#withdrawReplaced();
    for (const { group: entryGroup, plan } of planned) {
      if (plan.acceptedCount === 0) continue;
      const { entry } = entryGroup;
      const { latestTs, recordCount } = entry.stats;
      this.#tailOf(entry).merge(plan.runs, latestTs, recordCount === 0);
      entry.bucket.sizeBytes += plan.stats.sizeBytes - entry.stats.sizeBytes;
      entry.stats = plan.stats;
      if (!plan.isAppend) countRewrite(entry);
      entry.bucket.recordsWritten = Math.max(entry.bucket.recordsWritten, plan.stats.bucketOrdinal);
      markDurable(entry);
      buckets.add(entry.bucket.id);
      countStored(this.#stats, entry.bucket.id, plan.acceptedCount, contentBytes(plan));
      this.#nextSequence += plan.blocks.length;
    }
    if (buckets.size > 0) {
      const { publisher } = this.#options;
      this.#arena.forEachBlock((sequence, bucketId, bytes) => {
        publisher.append(sequence, bucketId, bytes);
      });
      publisher.publish();
    }
    return buckets;
  }

  /** Before the plans are published, which were made on top of it. */
  #withdrawReplaced(): void {
    const replacements = this.#replacements;
    if (replacements === undefined) return;
    for (const entry of replacements.publish()) this.forget(entry);
    for (const sequence of replacements.changedSequences()) {
      this.#options.publisher.invalidate(sequence);
    }
  }

  /** Blocks that a removal deleted must not be handed out by the ring any more. */
  #withdrawRemovedBlocks(group: CommitGroup): void {
    for (const { rows } of group.rows) {
      for (const { column, key, value } of rows) {
        if (value !== null || column !== COLUMN_BLOCKS || key.length !== BLOCK_KEY_BYTES) continue;
        this.#options.publisher.invalidate(sequenceOfBlockKey(key));
      }
    }
  }

  #acknowledge(group: CommitGroup, planned: readonly PlannedEntry[]): void {
    for (const { done } of group.rows) done(null);
    for (const { group: entryGroup, plan } of planned) {
      const { refused } = plan;
      for (const record of entryGroup.records) {
        const isRefused = refused !== undefined && refused.has(record);
        record.sink.onWritten(record.tag, isRefused ? alreadyExists(record.ts) : null);
      }
      this.#stats.recordsRefused += refused?.size ?? 0;
    }
    if (planned.length === group.entries.size) return;
    for (const { entry, records } of group.entries.values()) {
      const error = deletingRefusal(entry);
      if (error === null) continue;
      for (const record of records) record.sink.onWritten(record.tag, error);
    }
  }

  #fail(group: CommitGroup, cause: unknown): void {
    const error =
      cause instanceof MillraceError
        ? cause
        : new UnavailableError('The record could not be stored', { cause });
    this.#stats.commitFailures++;
    this.#options.onFailure(cause);
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

function removesBlocks({ rows }: CommitGroup): boolean {
  return rows.some((staged) =>
    staged.rows.some(({ column, value }) => column === COLUMN_BLOCKS && value === null),
  );
}

function contentBytes({ blocks }: Plan<StagedRecord>): number {
  let bytes = 0;
  for (const { records } of blocks) for (const { length } of records) bytes += length;
  return bytes;
}

function alreadyExists(ts: bigint): ApiError {
  return new ApiError(409, `A record with timestamp ${ts} already exists`);
}

/** Why so much content cannot be written now; undefined when it can, or nothing is known. */
export function diskRefusal(
  space: Pick<DiskSpace, 'freeBytes'>,
  contentBytes: number,
): ApiError | undefined {
  const free = space.freeBytes();
  if (free === undefined || contentBytes <= free) return undefined;
  return new ApiError(
    507,
    `Not enough free disk space in the data folder to write a record of ${contentBytes} bytes: only ${free} bytes available`,
    { hint: 'Free space on the file system of RS_DATA_PATH; writing goes on by itself.' },
  );
}
