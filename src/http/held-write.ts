/**
 * A write that waits for its place among the writers in flight: what has arrived of its body is kept, its connection
 * paused, until the gate lets it in. Nothing of it is looked at before.
 */
import { ApiError, UnavailableError } from '../errors/errors.ts';
import type { GateWaiter, WriterGate } from '../limits/writer-gate.ts';
import type { BodyIntake, IntakeContext } from './body-intake.ts';
import { UPLOAD_MEMORY_TEXT } from './body-flow.ts';
import type { AbortListener, Exchange } from './exchange.ts';
import type { SweptBody } from './progress-sweep.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { UploadLease } from './upload-budget.ts';

const EXCEEDED_TEXT = 'in-flight writers limit exceeded: try again later';

/** Begins to receive the body of a write whose head was accepted. Valid in the request's handler only. */
export type StartWrite = (exchange: Exchange, write: BodyIntake, headers: RequestHeaders) => void;

/** @param gate of `RS_IO_MAX_WRITERS_IN_FLIGHT`; undefined is no limit and costs nothing. */
export function createStartWrite(context: IntakeContext, gate: WriterGate | undefined): StartWrite {
  if (gate === undefined) return (_exchange, write, headers) => write.receive(headers);
  return (exchange, write, headers) => {
    if (gate.tryEnter()) {
      exchange.onClosed = () => gate.leave();
      write.receive(headers);
    } else if (write.begin(headers)) {
      new HeldWrite(exchange, write, context, gate).hold();
    }
  };
}

class HeldWrite implements AbortListener, GateWaiter, SweptBody {
  readonly #exchange: Exchange;
  readonly #write: BodyIntake;
  readonly #context: IntakeContext;
  readonly #gate: WriterGate;
  readonly #lease: UploadLease;
  readonly #sinceMs = performance.now();
  /** What has arrived: little, as the connection is paused at once. */
  readonly #chunks: ArrayBuffer[] = [];
  #isWhole = false;
  /** Its wait is over: everything goes to the write. */
  #isLetGo = false;

  constructor(exchange: Exchange, write: BodyIntake, context: IntakeContext, gate: WriterGate) {
    this.#exchange = exchange;
    this.#write = write;
    this.#context = context;
    this.#gate = gate;
    this.#lease = context.budget.openLease();
  }

  hold(): void {
    const { res } = this.#exchange;
    this.#exchange.abortListener = this;
    this.#gate.wait(this);
    this.#context.sweep.add(this);
    res.onData((chunk, isLast) => {
      if (this.#isLetGo) this.#write.accept(chunk, isLast);
      else this.#keep(chunk, isLast);
    });
  }

  onAdmitted(): void {
    if (!this.#exchange.isOpen || this.#isLetGo) {
      this.#gate.leave();
      return;
    }
    this.#exchange.onClosed = () => this.#gate.leave();
    this.#letGo();
  }

  onAborted(): void {
    this.#gate.cancel(this);
    this.#end();
  }

  tick(nowMs: number): void {
    if (nowMs - this.#sinceMs > this.#context.sweep.timeoutMs && this.#gate.cancel(this)) {
      this.#write.decline(new ApiError(429, EXCEEDED_TEXT));
      this.#letGo();
    } else if (!this.#isWhole) {
      // The library's timer starts anew.
      this.#exchange.res.pause();
    }
  }

  #keep(chunk: ArrayBuffer, isLast: boolean): void {
    this.#isWhole = isLast;
    if (!isLast) this.#exchange.res.pause();
    if (chunk.byteLength > 0 && !this.#lease.take(chunk.byteLength)) {
      this.#gate.cancel(this);
      this.#write.decline(new UnavailableError(UPLOAD_MEMORY_TEXT));
      this.#letGo();
      if (this.#exchange.isOpen) this.#write.accept(chunk, isLast);
      return;
    }
    this.#chunks.push(chunk.slice(0));
  }

  /** Everything kept goes to the write, and what comes from now on. The write makes the connection flow again. */
  #letGo(): void {
    this.#end();
    this.#exchange.abortListener = this.#write;
    const last = this.#chunks.length - 1;
    for (const [i, chunk] of this.#chunks.entries()) {
      if (!this.#exchange.isOpen) break;
      this.#write.accept(chunk, this.#isWhole && i === last);
    }
    this.#chunks.length = 0;
  }

  #end(): void {
    this.#isLetGo = true;
    this.#context.sweep.delete(this);
    this.#lease.close();
  }
}
