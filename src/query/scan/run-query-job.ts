/** One job of a query worker: goes on from a cursor until a batch is full, the entries are drained, or time is up. */
import type { RecordMeta } from '../../store/block.ts';
import { BugError, toErrorData } from '../../errors/errors.ts';
import type { Labels } from '../../store/labels.ts';
import type { RocksReader } from '../../store/rocks.ts';
import type { CompiledCondition } from '../../when/condition.ts';
import { compileCondition } from '../../when/condition.ts';
import { parseJson } from '../../wire/json.ts';
import { isMetaEntryName } from '../../wire/names.ts';
import { BodyBuffers } from '../body-buffers.ts';
import { ByteLru } from '../byte-lru.ts';
import type { QueryCursor, QueryJob, QueryJobResult, QueryPlan, QueryProgress } from '../job.ts';
import { bytesOfBatch, decodeCursor, decodePlan, encodeCursor } from '../job.ts';
import { hideTombstones } from '../tombstone-filter.ts';
import { assembleBody } from './batch-body.ts';
import type { BatchFormat, PickedRecord } from './batch-collector.ts';
import { BatchCollector } from './batch-collector.ts';
import { BatchV1Format, BatchV2Format, SingleRecordFormat } from './batch-formats.ts';
import { BlockStore } from './block-store.ts';
import type { LocatedRecord } from './entry-source.ts';
import { EntrySource } from './entry-source.ts';
import { MergeQueue } from './merge-queue.ts';
import { collectPlaces } from './place-collector.ts';
import { ScanBudget } from './scan-budget.ts';

/** A plan, decoded, with its condition compiled. */
interface PreparedPlan {
  readonly plan: QueryPlan;
  readonly condition: CompiledCondition | undefined;
  /** For `$meta` entries, if it has any. */
  readonly metaCondition: CompiledCondition | undefined;
  readonly projection: LabelProjection;
}

/** The result of a job and the memory to transfer with it. */
export interface JobOutcome {
  readonly result: QueryJobResult;
  readonly transfer: readonly ArrayBuffer[];
}

export interface JobRunnerOptions {
  readonly reader: RocksReader;
  /** Bound for the blocks that one job holds. */
  readonly blockCacheBytes: number;
  /** Bound for decoded plans, measured by their encoded size. */
  readonly planCacheBytes: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

/** Executes jobs over one attached store. Holds nothing between jobs but decoded plans and free buffers. */
export class QueryJobRunner {
  readonly #options: JobRunnerOptions;
  readonly #plans: ByteLru<number, PreparedPlan>;
  readonly #buffers = new BodyBuffers();

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#plans = new ByteLru(options.planCacheBytes);
  }

  /** Never throws: errors are part of the result. */
  run(job: QueryJob): JobOutcome {
    try {
      return this.#execute(job);
    } catch (error) {
      return { result: { error: toErrorData(error) }, transfer: [] };
    }
  }

  #execute(job: QueryJob): JobOutcome {
    for (const buffer of job.freeBuffers ?? []) this.#buffers.give(buffer);
    const prepared = this.#prepare(job);
    const { plan } = prepared;
    const cursor = job.cursor === undefined ? beginning(plan) : decodeCursor(job.cursor);
    const sources = this.#openSources(job, prepared, cursor);
    if (job.output === 'places') return findPlaces(job, plan, cursor, sources);
    const queue = new MergeQueue(sources);
    const buffers = job.output === 'record' ? undefined : this.#buffers;
    const scan = { job, plan, cursor, sources, queue, buffers };
    const first = nextBatch(scan, prepared.projection);
    const ahead = first.isFull ? lookAhead(scan, prepared.projection) : [];
    const transfer: ArrayBuffer[] = [];
    for (const { buffer } of [first, ...ahead]) {
      if (buffer instanceof ArrayBuffer) transfer.push(buffer);
    }
    return {
      result: { ...first.progress, ahead: ahead.map(({ progress }) => progress) },
      transfer,
    };
  }

  #prepare(job: QueryJob): PreparedPlan {
    const known = this.#plans.get(job.queryId);
    if (known !== undefined) return known;
    const plan = decodePlan(job.plan);
    const { whenText } = plan;
    const when = whenText === undefined ? null : parseJson(whenText, { keepFloats: true });
    const condition = whenText === undefined ? undefined : compileCondition(when);
    const metaCondition = plan.names.some(isMetaEntryName)
      ? compileCondition(hideTombstones(when))
      : undefined;
    const projection = new LabelProjection(condition?.directives.selectLabels);
    const prepared: PreparedPlan = { plan, condition, metaCondition, projection };
    this.#plans.set(job.queryId, prepared, job.plan.length);
    return prepared;
  }

  #openSources(job: QueryJob, prepared: PreparedPlan, cursor: QueryCursor): EntrySource[] {
    const { reader, blockCacheBytes, nowMs } = this.#options;
    const store = new BlockStore(reader, blockCacheBytes);
    const settings = {
      store,
      plan: prepared.plan,
      budget: new ScanBudget(nowMs, job.sliceMs, store),
      wantedRecords: job.limits.maxRecords * (1 + (job.ahead?.maxBatches ?? 0)),
    };
    const sources: EntrySource[] = [];
    cursor.nextTs.forEach((nextTs, ordinal) => {
      const state = cursor.states.get(ordinal);
      const isClosed = cursor.closed[ordinal] === 1;
      if (isClosed && (state === undefined || state.pendingTs.length === 0)) return;
      const condition = conditionFor(job, prepared, ordinal);
      sources.push(
        new EntrySource({ ...settings, condition }, ordinal, { nextTs, isClosed, state }),
      );
    });
    return sources;
  }
}

