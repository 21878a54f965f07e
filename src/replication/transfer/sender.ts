/** Sends one batch and finds out what became of its records (replication §5.7). */
import { ApiError } from '../../errors/errors.ts';
import { isMetaEntry } from '../entry-pattern.ts';
import type { SliceFailure } from '../messages.ts';
import {
  decideRequest,
  type RecordAction,
  type RequestAction,
  type RequestResult,
} from '../outcome.ts';
import {
  type Batch,
  firstTsOf,
  lengthOfLine,
  recordLines,
  splitBatch,
  tsOfLine,
} from '../scan/batch.ts';
import { isOnPath } from '../replication-path.ts';
import type { DeadLetter } from '../types.ts';
import { compressRequest, newBatchRequest } from './batch-request.ts';
import type { BodyCompressor } from './compression.ts';
import { compareRecords, type Comparison, toLabelUpdate } from './duplicates.ts';
import { goneText, type RecordSource } from './record-source.ts';
import {
  addSent,
  type BatchOutcome,
  failed,
  moreUrgent,
  NOTHING_SENT,
  phaseOf,
  recordResult,
  type SentBatch,
  toResult,
} from './send-result.ts';
import { describeResult, failureOf, lookupFailure } from './failure.ts';
import { newRecordRequest, TargetLookupError, type TargetPlace } from './target-records.ts';
import { conflictLetter, fateOf, type Refusal, refusedLetter } from './record-fate.ts';
import type { KnownTarget } from './known-target.ts';
import { lacksOf } from './target-info.ts';
import type { RefusalMemory } from './refusal-memory.ts';
import type { RequestGroup } from './exchange.ts';
import type { TargetClient } from './target-client.ts';

/** Told about everything that is counted per attempt. */
export interface SendCounter {
  countError(key: number, message: string, records: number): void;
  /** Records came from the target, and are not sent back. */
  countLooped(records: number): void;
  /** A compressed body went out. */
  countCompressed(plainBytes: number, wireBytes: number): void;
}

export interface SenderOptions {
  readonly client: TargetClient;
  readonly bucketName: string;
  readonly records: RecordSource;
  /** Updates of records that the target lacks are left out: the task samples (replication §2.4). */
  readonly isUpdateOnly: boolean;
  readonly group: RequestGroup;
  readonly memory: RefusalMemory;
  readonly compressor: BodyCompressor;
  readonly known: KnownTarget;
  readonly counter: SendCounter;
  readonly resendSequence: number;
  readonly nowMs: () => number;
}

/** Answer to a read of a record that is still being written. */
const UNFINISHED_STATUS = 425;

/** Servers give up an upload that does not get on after 30 s (`RS_IO_OPERATION_TIMEOUT`). */
const UNFINISHED_WAIT_MS = 35_000;

const NO_UPDATES = 'The target cannot update labels (API below 1.11); its records keep theirs';

export class Sender {
  readonly #options: SenderOptions;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Sends the batch, in pieces where the target wants that. Rejects only on a bug of ours. */
  async send(batch: Batch): Promise<BatchOutcome> {
    const { memory, isUpdateOnly, known } = this.#options;
    if (batch.single?.carrier === 'none') {
      return this.#deadLetter(batch, { key: 422, message: batch.single.refusal });
    }
    // What follows upon an answer of the target is something that it has not.
    if (known.place !== null && !batch.isFollowUp && isOnPath(known.place, batch.path)) {
      this.#options.counter.countLooped(batch.recordCount);
      return NOTHING_SENT;
    }
    const lacks = lacksOf(known.info);
    if (batch.kind === 'update' && lacks.updates) return this.#withoutUpdate(batch);
    const most = memory.maxRecords;
    if (batch.recordCount > most) return this.#sendParts(batch, most);
    const { result, gone } = await this.#post(batch);
    if (gone !== null) {
      this.#options.counter.countError(404, gone, 1);
      return { ...NOTHING_SENT, removedAtSource: 1 };
    }
    const described = describeResult(result);
    const action = decideRequest(
      {
        phase: phaseOf(batch),
        recordCount: batch.recordCount,
        earlierRefusals: memory.earlierRefusals(batch, described.key),
        // Attachments are never sampled.
        updateOnly: isUpdateOnly && !isMetaEntry(batch.entryName),
        isFollowUp: batch.isFollowUp,
        isBeyondTarget: lacks.nesting && batch.entryPath.includes('/'),
      },
      result,
    );
    return this.#act(batch, action, result);
  }

