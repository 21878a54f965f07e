/** One job of a query worker: goes on from a cursor until a batch is full, the entries are drained, or time is up. */
import { toErrorData } from '../../errors/errors.ts';
import { MetaPool } from '../../store/meta-pool.ts';
import type { RocksReader } from '../../store/rocks.ts';
import type { CompiledCondition } from '../../when/condition.ts';
import { compileCondition } from '../../when/condition.ts';
import { parseJson } from '../../wire/json.ts';
import { isMetaEntryName } from '../../wire/names.ts';
import { BodyBuffers } from '../body-buffers.ts';
import { ByteLru } from '../byte-lru.ts';
import type { QueryCursor, QueryJob, QueryJobResult, QueryPlan, QueryProgress } from '../job.ts';
import { decodeCursor, decodePlan, encodeCursor } from '../job.ts';
import { hideTombstones } from '../tombstone-filter.ts';
import { isOver, lookAhead, nextBatch, savePosition } from './batch-scan.ts';
import { BlockStore } from './block-store.ts';
import { EntrySource } from './entry-source.ts';
import { LabelProjection } from './label-projection.ts';
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

/** Executes jobs over one attached store. Holds nothing between jobs but decoded plans and metas, and free buffers. */
export class QueryJobRunner {
  readonly #options: JobRunnerOptions;
  readonly #plans: ByteLru<number, PreparedPlan>;
  readonly #buffers = new BodyBuffers();
  readonly #metas = new MetaPool();

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
    const { projection } = prepared;
    const scan = { job, plan, cursor, sources, queue, buffers, projection };
    const first = job.ahead?.isOnly === true ? undefined : nextBatch(scan);
    const ahead = first?.isFull === false ? [] : lookAhead(scan, first);
    const transfer: ArrayBuffer[] = [];
    for (const buffer of [first?.buffer, ...ahead.map((batch) => batch.buffer)]) {
      if (buffer instanceof ArrayBuffer) transfer.push(buffer);
    }
    const own = first?.progress ?? nothingFound(job);
    return { result: { ...own, ahead: ahead.map(({ progress }) => progress) }, transfer };
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
    const store = new BlockStore(reader, blockCacheBytes, this.#metas);
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

/** Own part of a job that only looks ahead. */
function nothingFound({ cursor = new Uint8Array(0) }: QueryJob): QueryProgress {
  return {
    error: undefined,
    cursor,
    isDrained: false,
    isFinished: false,
    nextTs: 0n,
    recordCount: 0,
    bodyBytes: 0,
    headerLines: '',
    body: [],
    record: undefined,
    places: undefined,
  };
}

function beginning(plan: QueryPlan): QueryCursor {
  return {
    nextTs: plan.firstTs.slice(),
    closed: new Uint8Array(plan.firstTs.length),
    states: new Map(),
  };
}
