/** Batches of one job: each ends where its limits say, and the next one goes on behind it. */
import { BugError } from '../../errors/errors.ts';
import type { BodyBuffers } from '../body-buffers.ts';
import type { QueryCursor, QueryJob, QueryPlan, QueryProgress } from '../job.ts';
import { bytesOfBatch, encodeCursor } from '../job.ts';
import { assembleBody } from './batch-body.ts';
import type { BatchFormat, PickedRecord } from './batch-collector.ts';
import { BatchCollector } from './batch-collector.ts';
import { BatchV1Format, BatchV2Format, SingleRecordFormat } from './batch-formats.ts';
import type { EntrySource } from './entry-source.ts';
import type { LabelProjection } from './label-projection.ts';
import type { MergeQueue } from './merge-queue.ts';
import type { LocatedRecord } from './scanned-record.ts';

/** A job under way. */
export interface BatchScan {
  readonly job: QueryJob;
  readonly plan: QueryPlan;
  /** Moved on by each batch. */
  readonly cursor: QueryCursor;
  readonly sources: readonly EntrySource[];
  readonly queue: MergeQueue<EntrySource>;
  /** Undefined for single records: whoever reads them gives nothing back. */
  readonly buffers: BodyBuffers | undefined;
  readonly projection: LabelProjection;
}

export interface FoundBatch {
  readonly progress: QueryProgress;
  readonly buffer: ArrayBuffer | SharedArrayBuffer | undefined;
  /** It ended because of its limits: the scan can go on behind it. */
  readonly isFull: boolean;
}

/** @throws ApiError in strict mode, when the condition fails. */
export function nextBatch(scan: BatchScan): FoundBatch {
  const batch = batchUpTo(scan, Number.POSITIVE_INFINITY);
  if (batch === undefined) throw new BugError('a batch exceeds a bound that it does not have');
  return batch;
}

/** @returns undefined when the body would be larger, and then the scan cannot go on. */
function batchUpTo(scan: BatchScan, mostBodyBytes: number): FoundBatch | undefined {
  const { job, plan, cursor, sources, queue, buffers, projection } = scan;
  const format = formatOf(job, plan);
  const collector = new BatchCollector(format, job.limits, job.withBody, mostBodyBytes);
  const isDrained = collect(queue, collector, projection);
  if (collector.isTooLarge) return undefined;
  for (const source of sources) savePosition(cursor, source);
  const { headerLines, records } = collector.finish();
  const body = job.withBody ? assembleBody(records, buffers) : { parts: [], buffer: undefined };
  const progress: QueryProgress = {
    error: undefined,
    cursor: encodeCursor(cursor),
    isDrained,
    isFinished: isDrained && isOver(plan, cursor),
    nextTs: cursor.nextTs[0] ?? 0n,
    recordCount: records.length,
    bodyBytes: collector.bodyBytes,
    headerLines,
    body: body.parts,
    record: job.output === 'record' ? headOf(plan, records[0]) : undefined,
    places: undefined,
  };
  return { progress, buffer: body.buffer, isFull: collector.isFull };
}

/**
 * The batches behind what the job found for its read. An error ends them: it belongs to the read that would find it, whose
 * own job meets it again.
 * @param found for that read; undefined when none waits: then the first batch counts whatever is in it, for the
 *   way to it need not be gone again.
 */
export function lookAhead(scan: BatchScan, found: FoundBatch | undefined): FoundBatch[] {
  const { maxBatches, maxBytes } = scan.job.ahead ?? { maxBatches: 0, maxBytes: 0 };
  const ahead: FoundBatch[] = [];
  let bytes = 0;
  let latest = found;
  // The next one is expected to be as large as the one before it.
  while (ahead.length < maxBatches && bytes + (latest?.progress.bodyBytes ?? 0) < maxBytes) {
    const batch = batchOrError(scan, maxBytes - bytes);
    if (batch === undefined) break;
    const isWhole = batch.isFull || batch.progress.isDrained;
    if (!isWhole && latest !== undefined) {
      if (batch.buffer instanceof SharedArrayBuffer) scan.buffers?.give(batch.buffer);
      break;
    }
    ahead.push(batch);
    if (!batch.isFull) break;
    bytes += bytesOfBatch(batch.progress);
    latest = batch;
  }
  return ahead;
}

function batchOrError(scan: BatchScan, mostBodyBytes: number): FoundBatch | undefined {
  try {
    return batchUpTo(scan, mostBodyBytes);
  } catch {
    return undefined;
  }
}

/** Nothing more will be found. */
export function isOver(plan: QueryPlan, cursor: QueryCursor): boolean {
  return !(plan.continuous && cursor.closed.includes(0));
}

function formatOf(job: QueryJob, plan: QueryPlan): BatchFormat {
  switch (job.output) {
    case 'record':
      return new SingleRecordFormat();
    case 'v1':
      return new BatchV1Format();
    case 'v2':
      return new BatchV2Format(plan.names, job.isInterleavingSafe);
    case 'places':
      throw new BugError('places are no batch');
  }
}

/** @returns whether all sources are done; false when the batch is full, and then it can go on, or the budget spent. */
function collect(
  queue: MergeQueue<EntrySource>,
  collector: BatchCollector,
  projection: LabelProjection,
): boolean {
  for (let source = queue.top; source !== undefined; source = queue.top) {
    const { head } = source;
    if (head !== undefined) {
      if (!collector.offer(pick(source.ordinal, head, projection))) return false;
      source.shift();
      queue.sink();
      if (collector.isFull) return false;
      continue;
    }
    const limitTs = queue.topLimit;
    source.step(limitTs);
    if (source.head === undefined) {
      if (source.isDone) queue.removeTop();
      else if (limitTs === undefined || source.bound <= limitTs) return false;
    }
    queue.sink();
  }
  return true;
}

function pick(ordinal: number, head: LocatedRecord, projection: LabelProjection): PickedRecord {
  const { ts, block, index } = head;
  const meta = block.metaOf(index);
  const labels = projection.apply(meta);
  const lengthBytes = block.length(index);
  return { ordinal, ts, block, index, lengthBytes, contentType: meta.contentType, labels };
}

/** Moves the cursor to where the source stands. */
export function savePosition(cursor: QueryCursor, source: EntrySource): void {
  const position = source.position();
  if (position === undefined) return;
  const { nextTs, isClosed, state } = position;
  cursor.nextTs[source.ordinal] = nextTs;
  cursor.closed[source.ordinal] = isClosed ? 1 : 0;
  if (state !== undefined) cursor.states.set(source.ordinal, state);
}

function headOf(plan: QueryPlan, record: PickedRecord | undefined): QueryProgress['record'] {
  if (record === undefined) return undefined;
  const { ordinal, ts, contentType, labels } = record;
  return { entryName: plan.names[ordinal] ?? '', ts, contentType, labels };
}
