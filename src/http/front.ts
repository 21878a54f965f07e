/** What every handler works with. */
import type { FrontDeps } from './deps.ts';
import type { Rates } from '../limits/rates.ts';
import { clientAddress } from './client-address.ts';
import type { Exchange, ExchangeContext } from './exchange.ts';
import type { StartWrite } from './held-write.ts';
import type { IntakeContext } from './body-intake.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { Route } from './router.ts';
import type { UwsRequest } from './uws.ts';

export interface Front {
  /** Read at each use: its members may be filled in while the store is being opened. */
  readonly deps: FrontDeps;
  readonly context: ExchangeContext;
  readonly intake: IntakeContext;
  /** The one scan of request headers, see its module. */
  readonly headers: RequestHeaders;
  readonly rates: Rates;
  /** Changes of buckets and what they hold are refused (http-api §1.12). */
  readonly isReadOnly: boolean;
  /** What created links begin with; ends with `/`. */
  readonly publicUrl: () => string;
  /** Receives the body of a write whose head was accepted. */
  readonly startWrite: StartWrite;
  /** `performance.now()` when the front was made. */
  readonly startMs: number;
}

/**
 * Handles one method of one target. May throw an error before it has answered: it becomes the answer.
 * @param req valid during the call only.
 */
export type Handler = (front: Front, exchange: Exchange, req: UwsRequest, route: Route) => void;

/** @param lengthBytes declared length of a write. @throws ApiError 429. */
export function chargeIngress(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  lengthBytes: number,
): void {
  const { ingress } = front.rates;
  if (ingress !== undefined) ingress(clientAddress(exchange.res, req), lengthBytes);
}

/** To be called with the bytes of the answer before it is sent. Throws ApiError 429. */
export type EgressCharge = (lengthBytes: number) => void;

/**
 * What reading costs this request; undefined when nothing.
 * @param req valid during the call only.
 */
export function egressCharge(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
): EgressCharge | undefined {
  const { egress } = front.rates;
  if (egress === undefined || exchange.isHead) return undefined;
  const client = clientAddress(exchange.res, req);
  return (lengthBytes) => egress(client, lengthBytes);
}

/** Answers when the promise settles: with what `answer` does, or with the error. */
export function answerLater<T>(
  exchange: Exchange,
  promise: Promise<T>,
  answer: (value: T) => void,
): void {
  promise.then(answer).catch((error: unknown) => {
    exchange.fail(error);
  });
}
