/** Turns passing records of a window into batches, one entry each, in the order of the log (replication §5.2). */
import { BugError } from '../../errors/errors.ts';
import type { BlockView } from '../../store/block.ts';
import { decodeMeta } from '../../store/record-meta.ts';
import { BLOCK_KIND_UPDATES, REMOVED_META } from '../../store/format.ts';
import type { Labels } from '../../store/labels.ts';
import { isMetaEntry } from '../entry-pattern.ts';
import type { Batch, BatchLimits, LargeBody } from './batch.ts';
import { describeMeta, type MetaCache, type MetaInfo, withoutRemoval } from './meta-cache.ts';
import { OpenBatch } from './open-batch.ts';
import { timeHeader } from './record-headers.ts';
import type { RecordSink } from './task-filter.ts';

/** The entry that records belong to, as the target knows it. */
export interface BatchEntry {
  readonly id: number;
  readonly name: string;
  readonly path: string;
}

/** From this share of a full batch on, a block that would be torn apart starts the next batch: it needs no copy. */
const FULL_ENOUGH = 0.75;

/** Memory of a batch besides body and headers, roughly. */
const BATCH_BYTES = 256;

const EMPTY = Buffer.alloc(0);

export class BatchBuilder implements RecordSink {
  readonly #metas: MetaCache;
  readonly #limits: BatchLimits;
  readonly #open: Map<number, OpenBatch> = new Map();
  readonly #entries: Map<number, BatchEntry> = new Map();
  readonly #batches: Batch[] = [];
  #lastShared: BlockView | undefined;
  records = 0;
  bytes = 0;
  removed = 0;
  /** Memory that the batches keep alive, roughly. */
  retainedBytes = 0;

  constructor(metas: MetaCache, limits: BatchLimits) {
    this.#metas = metas;
    this.#limits = limits;
  }

  /** Before the first record of an entry is appended. */
  enter(entry: BatchEntry): void {
    this.#entries.set(entry.id, entry);
  }

  /** Adds records [from, to) of a block. */
  append(view: BlockView, from: number, to: number): void {
    if (view.kind === BLOCK_KIND_UPDATES) {
      for (let i = from; i < to; i++) this.#addUpdate(view, i);
      return;
    }
    const large = view.large();
    const isAttachment = isMetaEntry(this.#entries.get(view.entryId)?.name ?? '');
    let at = from;
    while (at < to) {
      const metaIndex = view.metaIndex(at);
      if (metaIndex === REMOVED_META) {
        this.removed++;
        at++;
        continue;
      }
      const meta = this.#metas.of(view, metaIndex);
      if (large !== undefined || !sharesBatches(meta, isAttachment)) {
        if (isAttachment && meta.isRemoval) this.#addRemoved(view, at, meta, large);
        else this.#addAlone(view, at, meta, large);
        at++;
        continue;
      }
      const end = this.#endOfRun(view, at, to, meta.path, isAttachment);
      this.#addRun(view, at, end, meta.path);
      at = end;
    }
  }

  /** End of the records from `from` on that can share batches: content type and labels may differ, the path may not. */
  #endOfRun(
    view: BlockView,
    from: number,
    to: number,
    path: string,
    isAttachment: boolean,
  ): number {
    let known = view.metaIndex(from);
    for (let at = from + 1; at < to; at++) {
      const metaIndex = view.metaIndex(at);
      if (metaIndex === known) continue;
      if (metaIndex === REMOVED_META) return at;
      const meta = this.#metas.of(view, metaIndex);
      if (meta.path !== path || !sharesBatches(meta, isAttachment)) return at;
      known = metaIndex;
    }
    return to;
  }

  /**
   * Adds an update that gives the target's record all labels of this one.
   * @param removed names of labels that it is to lose.
   */
  appendLabels(view: BlockView, index: number, removed: readonly string[] = []): void {
    const { labels, path } = this.#metas.of(view, view.metaIndex(index));
    this.#addLabels(view, index, [...labels, ...removed.flatMap((name) => [name, ''])], path);
  }

  /** All batches; those of one entry in the order of the log. */
  finish(): readonly Batch[] {
    for (const entryId of this.#open.keys()) this.#close(entryId);
    return this.#batches;
  }

  /**
   * A removed attachment: targets refuse to write one, but leaving it out would let an older one of that key live on. So it
   * is written as if it were not removed, and removed then (replication §2.6).
   */
  #addRemoved(view: BlockView, index: number, meta: MetaInfo, large: LargeBody | undefined): void {
    this.#addAlone(view, index, withoutRemoval(meta), large);
    this.#addLabels(view, index, meta.labels, meta.path);
  }

