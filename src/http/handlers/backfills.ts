/** `/replications/:name/backfills` (docs/http-extensions.md). */
import { authenticate, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import type { UwsRequest } from '../uws.ts';
import { changeReplication } from './replications.ts';

export function listBackfills(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.replications.backfills.list(name));
}

export function readBackfill(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name, entryName }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.replications.backfills.detail(name, entryName));
}

export function createBackfill(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  const { backfills } = front.deps.replications;
  changeReplication(front, exchange, req, (text) => backfills.create(name, text));
}

export function changeBackfill(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name, entryName }: Route,
): void {
  const { backfills } = front.deps.replications;
  changeReplication(front, exchange, req, (text) => backfills.setState(name, entryName, text));
}

export function cancelBackfill(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name, entryName }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  const answer = front.deps.replications.backfills.cancel(name, entryName);
  answerLater(exchange, answer, (text) => exchange.json(text));
}
