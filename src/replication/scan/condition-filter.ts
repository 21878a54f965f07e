/**
 * Step 8 of the filters: the condition of a task (`when`), one stream per entry, strict (replication §2.5). Any
 * evaluation error means "not replicated".
 */
import { ApiError } from '../../errors/errors.ts';
import type { BlockView } from '../../store/block.ts';
import type { Labels } from '../../store/labels.ts';
import { labelValue } from '../../store/labels.ts';
import { compileCondition, type CompiledCondition } from '../../when/condition.ts';
import type { ConditionStream, PushResult } from '../../when/evaluate/stream.ts';
import type { RecordView } from '../../when/frame.ts';
import { parseJson } from '../../wire/json.ts';
import type { EntryConditionState } from '../filter-state.ts';
import type { RecordSink } from './task-filter.ts';

/** Reads a block again, for context that was held when a cursor was saved; undefined when it was removed. */
export type ReadBlock = (sequence: number) => BlockView | undefined;

/** Records of context per entry that a cursor carries; what is older is forgotten at a restart or a slice's end. */
const MAX_SAVED_CONTEXT = 1024;

export interface ConditionErrors {
  readonly records: number;
  readonly message: string;
}

class ConditionRecord implements RecordView {
  readonly view: BlockView;
  readonly index: number;
  readonly timestamp: bigint;
  readonly #labels: Labels;

  constructor(view: BlockView, index: number, labels: Labels) {
    this.view = view;
    this.index = index;
    this.timestamp = view.ts(index);
    this.#labels = labels;
  }

  label(name: string): string | undefined {
    return labelValue(this.#labels, name);
  }

  hasLabel(name: string): boolean {
    return this.label(name) !== undefined;
  }
}

type Stream = ConditionStream<ConditionRecord>;

export class ConditionFilter {
  readonly #condition: CompiledCondition;
  readonly #readBlock: ReadBlock;
  readonly #streams: Map<number, Stream> = new Map();
  /** Evaluation errors so far, or since they were taken. */
  errors = 0;
  lastError = '';

  /** @throws ApiError 422 or JsonSyntaxError when the text is no condition. */
  constructor(whenText: string, readBlock: ReadBlock) {
    this.#condition = compileCondition(parseJson(whenText, { keepFloats: true }));
    this.#readBlock = readBlock;
  }

  /** Records that could not be evaluated since the last call, and the last reason; `null`: none. */
  takeErrors(): ConditionErrors | null {
    const { errors, lastError } = this;
    this.errors = 0;
    return errors === 0 ? null : { records: errors, message: lastError };
  }

  get batchLimits(): { readonly records?: number; readonly bytes?: number } {
    const { batchRecords, batchSizeBytes } = this.#condition.directives;
    return {
      ...(batchRecords === undefined ? {} : { records: batchRecords }),
      ...(batchSizeBytes === undefined ? {} : { bytes: batchSizeBytes }),
    };
  }

  /** Offers one record; hands on what is to be sent now, which may include earlier records as context. */
  push(view: BlockView, index: number, labels: Labels, sink: RecordSink): void {
    const record = new ConditionRecord(view, index, labels);
    for (const passed of this.#evaluate(this.#streamOf(view.entryId), record).emit) {
      sink.append(passed.view, passed.index, passed.index + 1);
    }
  }

  restore(states: ReadonlyMap<number, EntryConditionState>): void {
    this.#streams.clear();
    for (const [entryId, { state, buffered }] of states) {
      const stream = this.#condition.createStream<ConditionRecord>(true);
      stream.restore(state, this.#readContext(buffered));
      this.#streams.set(entryId, stream);
    }
  }

  snapshot(): Map<number, EntryConditionState> {
    const states = new Map<number, EntryConditionState>();
    for (const [entryId, stream] of this.#streams) {
      const context = stream.buffered().slice(-MAX_SAVED_CONTEXT);
      const buffered = context.flatMap(({ view, index }) => [view.sequence, index]);
      states.set(entryId, { state: stream.snapshot(), buffered });
    }
    return states;
  }

  #evaluate(stream: Stream, record: ConditionRecord): PushResult<ConditionRecord> {
    try {
      return stream.push(record);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.errors++;
      this.lastError = error.message;
      return { emit: [], stop: false };
    }
  }

  #streamOf(entryId: number): Stream {
    let stream = this.#streams.get(entryId);
    if (stream === undefined) {
      stream = this.#condition.createStream<ConditionRecord>(true);
      this.#streams.set(entryId, stream);
    }
    return stream;
  }

  #readContext(places: readonly number[]): ConditionRecord[] {
    const records: ConditionRecord[] = [];
    for (let i = 0; i + 1 < places.length; i += 2) {
      const view = this.#readBlock(places[i] ?? 0);
      const index = places[i + 1] ?? 0;
      if (view === undefined || index >= view.recordCount) continue;
      records.push(new ConditionRecord(view, index, view.metaOf(index).labels));
    }
    return records;
  }
}
