/** `/lifecycles` (http-api-extras §5). All of it needs full access. */
import { ApiError } from '../../errors/errors.ts';
import { parseLifecycleMode, parseLifecycleSettings } from '../../lifecycle/settings-json.ts';
import { authenticate, identify, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';

export function listLifecycles(front: Front, exchange: Exchange, req: UwsRequest): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.lifecycles.list());
}

export function readLifecycle(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.lifecycles.detail(name));
}

export function createLifecycle(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  change(front, exchange, req, parseLifecycleSettings, (settings) =>
    front.deps.lifecycles.create(name, settings),
  );
}

export function updateLifecycle(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  change(front, exchange, req, parseLifecycleSettings, (settings) =>
    front.deps.lifecycles.update(name, settings),
  );
}

export function setLifecycleMode(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  change(front, exchange, req, parseLifecycleMode, (mode) =>
    front.deps.lifecycles.setMode(name, mode),
  );
}

export function removeLifecycle(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  answerLater(exchange, front.deps.lifecycles.remove(name), () => exchange.ok());
}

/** The document is read before the token is looked at (http-api §1.4). */
function change<T>(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  parse: (text: string) => T,
  apply: (value: T) => Promise<void>,
): void {
  front.headers.scan(req, exchange);
  const { authorization } = front.headers;
  const invalidBody = new ApiError(422, 'Invalid body');
  const options = {
    maxBytes: MAX_SETTINGS_BYTES,
    tooLarge: invalidBody,
    notText: invalidBody,
    beforeLarge: () => identify(front, exchange, authorization),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const value = parse(text);
    requireFull(identify(front, exchange, authorization));
    answerLater(exchange, apply(value), () => exchange.ok());
  });
  body.receive(front.headers);
}
