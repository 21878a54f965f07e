/** Query links: `POST` and `GET|HEAD /links/:file` (http-api-extras §1). */
import type { LinkToken } from '../../auth/types.ts';
import { ApiError, MillraceError } from '../../errors/errors.ts';
import type { LinkDocument, LinkedRecordId } from '../../links/types.ts';
import type { RecordData } from '../../query/types.ts';
import { parseU64 } from '../../wire/numbers.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { identify, requireRead } from '../auth.ts';
import { streamAnswer } from '../body-stream.ts';
import type { BodyPart } from '../body-stream.ts';
import { parseByteRange } from '../byte-range.ts';
import type { ByteRange } from '../byte-range.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater, egressCharge } from '../front.ts';
import type { Front } from '../front.ts';
import { linkDocumentText, parseLinkDocument } from '../link-document.ts';
import { countRecord } from '../read-count.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';
import { recordHeaderLines } from './entries.ts';

/** Longest URI of the contract (http-api §1.4): a longer link could not be opened. */
const MAX_LINK_CHARACTERS = 65_534;

export function createLink(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
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
    const document = parseLinkDocument(text);
    const identity = identify(front, exchange, authorization);
    requireRead(identity, document.bucketName);
    checkDocument(document);
    const base = linkBase(document.baseUrl) ?? front.publicUrl();
    const query = front.deps.links.seal(identity.tokenName, linkDocumentText(document));
    const file = route.name.split('/').map(encodeURIComponent).join('/');
    const link = `${base}api/v1/links/${file}?${query}`;
    if (link.length > MAX_LINK_CHARACTERS) {
      throw new ApiError(422, `Query link is too long: ${link.length} characters`);
    }
    exchange.json(JSON.stringify({ link }));
  });
  body.receive(front.headers);
}

/** @throws ApiError 422. */
function checkDocument({ isRemoval, recordEntry, recordTs }: LinkDocument): void {
  if (isRemoval) throw new ApiError(422, "Only 'Query' type is supported for query links");
  if (recordEntry === undefined || recordTs === undefined) {
    throw new ApiError(
      422,
      "Both 'record_entry' and 'record_timestamp' must be provided in payload",
    );
  }
}

/** With `/` at the end. @throws ApiError 422. */
function linkBase(baseUrl: string | undefined): string | undefined {
  if (baseUrl === undefined) return undefined;
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch {
    const isRelative = !/^[a-z][a-z0-9+.-]*:/i.test(baseUrl);
    throw invalidBase(isRelative ? 'relative URL without a base' : 'not a URL');
  }
  if (url.host === '') throw invalidBase('missing host');
  url.search = '';
  url.hash = '';
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

function invalidBase(why: string): ApiError {
  return new ApiError(422, `Invalid base_url provided for query link: ${why}`);
}

export function openLink(front: Front, exchange: Exchange, req: UwsRequest): void {
  const { catalog, links } = front.deps;
  const parameters = parseQueryString(req.getQuery() ?? '');
  const { token, text, key } = links.open(parameters);
  const document = reopened(text);
  if (document.expireAtS < Math.floor(Date.now() / 1000)) {
    throw new ApiError(422, 'Query link has expired');
  }
  const wanted = wantedRecord(parameters, document);
  checkToken(token, document.bucketName);
  const bucket = catalog.bucket(document.bucketName);
  const charge = egressCharge(front, exchange, req);
  const range = req.getHeader('if-range') === '' ? req.getHeader('range') : '';
  const reading = links.read(bucket, key, document, wanted, () => exchange.isOpen);
  answerLater(exchange, reading, (record) => {
    const { lengthBytes } = record;
    answerPart(front, exchange, record, parseByteRange(range, lengthBytes), (partBytes) => {
      charge?.(partBytes);
      countRecord(front, exchange, bucket, record, partBytes);
    });
  });
}

function reopened(text: string): LinkDocument {
  try {
    return parseLinkDocument(text);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    throw new ApiError(422, `Failed to parse query: ${error.message}`);
  }
}

/** The record of the link, unless the request names another one. @throws ApiError 422. */
function wantedRecord(
  parameters: ReadonlyMap<string, string>,
  { recordEntry = '', recordTs = 0n }: LinkDocument,
): LinkedRecordId {
  const e = parameters.get('e');
  const ts = parameters.get('ts');
  if (e === undefined && ts === undefined) return { entryName: recordEntry, ts: recordTs };
  if (e === undefined || ts === undefined) {
    throw new ApiError(422, "Both 'e' and 'ts' parameters must be provided together");
  }
  const parsed = parseU64(ts);
  if (parsed === undefined) {
    throw new ApiError(422, `Invalid 'ts' parameter: '${ts}' is no timestamp in microseconds`);
  }
  return { entryName: e, ts: parsed };
}

/** @throws ApiError 401, 403. */
function checkToken(token: LinkToken, bucketName: string): void {
  if (token.isPastDate()) throw new ApiError(401, 'Token has expired');
  requireRead(token, bucketName);
}

function answerPart(
  front: Front,
  exchange: Exchange,
  record: RecordData,
  range: ByteRange | 'unsatisfiable' | undefined,
  charge: (lengthBytes: number) => void,
): void {
  const { lengthBytes } = record;
  if (range === 'unsatisfiable') {
    exchange.answer(416, `content-range: bytes */${lengthBytes}`, '');
    return;
  }
  const { first, last } = range ?? { first: 0, last: lengthBytes - 1 };
  const partBytes = last - first + 1;
  charge(partBytes);
  const lines = [recordHeaderLines(record), 'accept-ranges: bytes'];
  if (range !== undefined) lines.push(`content-range: bytes ${first}-${last}/${lengthBytes}`);
  const part = partOf(record, first, last);
  const parts = part === undefined ? [] : [part];
  const status = range === undefined ? 200 : 206;
  streamAnswer(exchange, front.deps.records, lines.join('\r\n'), parts, partBytes, status);
}

function partOf(record: RecordData, first: number, last: number): BodyPart | undefined {
  const { payload, large, lengthBytes } = record;
  if (payload !== undefined) return payload.subarray(first, last + 1);
  return large === undefined ? undefined : { ...large, lengthBytes, slice: { first, last } };
}
