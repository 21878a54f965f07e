/** Answers whose bodies matter: short ones as a whole, contents of records piece by piece. */
import type { Dispatcher } from 'undici';
import type { AnswerHeaders } from '../answer-headers.ts';
import {
  answerHeadBytes,
  type Abortable,
  type HttpAnswer,
  type HttpRequest,
  type RequestGroup,
  type TargetClient,
} from './target-client.ts';

/** Takes pieces of a body; an error ends the request with it. */
export type TakePiece = (piece: Buffer) => void;

/**
 * Makes a request and hands the body of its answer on as it comes.
 * @param onHead called with status and headers before the body comes; an error ends the request with it.
 * @returns the answer when the whole body was there; rejects like `TargetClient.request`, and when it broke off.
 */
export function requestBody(
  client: TargetClient,
  request: HttpRequest,
  group: RequestGroup,
  take: TakePiece,
  onHead: (answer: HttpAnswer) => void = () => undefined,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    client.dispatch(request, new BodyExchange(group, { take, onHead }, resolve, reject), group);
  });
}

/** The same for short bodies. @param maxBytes a longer body rejects. */
export async function requestText(
  client: TargetClient,
  request: HttpRequest,
  group: RequestGroup,
  maxBytes: number,
): Promise<HttpAnswer & { readonly text: string }> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const answer = await requestBody(client, request, group, (piece) => {
    bytes += piece.length;
    if (bytes > maxBytes) throw new Error(`The answer is longer than ${maxBytes} bytes`);
    pieces.push(Buffer.from(piece));
  });
  return { ...answer, text: Buffer.concat(pieces).toString() };
}

interface AnswerReader {
  readonly take: TakePiece;
  readonly onHead: (answer: HttpAnswer) => void;
}

class BodyExchange implements Dispatcher.DispatchHandler, Abortable {
  readonly #group: RequestGroup;
  readonly #reader: AnswerReader;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #answer: HttpAnswer | undefined;
  #abortReason: Error | undefined;

  constructor(
    group: RequestGroup,
    reader: AnswerReader,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: Error) => void,
  ) {
    this.#group = group;
    this.#reader = reader;
    this.#resolve = resolve;
    this.#reject = reject;
    group.add(this);
  }

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
    if (status < 200 || this.#abortReason !== undefined) return;
    const answer = { status, headers };
    this.#answer = answer;
    this.#attempt(() => this.#reader.onHead(answer));
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#group.wireBytes += piece.length;
    if (this.#abortReason === undefined) this.#attempt(() => this.#reader.take(piece));
  }

  #attempt(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  onResponseEnd(): void {
    this.#group.delete(this);
    if (this.#answer === undefined) this.#reject(new Error('The answer ended without a status'));
    else this.#resolve(this.#answer);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#group.delete(this);
    this.#reject(error);
  }
}
