/** `/b/:bucket/:entry/q` and `/io/:bucket/q` (http-api-records §5, §6.2). */
import { ApiError } from '../../errors/errors.ts';
import { selectInSlices } from '../../query/entry-selection.ts';
import type { QuerySpec } from '../../query/types.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { authenticate, identify, requireRead, requireWrite } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import { invalidJson } from '../json-members.ts';
import { extensionRefusal } from '../query-extensions.ts';
import { definesQuery, parseQueryDocument, querySpecOfParameters } from '../query-spec.ts';
import type { QueryDocument } from '../query-spec.ts';
import type { Route } from '../router.ts';
import { MAX_QUERY_BYTES, MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';
import { refuseAttachments } from './changes.ts';

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

/** `DELETE …/q`, the deprecated removal. Attachments are looked at before the token (http-api §1.4). */
export function removeByParameters(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): void {
  refuseAttachments(route.entryName);
  requireWrite(front, authenticate(front, exchange, req), route.name);
  const query = parseQueryString(req.getQuery() ?? '');
  if (!definesQuery(query)) throw undefinedRemoval();
  const spec = querySpecOfParameters(query);
  answerRemoval(exchange, removeFromEntry(front, route, spec));
}

export function createQuery(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  receiveDocument(front, exchange, req, route, MAX_QUERY_BYTES, {
    create: (document) => {
      const { catalog, queries } = front.deps;
      const bucket = catalog.bucket(route.name);
      const entry = catalog.entry(route.name, route.entryName);
      refuseExtension(front, document);
      return queries.create(bucket, entry, document.spec);
    },
    remove: ({ spec }) => removeFromEntry(front, route, spec),
  });
}

/** The entry comes into being, as with the reference server. */
async function removeFromEntry(front: Front, route: Route, spec: QuerySpec): Promise<number> {
  const { catalog, removals } = front.deps;
  const entry = await catalog.ensureEntry(route.name, route.entryName);
  return removals.removeFromEntry(entry, spec);
}

export function createMultiQuery(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): void {
  receiveDocument(front, exchange, req, route, MAX_SETTINGS_BYTES, {
    create: async (document) => {
      const { catalog, queries } = front.deps;
      const patterns = await selectInSlices(catalog.bucket(route.name), document.patterns);
      const bucket = catalog.bucket(route.name);
      refuseExtension(front, document);
      return queries.createMulti(bucket, patterns, document.spec);
    },
    remove: async ({ patterns, spec }) => {
      const { catalog, removals } = front.deps;
      const selected = await selectInSlices(catalog.bucket(route.name), patterns);
      return removals.removeFromBucket(catalog.bucket(route.name), selected, spec);
    },
  });
}

/** What becomes of a document, by its type. */
interface DocumentActions {
  /** @returns the id of the query. */
  readonly create: (document: QueryDocument) => number | Promise<number>;
  /** @returns how many records were removed. */
  readonly remove: (document: QueryDocument) => Promise<number>;
}

/** The document is read before the token is looked at (http-api §1.4), unless it is large. */
function receiveDocument(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
  maxBytes: number,
  { create, remove }: DocumentActions,
): void {
  front.headers.scan(req, exchange);
  const { authorization } = front.headers;
  const options = {
    maxBytes,
    tooLarge: new ApiError(413, 'length limit exceeded'),
    notText: invalidJson('invalid unicode code point'),
    beforeLarge: () => identify(front, exchange, authorization),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const document = parseQueryDocument(text);
    const identity = identify(front, exchange, authorization);
    if (document.isRemoval) {
      requireWrite(front, identity, route.name);
      if (!document.isDefined) throw undefinedRemoval();
      answerRemoval(exchange, remove(document));
      return;
    }
    requireRead(identity, route.name);
    const id = create(document);
    if (typeof id === 'number') answerId(exchange, id);
    else answerLater(exchange, id, (created) => answerId(exchange, created));
  });
  body.receive(front.headers);
}

function answerId(exchange: Exchange, id: number): void {
  exchange.json(`{"id":${id}}`);
}

function undefinedRemoval(): ApiError {
  return new ApiError(422, 'Define at least one query parameter to delete records');
}

function answerRemoval(exchange: Exchange, removal: Promise<number>): void {
  answerLater(exchange, removal, (count) => exchange.json(`{"removed_records":${count}}`));
}

/** @throws ApiError 422. */
function refuseExtension(front: Front, { ext }: QueryDocument): void {
  if (ext === null) return;
  const text = extensionRefusal(ext, front.deps.queries.reserveId());
  if (text !== undefined) throw new ApiError(422, text);
}
