/** An answer whose body is read piece by piece, as fast as its reader wants it and no faster. */
import type { Dispatcher } from 'undici';
import type { AnswerHeaders } from '../replication/answer-headers.ts';
import type { Abortable, RequestGroup } from '../replication/transfer/exchange.ts';
import type { HttpRequest, TargetClient } from '../replication/transfer/target-client.ts';

/** Body bytes that arrived and nobody asked for yet, at most; then the connection stands still. */
const READ_AHEAD_BYTES = 256 * 1024;

const NO_CONTENT = 204;

/** The body ended before what its headers announced, or the connection broke. */
export class BodyCutError extends Error {
  override readonly name = 'BodyCutError';
  readonly code = 'UND_ERR_SOCKET';
}

/** Sends a request and resolves with its answer once the head has arrived. Rejects like `TargetClient.request`. */
export function openAnswer(
  client: TargetClient,
  request: HttpRequest,
  group: RequestGroup,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client.dispatch(request, new Answer(group, resolve, reject));
  });
}

/** One reader at a time: call nothing before the last call has settled. */
export class Answer implements Dispatcher.DispatchHandler, Abortable {
  status = 0;
  headers: AnswerHeaders = {};
  readonly #group: RequestGroup;
  readonly #onHead: (answer: Answer) => void;
  readonly #onFailure: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  readonly #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #readBytes = 0;
  /** Bytes that the reader waits for; 0 while nobody waits. */
  #wantedBytes = 0;
  #wake: (() => void) | undefined;
  #isComplete = false;
  #error: Error | undefined;

  constructor(
    group: RequestGroup,
    onHead: (answer: Answer) => void,
    onFailure: (error: Error) => void,
  ) {
    this.#group = group;
    this.#onHead = onHead;
    this.#onFailure = onFailure;
    group.add(this);
  }

  /** Bytes of the body that were read so far. */
  get position(): number {
    return this.#readBytes;
  }

  /** Reads on to a position and forgets what was before; it may have been passed already. */
  async skipTo(position: number): Promise<void> {
    while (this.#readBytes < position) {
      if (this.#bufferedBytes === 0) await this.#fill(1);
      this.#consume(Math.min(position - this.#readBytes, this.#chunks[0]?.length ?? 0));
    }
  }

  /** The next `length` bytes, which must fit into memory. @throws BodyCutError, or what ended the connection. */
  async take(length: number): Promise<Buffer> {
    if (this.#bufferedBytes < length) await this.#fill(length);
    return this.#consume(length);
  }

  /** The next `length` bytes as they arrive. @throws as `take`. */
  async *stream(length: number): AsyncGenerator<Buffer> {
    let left = length;
    while (left > 0) {
      if (this.#bufferedBytes === 0) await this.#fill(1);
      const piece = this.#consume(Math.min(left, this.#chunks[0]?.length ?? 0));
      left -= piece.length;
      yield piece;
    }
  }

  /** The whole body as text. */
  async text(): Promise<string> {
    const parts: Buffer[] = [];
    for (;;) {
      if (this.#bufferedBytes === 0 && !this.#isComplete) await this.#fill(1, true);
      if (this.#bufferedBytes === 0) return Buffer.concat(parts).toString();
      parts.push(this.#consume(this.#bufferedBytes));
    }
  }

  /** Reads what is left and forgets it, so that the connection can be used again. */
  async discard(): Promise<void> {
    for (;;) {
      this.#chunks.length = 0;
      this.#bufferedBytes = 0;
      if (this.#isComplete) return;
      await this.#fill(1, true);
    }
  }

  /** Gives the answer up: its connection is closed, and whoever waits for bytes gets `reason`. */
  abort(reason: Error): void {
    const isOpen = this.#controller !== undefined;
    this.#fail(reason);
    if (isOpen && !this.#isComplete) this.#controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#error !== undefined) controller.abort(this.#error);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHeaders,
  ): void {
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    this.#onHead(this);
  }

  /** A connection that goes on after a pause may begin with a piece of no bytes; pieces kept have some. */
  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    if (this.#wantedBytes > 0 && this.#bufferedBytes >= this.#wantedBytes) this.#wakeUp();
    if (this.#wantedBytes === 0 && this.#bufferedBytes > READ_AHEAD_BYTES) controller.pause();
  }

  onResponseEnd(): void {
    this.#isComplete = true;
    this.#group.delete(this);
    this.#wakeUp();
  }

  /** ReductStore announces a length with 204, which never has a body; the connection is lost, the answer is not. */
  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.status === NO_CONTENT) this.onResponseEnd();
    else this.#fail(error);
  }

  #fail(error: Error): void {
    this.#group.delete(this);
    if (this.#isComplete) return;
    this.#error ??= error;
    if (this.status === 0) this.#onFailure(this.#error);
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wantedBytes = 0;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** @param mayEnd the end of the body is an answer, too. */
  async #fill(length: number, mayEnd = false): Promise<void> {
    while (this.#bufferedBytes < length && !this.#isComplete && this.#error === undefined) {
      this.#wantedBytes = length;
      const arrived = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#controller?.paused === true) this.#controller.resume();
      await arrived;
    }
    if (this.#bufferedBytes >= length) return;
    if (this.#error !== undefined) throw this.#error;
    if (mayEnd) return;
    const there = this.#bufferedBytes;
    throw new BodyCutError(`The answer ended ${length - there} bytes before its announced end`);
  }

  #consume(length: number): Buffer {
    const first = this.#chunks[0];
    if (length === 0 || first === undefined) return Buffer.alloc(0);
    this.#bufferedBytes -= length;
    this.#readBytes += length;
    if (first.length === length) {
      this.#chunks.shift();
      return first;
    }
    if (first.length > length) {
      this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let at = 0;
    while (at < length) {
      const chunk = this.#chunks[0] ?? bytes;
      const used = chunk.copy(bytes, at, 0, length - at);
      at += used;
      if (used === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(used);
    }
    return bytes;
  }
}
