/**
 * Writes to a `$meta` entry (http-api-extras §2): a record replaces all earlier ones with its key, whatever their
 * timestamps. The old ones go in the very write that stores the new one, so a crash leaves either.
 */
import type { Entry } from '../catalog/model.ts';
import { decodeMeta, metaWithoutPath } from '../store/record-meta.ts';
import { COLUMN_BLOCKS, COLUMN_META } from '../store/format.ts';
import { chunkKey } from '../store/keys.ts';
import type { WriteBatch } from '../store/rocks.ts';
import { attachmentKeyOf } from '../wire/attachment-rules.ts';
import type { AttachmentEdits } from './attachment-edits.ts';
import type { MutationSession } from './mutations.ts';
import type { StagedRecord } from './staging.ts';
import { ChunkedUpload } from './upload.ts';

/** Attachments have small extents (http-api §4.3), bytes. */
export const ATTACHMENT_EXTENT_BYTES = 131_072;

/** What becomes of the records of one group. */
export interface AttachmentWrites {
  /** To be stored, in order of arrival. */
  readonly stored: readonly StagedRecord[];
  /** Their timestamp is taken by a record with another key, or by a tombstone. */
  readonly refused: ReadonlySet<StagedRecord>;
  /** Written, but not stored: replaced by a later record of the same group, or there already, as it is. */
  readonly superseded: ReadonlySet<StagedRecord>;
}

/** Decides, and removes what is replaced in the session. */
export function planAttachments(
  session: MutationSession,
  entry: Entry,
  records: readonly StagedRecord[],
): AttachmentWrites {
  const plan = new AttachmentPlan(session, entry);
  for (const record of records) plan.add(record);
  return plan.finish(records);
}

class AttachmentPlan {
  readonly #session: MutationSession;
  readonly #entry: Entry;
  /** Of this group, by timestamp and by key. */
  readonly #byTs = new Map<bigint, StagedRecord>();
  readonly #byKey = new Map<string, StagedRecord>();
  /** Timestamps of stored records that are replaced. */
  readonly #replaced = new Set<bigint>();
  readonly #refused = new Set<StagedRecord>();
  readonly #superseded = new Set<StagedRecord>();

  constructor(session: MutationSession, entry: Entry) {
    this.#session = session;
    this.#entry = entry;
  }

  add(record: StagedRecord): void {
    const key = attachmentKeyOf(decodeMeta(record.meta, 0).labels);
    const olds = key === undefined ? [] : (this.#attachments()?.timesOf(key) ?? []);
    const before = key === undefined ? undefined : this.#byKey.get(key);
    if (this.#isTaken(record.ts, before, olds)) {
      this.#refused.add(record);
      return;
    }
    if (before === undefined && this.#isThere(record, olds)) {
      this.#superseded.add(record);
      return;
    }
    for (const old of olds) this.#replaced.add(old);
    if (before !== undefined) {
      this.#byTs.delete(before.ts);
      this.#superseded.add(before);
    }
    this.#byTs.set(record.ts, record);
    if (key !== undefined) this.#byKey.set(key, record);
  }

  finish(records: readonly StagedRecord[]): AttachmentWrites {
    const replaced = [...this.#replaced].sort((a, b) => (a < b ? -1 : 1));
    if (replaced.length > 0) this.#session.removeRecords(this.#entry, replaced);
    for (const [key, { ts }] of this.#byKey) this.#attachments()?.add(key, ts);
    return {
      stored: records.filter((record) => this.#byTs.get(record.ts) === record),
      refused: this.#refused,
      superseded: this.#superseded,
    };
  }

  #attachments(): AttachmentEdits | undefined {
    return this.#session.viewFor(this.#entry).attachments;
  }

  /**
   * Whether the very same record is what the key stands for. Writing it again would be an event for replication, and two
   * servers that replicate to each other would send it back and forth for ever (replication §5.11).
   */
  #isThere(record: StagedRecord, olds: readonly bigint[]): boolean {
    if (olds.length !== 1 || olds[0] !== record.ts || this.#replaced.has(record.ts)) return false;
    const found = this.#session.find(this.#entry, record.ts);
    if (found === undefined || record.upload !== undefined) return false;
    const { block, index } = found;
    const { source, offset, length, meta } = record;
    if (block.large() !== undefined || block.length(index) !== length) return false;
    const storedMeta = metaWithoutPath(block.metaBytes(block.metaIndex(index)));
    const isSameMeta = storedMeta.equals(metaWithoutPath(meta));
    return isSameMeta && block.payload(index).equals(source.subarray(offset, offset + length));
  }

  #isTaken(ts: bigint, before: StagedRecord | undefined, olds: readonly bigint[]): boolean {
    const inGroup = this.#byTs.get(ts);
    if (inGroup !== undefined) return inGroup !== before;
    if (this.#replaced.has(ts) || olds.includes(ts)) return false;
    return this.#session.find(this.#entry, ts) !== undefined;
  }
}

/** Removes the content of large records that are never stored. */
export function removeSupersededUploads(
  batch: WriteBatch,
  superseded: ReadonlySet<StagedRecord>,
): void {
  for (const { upload, length } of superseded) {
    if (upload === undefined) continue;
    const chunks = Math.ceil(length / upload.chunkBytes);
    for (let chunk = 0; chunk < chunks; chunk++) {
      batch.del(COLUMN_BLOCKS, chunkKey(upload.id, chunk));
    }
    batch.del(COLUMN_META, ChunkedUpload.markerKey(upload.id));
  }
}
