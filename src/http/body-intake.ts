/**
 * Receiving the body of a request. What arrives at once is handed over as it is; everything else gets a flow and a
 * lease. A request that is refused is still read to its end before the answer, so that a client that sends first and
 * reads later gets it (http-api §1.6) and a replication source does not take it for a broken connection.
 */
import { UnavailableError } from '../errors/errors.ts';
import type { MillraceError } from '../errors/errors.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import { encodingRefusal } from './body-decoder.ts';
import { BodyFlow, UPLOAD_MEMORY_TEXT } from './body-flow.ts';
import type { BodyReceiver } from './body-flow.ts';
import type { AbortListener, Exchange } from './exchange.ts';
import type { ProgressSweep } from './progress-sweep.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { UploadBudget, UploadLease } from './upload-budget.ts';

/** What intakes share. */
export interface IntakeContext {
  readonly budget: UploadBudget;
  readonly sweep: ProgressSweep;
}

export abstract class BodyIntake implements BodyReceiver, AbortListener {
  protected readonly exchange: Exchange;
  readonly #context: IntakeContext;
  #encoding = '';
  #expects100 = false;
  #flow: BodyFlow | undefined;
  #lease: UploadLease | undefined;
  #refusal: MillraceError | undefined;

  constructor(exchange: Exchange, context: IntakeContext) {
    this.exchange = exchange;
    this.#context = context;
  }

  /**
   * Begins to read. To be called in the request's handler, because the library tells the first bytes right behind it.
   * @param refusal the answer, when it is already known that it is an error.
   */
  receive(headers: RequestHeaders, refusal?: MillraceError): void {
    if (!this.begin(headers, refusal)) return;
    this.exchange.res.onData((chunk, isLast) => this.accept(chunk, isLast));
  }

  /**
   * The part of `receive` that needs the head: what arrives is to be given to `accept`.
   * @returns false when it is answered and nothing is to be given.
   */
  begin(headers: RequestHeaders, refusal?: MillraceError): boolean {
    const { exchange } = this;
    this.#refusal = refusal;
    this.#expects100 = headers.expects100;
    if (headers.isEncoded) {
      this.#encoding = headers.contentEncoding;
      this.#refusal ??= encodingRefusal(this.#encoding);
    }
    if (this.#refusal !== undefined && this.#expects100) {
      exchange.fail(this.#refusal);
      return false;
    }
    exchange.abortListener = this;
    return true;
  }

  /** What `onData` gives. */
  accept(chunk: ArrayBuffer, isLast: boolean): void {
    if (this.#flow !== undefined) this.#flow.accept(chunk, isLast);
    else if (isLast && this.#isPlain(chunk)) this.#receiveWhole(chunk);
    else this.#beginFlow(chunk, isLast);
  }

  /** Before anything was accepted: the body is read to its end and answered with the error. */
  decline(error: MillraceError): void {
    this.#refusal ??= error;
    if (this.#expects100) this.exchange.fail(this.#refusal);
  }

  /** A piece of the body. @param bytes valid during the call. */
  abstract onBytes(bytes: Uint8Array): void;

  /** The whole body in one piece. @param bytes at most `CHUNK_BYTES`, valid during the call. */
  protected onWhole(bytes: Uint8Array): void {
    if (bytes.length > 0) this.onBytes(bytes);
    if (this.#refusal === undefined) this.onComplete();
  }

  /** All pieces were given and nothing was refused. */
  protected abstract onComplete(): void;

  /** The connection is gone or the request refused: nothing comes any more. Uploads are to be aborted. */
  protected abstract onDropped(): void;

  /** The flow; only while the body arrives in pieces. */
  protected get flow(): BodyFlow | undefined {
    return this.#flow;
  }

  /** Memory for what is kept; the first use makes the body one that arrives in pieces. */
  protected get lease(): UploadLease {
    this.#lease ??= this.#context.budget.openLease();
    return this.#lease;
  }

  protected get isRefused(): boolean {
    return this.#refusal !== undefined;
  }

  /** Reads the rest and answers with the error; the first refusal counts. */
  protected refuse(error: MillraceError): void {
    if (this.#refusal !== undefined || !this.exchange.isOpen) return;
    this.#refusal = error;
    this.onDropped();
    this.#lease?.close();
    if (this.#flow !== undefined && !this.#expects100) {
      this.#flow.discard();
      return;
    }
    this.exchange.fail(error);
    this.#flow?.stop();
  }

  protected refuseForMemory(): void {
    this.refuse(new UnavailableError(UPLOAD_MEMORY_TEXT));
  }

  /** Gives memory back once nothing is kept any more. */
  protected releaseMemory(): void {
    this.#lease?.close();
  }

  onEnd(): void {
    this.#flow = undefined;
    if (this.#refusal === undefined) this.onComplete();
    else this.exchange.fail(this.#refusal);
  }

  onBroken(error: MillraceError, isReadable: boolean): void {
    if (isReadable) {
      this.refuse(error);
      return;
    }
    if (this.#refusal === undefined) {
      this.#refusal = error;
      this.onDropped();
    }
    this.#lease?.close();
    this.exchange.refuse(error.status, error.message, true);
  }

  onAborted(): void {
    this.#flow?.stop();
    if (this.#refusal === undefined) this.onDropped();
    this.#lease?.close();
  }

  #receiveWhole(chunk: ArrayBuffer): void {
    if (this.#refusal !== undefined) {
      this.exchange.fail(this.#refusal);
      return;
    }
    this.onWhole(new Uint8Array(chunk));
  }

  #isPlain(chunk: ArrayBuffer): boolean {
    return this.#encoding === '' && chunk.byteLength <= CHUNK_BYTES;
  }

  #beginFlow(chunk: ArrayBuffer, isLast: boolean): void {
    const { sweep } = this.#context;
    const encoding = this.#refusal === undefined ? this.#encoding : '';
    const flow = new BodyFlow(this.exchange, sweep, this.lease, this, encoding);
    this.#flow = flow;
    if (this.#refusal !== undefined) flow.discard();
    flow.accept(chunk, isLast);
  }
}

/** A request whose refusal is known from its head: the body is read and dropped, then the answer is sent. */
export class RefusedBody extends BodyIntake {
  onBytes(): void {
    // Nothing is kept.
  }

  protected onComplete(): void {
    // A refusal is given from the start.
  }

  protected onDropped(): void {
    // Nothing is held.
  }
}
