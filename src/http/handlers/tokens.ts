/** `/tokens` (http-api §3.6). All of it needs full access. */
import type { IssuedToken } from '../../auth/types.ts';
import { authenticate, identify, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import { invalidBody, parseTokenBody } from '../token-body.ts';
import type { UwsRequest } from '../uws.ts';

export function listTokens(front: Front, exchange: Exchange, req: UwsRequest): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.tokens.list());
}

export function readToken(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  exchange.json(front.deps.tokens.document(name));
}

/** The document is read before the token is looked at (http-api §1.4). */
export function createToken(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  front.headers.scan(req, exchange);
  const { authorization } = front.headers;
  const options = {
    maxBytes: MAX_SETTINGS_BYTES,
    tooLarge: invalidBody(),
    notText: invalidBody(),
    beforeLarge: () => identify(front, exchange, authorization),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const { tokens } = front.deps;
    const draft = parseTokenBody(text);
    requireFull(identify(front, exchange, authorization));
    answerLater(exchange, tokens.create(name, draft), (issued) => answerIssued(exchange, issued));
  });
  body.receive(front.headers);
}

/** Whatever the body says is dropped. */
export function rotateToken(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  const issued = front.deps.tokens.rotate(name);
  answerLater(exchange, issued, (token) => answerIssued(exchange, token));
}

export function removeToken(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  answerLater(exchange, front.deps.tokens.remove(name), () => exchange.ok());
}

function answerIssued(exchange: Exchange, { value, createdAt }: IssuedToken): void {
  exchange.json(JSON.stringify({ value, created_at: createdAt.text }));
}
