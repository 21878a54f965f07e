/** `/replications/:name/compare`, an endpoint of our own (docs/http-extensions.md). */
import { authenticate, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater, type Front } from '../front.ts';
import type { Route } from '../router.ts';
import type { UwsRequest } from '../uws.ts';
import { changeReplication } from './replications.ts';

export function startComparison(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  const { comparisons } = front.deps.replications;
  changeReplication(front, exchange, req, (text) => comparisons.start(name, text));
}

export function readComparison(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.replications.comparisons.detail(name));
}

export function cancelComparison(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  const answer = front.deps.replications.comparisons.cancel(name);
  answerLater(exchange, answer, (text) => exchange.json(text));
}
