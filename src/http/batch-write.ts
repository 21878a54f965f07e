/**
 * A batch write of either protocol: records cut out of the body in order, each one staged as soon as it is complete.
 *
 * A record that is refused for good is reported and its bytes are skipped. A condition that will pass refuses the whole
 * request with 503 instead: a ReductStore source drops every record that is reported, whatever the code
 * (replication §5.6). Records staged before that stay, and answer 409 when the batch comes again.
 */
import type { Entry } from '../catalog/model.ts';
import type { Ingest, WriteSink } from '../commit/types.ts';
import { ApiError, MillraceError, UnavailableError } from '../errors/errors.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import type { Labels } from '../store/labels.ts';
import { BodyIntake } from './body-intake.ts';
import type { IntakeContext } from './body-intake.ts';
import type { Exchange } from './exchange.ts';
import { GrowingBuffer, LargeContent } from './record-content.ts';

/** One record of the batch, in the order of contents in the body. */
export interface BatchRecord {
  /** Where it goes, or why it cannot. */
  readonly target: Entry | MillraceError;
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly contentType: string;
  readonly labels: Labels;
}

/** Header lines of the answer. @param errors by record index; only refused records. */
export type BatchAnswer = (errors: ReadonlyMap<number, MillraceError>) => string;

/** Errors that a later attempt may not see, so that no record may be given up for them. */
export function isPassing(error: MillraceError): boolean {
  if (error.code === 'API') return PASSING_STATUSES.has(error.status);
  return error.status >= 500;
}

/** 500 is not among them: the contract has texts with it that repeat for ever, such as a FIFO quota of 0. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([425, 429, 502, 503, 504, 507]);

const NO_BYTES = new Uint8Array(0);

export class BatchWrite extends BodyIntake implements WriteSink {
  readonly #ingest: Ingest;
  readonly #records: readonly BatchRecord[];
  readonly #answer: BatchAnswer;
  readonly #path: string;
  readonly #errors = new Map<number, MillraceError>();
  readonly #uploads = new Set<LargeContent>();
  /** The record whose content comes next, and how much of it is here. */
  #index = 0;
  #receivedBytes = 0;
  #small: GrowingBuffer | undefined;
  #large: LargeContent | undefined;
  /** Records on their way to the store. */
  #pending = 0;
  #isBodyComplete = false;

  /** @param path of replication that the records came by. */
  constructor(
    exchange: Exchange,
    context: IntakeContext,
    ingest: Ingest,
    records: readonly BatchRecord[],
    answer: BatchAnswer,
    path = '',
  ) {
    super(exchange, context);
    this.#ingest = ingest;
    this.#records = records;
    this.#answer = answer;
    this.#path = path;
  }

  onBytes(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.isRefused) {
      this.#passEmpty();
      const record = this.#records[this.#index];
      if (record === undefined) return; // surplus behind the last record is ignored
      const take = Math.min(record.lengthBytes - this.#receivedBytes, bytes.length - at);
      this.#consume(record, bytes.subarray(at, at + take));
      at += take;
    }
  }

  protected onComplete(): void {
    this.#passEmpty();
    if (this.#index < this.#records.length) {
      this.refuse(new ApiError(400, 'Content is shorter than expected: no more data to read'));
      return;
    }
    this.#isBodyComplete = true;
    this.#answerWhenDone();
  }

  protected onDropped(): void {
    for (const large of this.#uploads) large.abort();
    this.#uploads.clear();
  }

  onWritten(index: number, error: MillraceError | null): void {
    this.#pending--;
    if (error !== null) this.#reject(index, error);
    this.#answerWhenDone();
  }

  /** Records without content take no bytes. */
  #passEmpty(): void {
    while (!this.isRefused) {
      const record = this.#records[this.#index];
      if (record === undefined || record.lengthBytes > 0) return;
      this.#consume(record, NO_BYTES);
    }
  }

  /** @param bytes not beyond the end of the record. */
  #consume(record: BatchRecord, bytes: Uint8Array): void {
    const { target, lengthBytes } = record;
    this.#receivedBytes += bytes.length;
    if (target instanceof MillraceError) {
      if (this.#receivedBytes === bytes.length) this.#reject(this.#index, target);
    } else if (bytes.length === lengthBytes && lengthBytes <= CHUNK_BYTES) {
      this.#stage(target, record, bytes);
    } else if (this.#errors.has(this.#index)) {
      // Refused when it began: its bytes are skipped.
    } else if (!this.#keep(target, record, bytes) && !this.#errors.has(this.#index)) {
      this.refuseForMemory();
    }
    if (this.#receivedBytes < lengthBytes) return;
    this.#receivedBytes = 0;
    this.#large = undefined;
    this.#index++;
  }

  #keep(entry: Entry, record: BatchRecord, bytes: Uint8Array): boolean {
    if (record.lengthBytes > CHUNK_BYTES) {
      this.#large ??= this.#openLarge(entry, record);
      return this.#large?.append(bytes) ?? false;
    }
    this.#small ??= new GrowingBuffer(this.lease, record.lengthBytes);
    if (!this.#small.append(bytes)) return false;
    if (this.#small.missingBytes === 0) {
      this.#stage(entry, record, this.#small.content());
      this.#small.release();
      this.#small = undefined;
    }
    return true;
  }

  #stage(entry: Entry, record: BatchRecord, payload: Uint8Array): void {
    const { ts, contentType, labels } = record;
    this.#pending++;
    this.#ingest.stage(entry, ts, contentType, labels, payload, this, this.#index, this.#path);
  }

  #openLarge(entry: Entry, record: BatchRecord): LargeContent | undefined {
    const { flow } = this;
    if (flow === undefined) return undefined;
    const index = this.#index;
    const { ts, contentType, labels, lengthBytes } = record;
    const refusal = this.#ingest.uploadRefusal(entry, lengthBytes);
    if (refusal !== undefined) {
      this.#reject(index, refusal);
      return undefined;
    }
    this.#pending++;
    const large = new LargeContent(this.#ingest, this.lease, flow, lengthBytes, (error) => {
      this.#uploads.delete(large);
      if (error !== null) {
        this.onWritten(index, error);
        return;
      }
      const upload = large.handOver();
      this.#ingest.stageUpload(entry, ts, contentType, labels, upload, this, index, this.#path);
    });
    this.#uploads.add(large);
    return large;
  }

  #reject(index: number, error: MillraceError): void {
    if (isPassing(error)) this.refuse(new UnavailableError(error.message, { cause: error }));
    else this.#errors.set(index, error);
  }

  #answerWhenDone(): void {
    if (!this.#isBodyComplete || this.#pending > 0 || this.isRefused) return;
    this.releaseMemory();
    this.exchange.answer(200, this.#answer(this.#errors), '');
  }
}