/** Removals see tombstones: what they leave could not be removed by any query. */
function conditionFor(
  { output }: QueryJob,
  { plan, condition, metaCondition }: PreparedPlan,
  ordinal: number,
): CompiledCondition | undefined {
  const isHiding = output !== 'places' && isMetaEntryName(plan.names[ordinal] ?? '');
  return isHiding ? metaCondition : condition;
}

function isOver(plan: QueryPlan, cursor: QueryCursor): boolean {
  return !(plan.continuous && cursor.closed.includes(0));
}

/** A job under way. */
interface BatchScan {
  readonly job: QueryJob;
  readonly plan: QueryPlan;
  /** Moved on by each batch. */
  readonly cursor: QueryCursor;
  readonly sources: readonly EntrySource[];
  readonly queue: MergeQueue<EntrySource>;
  /** Undefined for single records: whoever reads them gives nothing back. */
  readonly buffers: BodyBuffers | undefined;
}

interface FoundBatch {
  readonly progress: QueryProgress;
  readonly buffer: ArrayBuffer | SharedArrayBuffer | undefined;
  /** It ended because of its limits: the scan can go on behind it. */
  readonly isFull: boolean;
}

function nextBatch(scan: BatchScan, projection: LabelProjection): FoundBatch {
  const { job, plan, cursor, sources, queue, buffers } = scan;
  const collector = new BatchCollector(formatOf(job, plan), job.limits, job.withBody);
  const isDrained = collect(queue, collector, projection);
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
 * The batches behind the first one. An error ends them: it belongs to the read that would find it, whose own job meets
 * it again.
 */
function lookAhead(scan: BatchScan, projection: LabelProjection): FoundBatch[] {
  const { maxBatches, maxBytes } = scan.job.ahead ?? { maxBatches: 0, maxBytes: 0 };
  const found: FoundBatch[] = [];
  let bytes = 0;
  while (found.length < maxBatches && bytes < maxBytes) {
    let batch: FoundBatch;
    try {
      batch = nextBatch(scan, projection);
    } catch {
      return found;
    }
    const { recordCount, isDrained } = batch.progress;
    if (recordCount === 0 || !(batch.isFull || isDrained)) {
      if (batch.buffer instanceof SharedArrayBuffer) scan.buffers?.give(batch.buffer);
      break;
    }
    found.push(batch);
    bytes += bytesOfBatch(batch.progress);
    if (!batch.isFull) break;
  }
  return found;
}

/** One entry after the other, so that records come grouped as they are stored. */
function findPlaces(
  job: QueryJob,
  plan: QueryPlan,
  cursor: QueryCursor,
  sources: readonly EntrySource[],
): JobOutcome {
  const { places, isDrained } = collectPlaces(sources, job.limits.maxRecords);
  for (const source of sources) savePosition(cursor, source);
  const result: QueryProgress = {
    error: undefined,
    cursor: encodeCursor(cursor),
    isDrained,
    isFinished: isDrained && isOver(plan, cursor),
    nextTs: cursor.nextTs[0] ?? 0n,
    recordCount: places.timestamps.length,
    bodyBytes: 0,
    headerLines: '',
    body: [],
    record: undefined,
    places,
  };
  return { result, transfer: [places.timestamps.buffer, places.sequences.buffer] };
}

function beginning(plan: QueryPlan): QueryCursor {
  return {
    nextTs: plan.firstTs.slice(),
    closed: new Uint8Array(plan.firstTs.length),
    states: new Map(),
  };
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

function savePosition(cursor: QueryCursor, source: EntrySource): void {
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

/** `#select_labels`: drops all other labels. */
class LabelProjection {
  readonly #selected: ReadonlySet<string> | undefined;
  /** By decoded meta, which the records of a block share. */
  readonly #known = new WeakMap<RecordMeta, Labels>();

  constructor(selected: ReadonlySet<string> | undefined) {
    this.#selected = selected;
  }

  apply(meta: RecordMeta): Labels {
    if (this.#selected === undefined) return meta.labels;
    const known = this.#known.get(meta);
    if (known !== undefined) return known;
    const labels: string[] = [];
    for (let i = 0; i + 1 < meta.labels.length; i += 2) {
      const name = meta.labels[i] ?? '';
      if (this.#selected.has(name)) labels.push(name, meta.labels[i + 1] ?? '');
    }
    this.#known.set(meta, labels);
    return labels;
  }
}