  /**
   * The target cannot update labels: records that it has not are written with them, and those that it has keep the labels
   * they have there (replication §5.12).
   */
  async #withoutUpdate(batch: Batch): Promise<BatchOutcome> {
    // New labels for what a write has found there.
    if (batch.isFollowUp) return NOTHING_SENT;
    if (this.#options.isUpdateOnly && !isMetaEntry(batch.entryName)) return NOTHING_SENT;
    const wanted = recordLines(batch).map(tsOfLine);
    const outcome = await this.#writeInFull(batch, wanted, NOTHING_SENT);
    if (outcome.kind === 'sent' && outcome.duplicates > 0) {
      this.#options.counter.countError(405, NO_UPDATES, outcome.duplicates);
    }
    return outcome;
  }

  async #act(batch: Batch, action: RequestAction, result: RequestResult): Promise<BatchOutcome> {
    const { memory, counter } = this.#options;
    const described = describeResult(result);
    switch (action.action) {
      case 'delivered':
        memory.forget(batch);
        return this.#afterAnswer(batch, action.records, result);
      case 'duplicate-check':
        return this.#afterAnswer(batch, new Map([[firstTsOf(batch), action]]), result);
      case 'dead-letter':
        return this.#deadLetter(batch, described);
      case 'split':
        memory.remember(batch, described.key);
        return this.#split(batch, described.key);
      case 'write-in-full':
        return this.#writeInFull(batch, recordLines(batch).map(tsOfLine), NOTHING_SENT);
      case 'nothing-to-update':
        return { ...NOTHING_SENT, requests: 1 };
      case 'available':
      case 'create-bucket':
      case 'recheck-target':
      case 'auth-wait':
      case 'retry-later':
        memory.remember(batch, described.key);
        counter.countError(described.key, described.message, batch.recordCount);
        return { kind: 'kept', failure: failureOf(action, result) };
    }
  }

  async #post(batch: Batch): Promise<{ result: RequestResult; gone: string | null }> {
    const { client, bucketName, records, group, compressor, counter, known } = this.#options;
    const { coding } = known;
    const plain = newBatchRequest(batch, bucketName, records, known.ownPlace);
    const { request, source, wire } =
      coding === null ? plain : await compressRequest(plain, batch, coding, compressor);
    try {
      const answer = await client.request(request, group);
      if (!Buffer.isBuffer(request.body)) group.wireBytes += wire?.bytes ?? batch.bodyBytes;
      if (wire !== null) counter.countCompressed(batch.bodyBytes, wire.bytes);
      return { result: toResult(answer), gone: null };
    } catch (error) {
      // How much of a stream got through before it broke is not known: all of it counts.
      if (!Buffer.isBuffer(request.body)) group.wireBytes += wire?.bytes ?? batch.bodyBytes;
      if (source.gone !== null) return { result: failed(error), gone: source.gone.message };
      return { result: failed(error), gone: null };
    }
  }

  /** A request that was accepted: most records are delivered, those in `actions` are not, or not yet for sure. */
  async #afterAnswer(
    batch: Batch,
    actions: ReadonlyMap<bigint, RecordAction>,
    result: RequestResult,
  ): Promise<BatchOutcome> {
    const sum = {
      ...NOTHING_SENT,
      records: batch.recordCount,
      bytes: batch.bodyBytes,
      requests: 1,
    };
    if (actions.size === 0) return sum;
    const lines = recordLines(batch);
    const compared = await this.#compare(batch, lines, actions);
    if ('kind' in compared) return compared;
    let { records, bytes, duplicates } = sum;
    const deadLetters: DeadLetter[] = [];
    const conflicts: DeadLetter[] = [];
    const inFull: bigint[] = [];
    const relabelled: string[] = [];
    const isResend = batch.firstSequence < this.#options.resendSequence;
    const nowMs = this.#options.nowMs();
    let failure: SliceFailure | null = null;
    for (const line of lines) {
      const ts = tsOfLine(line);
      const action = actions.get(ts);
      if (action === undefined) continue;
      const why = recordResult(result, ts);
      const fate = fateOf(batch, action, compared.get(ts), why, isResend);
      if (fate === 'duplicate' || fate === 'other-labels') {
        duplicates++;
        if (fate === 'other-labels') relabelled.push(line);
        continue;
      }
      records--;
      bytes -= lengthOfLine(line);
      if (fate === 'in-full') inFull.push(ts);
      if (fate === 'in-full' || fate === 'nothing') continue;
      this.#options.counter.countError(why.key, why.message, 1);
      if (fate === 'refused') deadLetters.push(refusedLetter(batch, line, why, nowMs));
      else if (fate === 'conflict')
        conflicts.push(conflictLetter(batch, line, compared.get(ts), nowMs));
      else failure = moreUrgent(failure, fate);
    }
    if (failure !== null) return { kind: 'kept', failure };
    const sent = { ...sum, records, bytes, duplicates, deadLetters, conflicts };
    if (inFull.length > 0) return this.#writeInFull(batch, inFull, sent);
    return this.#relabel(batch, relabelled, sent);
  }

  /** Compares what the target says it has already; the outcome of the batch where that cannot be done. */
  async #compare(
    batch: Batch,
    lines: readonly string[],
    actions: ReadonlyMap<bigint, RecordAction>,
  ): Promise<ReadonlyMap<bigint, Comparison> | BatchOutcome> {
    const taken = lines.filter((line) => actions.get(tsOfLine(line))?.action === 'duplicate-check');
    if (taken.length === 0) return new Map();
    const { client, bucketName, group, records, counter } = this.#options;
    const place = { client, bucketName, entryPath: batch.entryPath, group };
    try {
      return await compareRecords(place, records, batch, taken);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        counter.countError(404, error.message, 1);
        return { ...NOTHING_SENT, removedAtSource: 1 };
      }
      const failure = lookupFailure(error);
      counter.countError(failure.key, failure.message, taken.length);
      const ts = error instanceof TargetLookupError ? error.ts : null;
      if (ts !== null && failure.key === UNFINISHED_STATUS) {
        const isRemoved = await this.#removeUnfinished(batch, place, ts);
        // The others of the batch at the same go: they were cut off together.
        const others = new Map([...actions].filter(([other]) => other !== ts));
        if (isRemoved) await this.#compare(batch, lines, others);
      }
      return { kind: 'kept', failure };
    }
  }

  /**
   * A ReductStore whose writer was cut off keeps the record unfinished for ever: nobody can read it, and it is in the way of
   * the whole one. When it is certain that nobody writes it any more it is taken away, and the next attempt sends it.
   */
  async #removeUnfinished(batch: Batch, place: TargetPlace, ts: bigint): Promise<boolean> {
    const { client, group, memory, nowMs, counter } = this.#options;
    if (memory.unfinishedMs(batch, nowMs()) < UNFINISHED_WAIT_MS) return false;
    try {
      const answer = await client.request(newRecordRequest(place, ts, 'DELETE'), group);
      return answer.status === 200;
    } catch (error) {
      // What became of it is seen when the records are sent again.
      const { key, message } = describeResult(failed(error));
      counter.countError(key, message, 1);
      return false;
    }
  }

  /** Gives records that the target has already the labels they have here. */
  async #relabel(batch: Batch, lines: readonly string[], before: SentBatch): Promise<BatchOutcome> {
    const update = lines.length === 0 ? undefined : toLabelUpdate(batch, lines);
    if (update === undefined) return before;
    const outcome = await this.send(update);
    if (outcome.kind === 'kept') return outcome;
    // They were counted as records and duplicates already.
    return addSent(before, { ...outcome, records: 0, duplicates: 0 });
  }

  /** After an update that the target could not apply to these records (replication §5.5). */
  async #writeInFull(
    batch: Batch,
    wanted: readonly bigint[],
    before: SentBatch,
  ): Promise<BatchOutcome> {
    const { records, counter } = this.#options;
    const { batches, missing } = records.readFull(batch, wanted);
    let sum: SentBatch = { ...before, removedAtSource: before.removedAtSource + missing.length };
    for (const ts of missing) counter.countError(404, goneText(batch, ts), 1);
    for (const full of batches) {
      const outcome = await this.send({ ...full, isFollowUp: true });
      if (outcome.kind === 'kept') return outcome;
      sum = addSent(sum, outcome);
    }
    return sum;
  }

  async #split(batch: Batch, status: number): Promise<BatchOutcome> {
    const half = Math.ceil(batch.recordCount / 2);
    const outcome = await this.#sendParts(batch, half);
    // A limit on size is a property of the target (or a proxy): halves that went through show it.
    const isSizeLimit = status === 413 || status === 431;
    const wentThrough = outcome.kind === 'sent' && outcome.deadLetters.length === 0;
    if (isSizeLimit && wentThrough) this.#options.memory.limitRecords(half);
    return outcome;
  }

  /** One part after the other, so that the order within the entry is kept. */
  async #sendParts(batch: Batch, partRecords: number): Promise<BatchOutcome> {
    let sum: SentBatch = NOTHING_SENT;
    for (const part of splitBatch(batch, partRecords)) {
      const outcome = await this.send(part);
      if (outcome.kind === 'kept') return outcome;
      sum = addSent(sum, outcome);
    }
    return sum;
  }

  #deadLetter(batch: Batch, why: Refusal): SentBatch {
    const { memory, counter, nowMs } = this.#options;
    memory.forget(batch);
    counter.countError(why.key, why.message, batch.recordCount);
    const letter = (line: string): DeadLetter => refusedLetter(batch, line, why, nowMs());
    const deadLetters = recordLines(batch).map(letter);
    return { ...NOTHING_SENT, deadLetters };
  }
}
