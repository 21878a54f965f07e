/** `/replications/:name/dead_letters`, an endpoint of our own (docs/http-extensions.md). */
import { ApiError } from '../../errors/errors.ts';
import type { LetterSelection } from '../../replication/letters/letter.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { authenticate, identify, requireFull } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater, type Front } from '../front.ts';
import { booleanMember, invalidJson, parseJsonObject, stringMember } from '../json-members.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

export function listDeadLetters(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  const query = parseQueryString(req.getQuery() ?? '');
  const limit = numberOf(query, 'limit', 1, MAX_PAGE) ?? DEFAULT_PAGE;
  const afterId = numberOf(query, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const request = { afterId, limit, entryName: query.get('entry') };
  const answer = front.deps.replications.deadLetters.list(name, request);
  answerLater(exchange, answer, (text) => exchange.json(text));
}

export function retryDeadLetters(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  withSelection(front, exchange, req, async (selection) => {
    const queued = await front.deps.replications.deadLetters.retry(name, selection);
    return `{"queued":${queued}}`;
  });
}

export function discardDeadLetters(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  withSelection(front, exchange, req, async (selection) => {
    const discarded = await front.deps.replications.deadLetters.discard(name, selection);
    return `{"discarded":${discarded}}`;
  });
}

function withSelection(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  change: (selection: LetterSelection) => Promise<string>,
): void {
  front.headers.scan(req, exchange);
  requireFull(identify(front, exchange, front.headers.authorization));
  const invalid = new ApiError(422, 'Invalid body');
  const options = { maxBytes: MAX_SETTINGS_BYTES, tooLarge: invalid, notText: invalid };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    answerLater(exchange, change(parseSelection(text)), (answer) => exchange.json(answer));
  });
  body.receive(front.headers);
}

/** @throws ApiError 422 unless the body says exactly one of `ids`, `entry` and `all`. */
function parseSelection(text: string): LetterSelection {
  const object = parseJsonObject(text);
  const entryName = stringMember(object, 'entry');
  const isAll = booleanMember(object, 'all') === true;
  const ids = object.get('ids') ?? undefined;
  const given = [entryName !== undefined, isAll, ids !== undefined].filter(Boolean).length;
  if (given !== 1) {
    throw new ApiError(
      422,
      'Say which dead letters: one of "ids" (a list), "entry", or "all": true',
    );
  }
  if (entryName !== undefined) return { kind: 'entry', entryName };
  if (isAll) return { kind: 'all' };
  if (!Array.isArray(ids) || !ids.every(Number.isSafeInteger)) {
    throw invalidJson('`ids` is not a list of ids');
  }
  return { kind: 'ids', ids: ids.map(Number) };
}

function numberOf(
  query: ReadonlyMap<string, string>,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new ApiError(422, `'${name}' must be an integer from ${min} to ${max}`);
}
