/** Answers whose bodies matter: short ones as a whole, contents of records piece by piece. */
import { type AnswerReader, Exchange, type HttpAnswer, type RequestGroup } from './exchange.ts';
import type { HttpRequest, TargetClient } from './target-client.ts';

/**
 * Makes a request and hands the body of its answer on as it comes.
 * @param onHead called with status and headers before the body comes; an error ends the request with it.
 * @returns the answer when the whole body was there; rejects like `TargetClient.request`, and when it broke off.
 */
export function requestBody(
  client: TargetClient,
  request: HttpRequest,
  group: RequestGroup,
  take: AnswerReader['take'],
  onHead: (answer: HttpAnswer) => void = () => undefined,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    client.dispatch(request, new Exchange(group, { take, onHead }, resolve, reject), group);
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
