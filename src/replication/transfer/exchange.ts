/** One request on its way and its answer, as undici tells of it. */
import type { Dispatcher } from 'undici';
import type { AnswerHeaders } from '../answer-headers.ts';

/** Bodies of most answers say nothing that the headers do not; longer ones are cut off. */
const MAX_UNREAD_BODY_BYTES = 1024 * 1024;

/** Colon, space and line end. */
export const HEADER_FRAME_BYTES = 4;
const STATUS_LINE_BYTES = 20;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
}

/** What can be given up. */
export interface Abortable {
  abort(reason: Error): void;
}

/** Requests that are given up together. */
export class RequestGroup {
  readonly #exchanges: Set<Abortable> = new Set();
  /** What requests of the group sent and received, without what TLS and TCP add. */
  wireBytes = 0;
  #reason: Error | undefined;

  /** Why requests of the group are given up; undefined: they are not. */
  get abortReason(): Error | undefined {
    return this.#reason;
  }

  add(exchange: Abortable): void {
    this.#exchanges.add(exchange);
  }

  delete(exchange: Abortable): void {
    this.#exchanges.delete(exchange);
  }

  /** Every request of the group rejects with `reason`, also those that are still to be made. */
  abort(reason: Error): void {
    this.#reason = reason;
    for (const exchange of this.#exchanges) exchange.abort(reason);
  }
}

/** Reads an answer. An error that it throws ends the request. */
export interface AnswerReader {
  /** Status and headers, before the body comes. */
  readonly onHead: (answer: HttpAnswer) => void;
  /** A piece of the body, as it comes. */
  readonly take: (piece: Buffer) => void;
}

/** Settles once; what comes later is ignored. */
export class Exchange implements Dispatcher.DispatchHandler, Abortable {
  readonly #group: RequestGroup;
  readonly #reader: AnswerReader | null;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #answer: HttpAnswer | undefined;
  #unreadBytes = 0;
  #abortReason: Error | undefined;

  /**
   * @param reader `null`: only the head counts. An answer whose head arrived is an answer then, whatever became of its body,
   *   which is read to its end so that the connection can be used again.
   */
  constructor(
    group: RequestGroup,
    reader: AnswerReader | null,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#group = group;
    this.#reader = reader;
    this.#resolve = resolve;
    this.#reject = reject;
    group.add(this);
  }

  /** Rejects at once; a connection in use is destroyed, one still being made goes on alone. */
  abort(reason: Error): void {
    this.#abortReason = reason;
    this.#group.delete(this);
    this.#reject(reason);
    this.#controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abortReason !== undefined) controller.abort(this.#abortReason);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHeaders,
  ): void {
    this.#group.wireBytes += answerHeadBytes(headers);
    if (status < 200) return;
    const answer = { status, headers };
    this.#answer = answer;
    this.#read((reader) => reader.onHead(answer));
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#group.wireBytes += piece.length;
    if (this.#reader !== null) {
      this.#read((reader) => reader.take(piece));
      return;
    }
    this.#unreadBytes += piece.length;
    if (this.#unreadBytes > MAX_UNREAD_BODY_BYTES)
      controller.abort(new Error('Too long an answer'));
  }

  onResponseEnd(): void {
    this.#settle(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle(error);
  }

  #read(read: (reader: AnswerReader) => void): void {
    if (this.#reader === null || this.#abortReason !== undefined) return;
    try {
      read(this.#reader);
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #settle(error: Error | null): void {
    this.#group.delete(this);
    const isWhole = error === null || this.#reader === null;
    if (this.#answer !== undefined && isWhole) this.#resolve(this.#answer);
    else this.#reject(error ?? new Error('The answer ended without a status'));
  }
}

/** Bytes of the head of an answer. */
function answerHeadBytes(headers: AnswerHeaders): number {
  let bytes = STATUS_LINE_BYTES + 2;
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value.join('') : (value ?? '');
    bytes += name.length + text.length + HEADER_FRAME_BYTES;
  }
  return bytes;
}
