/** Single records: `POST` and `GET|HEAD /b/:bucket/:entry` (http-api-records §1, §2.1). */
import type { Bucket } from '../../catalog/model.ts';
import { ApiError, MillraceError, toErrorData, BugError } from '../../errors/errors.ts';
import type { RecordData } from '../../query/types.ts';
import { CHUNK_BYTES } from '../../store/format.ts';
import { attachmentRefusal } from '../../wire/attachment-rules.ts';
import { isHeaderToken, printableText } from '../../wire/header-text.ts';
import { isMetaEntryName } from '../../wire/names.ts';
import { parseU64 } from '../../wire/numbers.ts';
import { parseQueryString, tsOfQueryString } from '../../wire/query-string.ts';
import { authenticate, identify, requireRead, requireWrite } from '../auth.ts';
import { RefusedBody } from '../body-intake.ts';
import { streamAnswer } from '../body-stream.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater, chargeIngress, egressCharge } from '../front.ts';
import type { Front } from '../front.ts';
import { countRecord } from '../read-count.ts';
import type { Route } from '../router.ts';
import { SingleWrite } from '../single-write.ts';
import type { AnnouncedRecord } from '../single-write.ts';
import type { UwsRequest } from '../uws.ts';

/** Answers with the error behind the body: what a writing request does whose head is refused. */
export function refuseWrite(front: Front, exchange: Exchange, error: unknown): void {
  const refusal = error instanceof MillraceError ? error : new BugError(toErrorData(error).message);
  new RefusedBody(exchange, front.intake).receive(front.headers, refusal);
}

export function writeRecord(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  front.headers.scan(req, exchange);
  let record: AnnouncedRecord;
  try {
    record = announcedRecord(front, exchange, req, route);
  } catch (error) {
    refuseWrite(front, exchange, error);
    return;
  }
  const write = new SingleWrite(exchange, front.intake, front.deps.ingest, record);
  front.startWrite(exchange, write, front.headers);
}

/** Checks in the order of http-api-records §1.2. @throws ApiError */
function announcedRecord(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): AnnouncedRecord {
  const { deps, headers } = front;
  requireWrite(front, identify(front, exchange, headers.authorization), route.name);
  const ts = requiredTs(tsOfQueryString(req.getQuery() ?? ''));
  const lengthBytes = headers.requiredLength();
  chargeIngress(front, exchange, req, lengthBytes);
  const contentType = headers.contentType();
  const labels = headers.labels();
  const entry = deps.catalog.entryForWrite(route.name, route.entryName);
  const refusal = isMetaEntryName(entry.name) && attachmentRefusal(entry.name, labels);
  if (refusal instanceof ApiError) throw refusal;
  const tooLarge = lengthBytes > CHUNK_BYTES && deps.ingest.uploadRefusal(entry, lengthBytes);
  if (tooLarge instanceof MillraceError) throw tooLarge;
  return { entry, ts, lengthBytes, contentType, labels, path: headers.replicationPath };
}

/** The parameter of requests that name one record. @throws ApiError 422. */
export function requiredTs(text: string | undefined): bigint {
  if (text === undefined) throw new ApiError(422, "'ts' parameter is required");
  return parseTs(text);
}

function parseTs(text: string): bigint {
  const ts = parseU64(text);
  if (ts === undefined) {
    throw new ApiError(422, "'ts' must be an unix timestamp in microseconds");
  }
  return ts;
}

export function readRecord(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  requireRead(authenticate(front, exchange, req), route.name);
  const { catalog, queries, records } = front.deps;
  const bucket = catalog.bucket(route.name);
  const entry = catalog.entry(route.name, route.entryName);
  const query = parseQueryString(req.getQuery() ?? '');
  const ts = query.get('ts');
  const q = query.get('q');
  const charge = egressCharge(front, exchange, req);
  if (ts !== undefined || q === undefined) {
    const found = records.read(entry, ts === undefined ? undefined : parseTs(ts));
    charge?.(found.lengthBytes);
    answerRecord(front, exchange, bucket, found);
    return;
  }
  const queryId = parseU64(q);
  if (queryId === undefined) throw new ApiError(422, "'query' must be a number");
  const next = queries.readRecord(bucket, entry, queryId, !exchange.isHead, charge);
  answerLater(exchange, next, (record) => {
    if (record === undefined) exchange.refuse(204, 'No content');
    else if (exchange.isHead || record.payload !== undefined || record.large !== undefined) {
      answerRecord(front, exchange, bucket, record);
    } else {
      // A query for metadata only, read with GET: the content is given after all (§5.2).
      answerRecord(front, exchange, bucket, records.read(entry, record.ts));
    }
  });
}

function answerRecord(front: Front, exchange: Exchange, bucket: Bucket, record: RecordData): void {
  countRecord(front, exchange, bucket, record);
  const { payload, large, lengthBytes } = record;
  const part = payload ?? (large === undefined ? undefined : { ...large, lengthBytes });
  const lines = recordHeaderLines(record);
  const parts = part === undefined ? [] : [part];
  streamAnswer(exchange, front.deps.records, lines, parts, lengthBytes);
}

/** Labels whose names cannot be header names are left out (http-api-records §2.1). */
export function recordHeaderLines(record: RecordData): string {
  const lines = [
    `content-type: ${printableText(record.contentType)}`,
    `x-reduct-time: ${record.ts}`,
    `x-reduct-entry: ${printableText(record.entryName)}`,
    'content-disposition: attachment',
  ];
  const { labels } = record;
  for (let i = 0; i + 1 < labels.length; i += 2) {
    const name = labels[i] ?? '';
    if (!isHeaderToken(name)) continue;
    lines.push(`x-reduct-label-${name.toLowerCase()}: ${printableText(labels[i + 1] ?? '')}`);
  }
  return lines.join('\r\n');
}