  #addRun(view: BlockView, from: number, to: number, path: string): void {
    let open = this.#openForRun(view, from, to, path);
    let start = from;
    for (let i = from; i < to; i++) {
      const length = view.length(i);
      if (open.isFull(this.#limits, length)) {
        open.endRun(view, start, i);
        start = i;
        open = this.#reopen(view.entryId, 'write', path);
      }
      open.addRecord(length, this.#metas.of(view, view.metaIndex(i)));
    }
    open.endRun(view, start, to);
  }

  /** The batch for a run: another one when this would tear a block apart or bring a timestamp twice. */
  #openForRun(view: BlockView, from: number, to: number, path: string): OpenBatch {
    const open = this.#open.get(view.entryId);
    if (open === undefined || open.kind !== 'write' || open.path !== path) {
      return this.#reopen(view.entryId, 'write', path);
    }
    const { maxRecords } = this.#limits;
    const isTorn = open.count >= maxRecords * FULL_ENOUGH && open.count + to - from > maxRecords;
    if (isTorn && open.lastView !== view) return this.#reopen(view.entryId, 'write', path);
    return open.sharesTimestamp(view, from, to) ? this.#reopen(view.entryId, 'write', path) : open;
  }

  /** All labels after the update, and those that disappeared with an empty value (replication §2.6). */
  #addUpdate(view: BlockView, index: number): void {
    const { labels, path } = this.#metas.of(view, view.metaIndex(index));
    const removedLabels = decodeMeta(view.bytes, view.payloadOffset(index)).labels;
    this.#addLabels(view, index, [...labels, ...removedLabels], path);
  }

  #addLabels(view: BlockView, index: number, labels: Labels, path: string): void {
    const meta = describeMeta('', labels, path);
    const name = timeHeader(view, index);
    if (meta.carrier !== 'batch') {
      const single: MetaInfo = { ...meta, carrier: 'none', refusal: meta.refusal || NOT_IN_BATCH };
      this.#pushAlone(view, 'update', { name, value: '0' }, EMPTY, 0, meta, single);
      return;
    }
    const line = `${name}: 0${meta.tail}`;
    let open = this.#open.get(view.entryId);
    const isFull = open === undefined || open.isFull(this.#limits, 0);
    // Two updates of one record cannot share a request; the later one comes after the earlier one.
    const isThere = open?.lines.some((known) => known.startsWith(`${name}:`)) ?? false;
    if (open?.kind !== 'update' || open.path !== path || isFull || isThere) {
      open = this.#reopen(view.entryId, 'update', path);
    }
    open.addUpdate(line, view.sequence);
  }

  #reopen(entryId: number, kind: OpenBatch['kind'], path: string): OpenBatch {
    this.#close(entryId);
    const open = new OpenBatch(kind, path);
    this.#open.set(entryId, open);
    return open;
  }

  #close(entryId: number): void {
    const open = this.#open.get(entryId);
    if (open === undefined || open.count === 0) return;
    this.#open.delete(entryId);
    open.sort();
    const { content, shared } = open.body();
    if (shared === undefined) this.retainedBytes += content.length;
    else if (shared !== this.#lastShared) this.retainedBytes += shared.bytes.length;
    this.#lastShared = shared;
    const headers = open.headers(this.#metas);
    this.retainedBytes += headers.headerValue.length;
    this.#push(entryId, {
      kind: open.kind,
      ...headers,
      recordCount: open.count,
      bodyBytes: open.bytes,
      body: content,
      isCompressed: open.isCompressed,
      path: open.path,
      single: undefined,
      firstSequence: open.firstSequence,
    });
  }

  /** A record that cannot share a batch. */
  #addAlone(view: BlockView, index: number, meta: MetaInfo, large: LargeBody | undefined): void {
    const length = view.length(index);
    const isBatch = meta.carrier === 'batch';
    const value = isBatch ? `${length}${meta.tail}` : `${length}`;
    const header = { name: timeHeader(view, index), value };
    const body = large ?? Buffer.from(view.payload(index));
    this.#pushAlone(view, 'write', header, body, length, meta, isBatch ? undefined : meta);
    if (large === undefined) this.retainedBytes += length;
  }

  /** What came before it goes first. */
  #pushAlone(
    { entryId, sequence }: BlockView,
    kind: Batch['kind'],
    header: { readonly name: string; readonly value: string },
    body: Batch['body'],
    bodyBytes: number,
    { isCompressed, path }: MetaInfo,
    single: MetaInfo | undefined,
  ): void {
    this.#close(entryId);
    this.#push(entryId, {
      kind,
      headerName: header.name,
      headerValue: header.value,
      recordCount: 1,
      bodyBytes,
      body,
      isCompressed,
      path,
      single,
      firstSequence: sequence,
    });
  }

  #push(
    entryId: number,
    batch: Omit<Batch, 'entryId' | 'entryName' | 'entryPath' | 'isFollowUp'>,
  ): void {
    const entry = this.#entries.get(entryId);
    if (entry === undefined) throw new BugError(`records of entry ${entryId} without its name`);
    this.records += batch.recordCount;
    this.bytes += batch.bodyBytes;
    this.retainedBytes += BATCH_BYTES;
    const { name: entryName, path: entryPath } = entry;
    this.#batches.push({ entryId, entryName, entryPath, isFollowUp: false, ...batch });
  }
}

/** A removed attachment is written and removed then, one after the other. */
function sharesBatches({ carrier, isRemoval }: MetaInfo, isAttachment: boolean): boolean {
  return carrier === 'batch' && !(isAttachment && isRemoval);
}

const NOT_IN_BATCH = 'The labels of the record cannot be expressed in batch headers';
