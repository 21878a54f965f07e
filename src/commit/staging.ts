/** The commit group while it is filled: staged records by entry, chunks, and catalogue rows. */
import type { Entry } from '../catalog/model.ts';
import type { MillraceError } from '../errors/errors.ts';
import { encodeMeta } from '../store/record-meta.ts';
import { COLUMN_BLOCKS } from '../store/format.ts';
import type { Labels } from '../store/labels.ts';
import { sameLabels } from '../store/labels.ts';
import type { ColumnName } from '../store/rocks.ts';
import type { Candidate } from './apply.ts';
import type { StagedMutation } from './mutation-flush.ts';
import type { WriteSink } from './types.ts';
import { metaWireBytes } from './wire-size.ts';

/** A finished upload that becomes a record. */
export interface StagedUpload {
  readonly id: number;
  readonly chunkBytes: number;
}

export interface StagedRecord extends Candidate {
  readonly meta: Buffer;
  readonly source: Buffer;
  readonly offset: number;
  readonly upload: StagedUpload | undefined;
  readonly sink: WriteSink;
  readonly tag: number;
}

export interface EntryGroup {
  readonly entry: Entry;
  readonly records: StagedRecord[];
}

/** Rows that go into the next commit beside the records: catalogue, cursors, chunks. */
export interface RowChange {
  readonly column: ColumnName;
  readonly key: Buffer;
  /** null removes the row. */
  readonly value: Buffer | null;
}

export interface StagedRows {
  readonly rows: readonly RowChange[];
  readonly done: (error: MillraceError | null) => void;
}

/** Encoded meta and its wire size; one per distinct content type and labels of an entry in a row. */
export interface KnownMeta {
  /** As it was asked for last: equal texts of one request are mostly identical. */
  contentType: string;
  labels: Labels;
  readonly path: string;
  readonly bytes: Buffer;
  readonly wireBytes: number;
}

/** One group. Filled during a turn of the event loop, then taken whole by the flush. */
export class CommitGroup {
  readonly entries: Map<Entry, EntryGroup> = new Map();
  readonly rows: StagedRows[] = [];
  readonly mutations: StagedMutation[] = [];
  recordCount = 0;
  /** Bytes of payloads and rows in this group. */
  payloadBytes = 0;
  /** The part of it that clients sent: what a full disk refuses. Other rows pass, or nothing could be removed. */
  contentBytes = 0;

  get isEmpty(): boolean {
    return this.recordCount === 0 && this.rows.length === 0 && this.mutations.length === 0;
  }

  addRows(staged: StagedRows): void {
    this.rows.push(staged);
    for (const { column, value } of staged.rows) {
      const bytes = value?.length ?? 0;
      this.payloadBytes += bytes;
      if (column === COLUMN_BLOCKS) this.contentBytes += bytes;
    }
  }

  /** Takes records out that will not be written. */
  drop(refused: ReadonlyMap<StagedRecord, unknown>): void {
    for (const { records } of this.entries.values()) {
      const kept = records.filter((record) => !refused.has(record));
      records.splice(0, records.length, ...kept);
    }
  }

  add(entry: Entry, record: StagedRecord): void {
    let group = this.entries.get(entry);
    if (group === undefined) {
      group = { entry, records: [] };
      this.entries.set(entry, group);
    }
    group.records.push(record);
    this.recordCount++;
    if (record.upload !== undefined) return;
    this.payloadBytes += record.length;
    this.contentBytes += record.length;
  }
}

/** Metas of one entry that are remembered. */
const RECENT_METAS = 4;

/** Recent metas of each entry: sensors repeat their labels, or go to and fro between a few. */
export class MetaMemory {
  readonly #recent = new WeakMap<Entry, KnownMeta[]>();

  /** Identical content type, labels and path give the identical buffer, which lets a block store them once. */
  of(entry: Entry, contentType: string, labels: Labels, path: string): KnownMeta {
    let recent = this.#recent.get(entry);
    if (recent === undefined) {
      recent = [];
      this.#recent.set(entry, recent);
    }
    for (const known of recent) {
      const isSame = known.contentType === contentType && known.path === path;
      if (!isSame || !sameLabels(known.labels, labels)) continue;
      known.contentType = contentType;
      known.labels = labels;
      return known;
    }
    const meta: KnownMeta = {
      contentType,
      labels,
      path,
      bytes: encodeMeta(contentType, labels, path),
      wireBytes: metaWireBytes(contentType, labels),
    };
    if (recent.length === RECENT_METAS) recent.shift();
    recent.push(meta);
    return meta;
  }
}
