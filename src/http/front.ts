/** What every handler works with. */
import type { FrontDeps } from './deps.ts';
import type { Exchange, ExchangeContext } from './exchange.ts';
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
  /** `performance.now()` when the front was made. */
  readonly startMs: number;
}

/**
 * Handles one method of one target. May throw an error before it has answered: it becomes the answer.
 * @param req valid during the call only.
 */
export type Handler = (front: Front, exchange: Exchange, req: UwsRequest, route: Route) => void;

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
