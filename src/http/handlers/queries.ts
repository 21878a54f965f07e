/** `/b/:bucket/:entry/q` and `/io/:bucket/q` (http-api-records §5, §6.2). */
import { ApiError } from '../../errors/errors.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { authenticate, requireRead, requireWrite } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import type { Front } from '../front.ts';
import { invalidJson } from '../json-members.ts';
import { extensionRefusal } from '../query-extensions.ts';
import { parseQueryDocument, querySpecOfParameters } from '../query-spec.ts';
import type { QueryDocument } from '../query-spec.ts';
import type { Route } from '../router.ts';
import { MAX_QUERY_BYTES, MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';

export function createQueryByParameters(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): void {
  requireRead(authenticate(front, exchange, req), route.name);
  const spec = querySpecOfParameters(parseQueryString(req.getQuery() ?? ''));
  const { catalog, queries } = front.deps;
  const bucket = catalog.bucket(route.name);
  const entry = catalog.entry(route.name, route.entryName);
  exchange.json(`{"id":${queries.create(bucket, entry, spec)}}`);
}

export function createQuery(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  receiveDocument(front, exchange, req, route, MAX_QUERY_BYTES, (document) => {
    const { catalog, queries } = front.deps;
    const bucket = catalog.bucket(route.name);
    const entry = catalog.entry(route.name, route.entryName);
    refuseExtension(front, document);
    return queries.create(bucket, entry, document.spec);
  });
}

export function createMultiQuery(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): void {
  receiveDocument(front, exchange, req, route, MAX_SETTINGS_BYTES, (document) => {
    const { catalog, queries } = front.deps;
    const bucket = catalog.bucket(route.name);
    refuseExtension(front, document);
    return queries.createMulti(bucket, document.patterns, document.spec);
  });
}

/** The document is read before the token is looked at (http-api §1.4). */
function receiveDocument(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
  maxBytes: number,
  create: (document: QueryDocument) => number,
): void {
  front.headers.scan(req);
  const { authorization } = front.headers;
  const options = {
    maxBytes,
    tooLarge: new ApiError(413, 'length limit exceeded'),
    notText: invalidJson('invalid unicode code point'),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const document = parseQueryDocument(text);
    const identity = front.deps.auth.check(authorization, exchange.clientIp);
    if (document.isRemoval) {
      requireWrite(identity, route.name);
      throw new ApiError(501, 'Removal by query is not supported');
    }
    requireRead(identity, route.name);
    exchange.json(`{"id":${create(document)}}`);
  });
  body.receive(front.headers);
}

/** @throws ApiError 422. */
function refuseExtension(front: Front, { ext }: QueryDocument): void {
  if (ext === null) return;
  const text = extensionRefusal(ext, front.deps.queries.reserveId());
  if (text !== undefined) throw new ApiError(422, text);
}
