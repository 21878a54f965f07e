/** `/replications` (replication §1). The token is checked before the body is read: no client depends on the other order. */
import { ApiError } from '../../errors/errors.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { authenticate, identify, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';

function isExtended(req: UwsRequest): boolean {
  return parseQueryString(req.getQuery() ?? '').get('ext') === '1';
}

export function listReplications(front: Front, exchange: Exchange, req: UwsRequest): void {
  requireFull(authenticate(front, exchange, req));
  const answer = front.deps.replications.list(isExtended(req));
  answerLater(exchange, answer, (text) => exchange.json(text));
}

export function readReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  const answer = front.deps.replications.detail(name, isExtended(req));
  answerLater(exchange, answer, (text) => exchange.json(text));
}

export function createReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  changeReplication(front, exchange, req, (text) => front.deps.replications.create(name, text));
}

export function updateReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  changeReplication(front, exchange, req, (text) => front.deps.replications.update(name, text));
}

export function setReplicationMode(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  changeReplication(front, exchange, req, (text) => front.deps.replications.setMode(name, text));
}

export function checkReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  changeReplication(front, exchange, req, (text) => front.deps.replications.check(name, text));
}

export function previewReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  changeReplication(front, exchange, req, (text) => front.deps.replications.preview(name, text));
}

export function removeReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  answerLater(exchange, front.deps.replications.remove(name), () => exchange.ok());
}

/**
 * Gives the body to `apply`, after the checks of its sender.
 * @param apply what it resolves with is the answer, as JSON; nothing is an empty answer.
 */
export function changeReplication(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  apply: (text: string) => Promise<string | void>,
): void {
  front.headers.scan(req, exchange);
  requireFull(identify(front, exchange, front.headers.authorization));
  const options = {
    maxBytes: MAX_SETTINGS_BYTES,
    tooLarge: new ApiError(422, 'Invalid body'),
    notText: new ApiError(422, 'Invalid body'),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    answerLater(exchange, apply(text), (answer) => {
      if (answer === undefined) exchange.ok();
      else exchange.json(answer);
    });
  });
  body.receive(front.headers);
}
