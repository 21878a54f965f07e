/** Batch protocol v1: `POST` and `GET|HEAD /b/:bucket/:entry/batch` (http-api-records §3.2, §4). */
import type { Bucket, Entry } from '../../catalog/model.ts';
import { ApiError, MillraceError } from '../../errors/errors.ts';
import type { ReadBatch } from '../../query/types.ts';
import type { Labels } from '../../store/labels.ts';
import { attachmentRefusal } from '../../wire/attachment-rules.ts';
import { BatchV1Parser, parseBatchV1Name } from '../../wire/batch-v1.ts';
import { printableText } from '../../wire/header-text.ts';
import { isMetaEntryName } from '../../wire/names.ts';
import { parseU64 } from '../../wire/numbers.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { authenticate, identify, requireRead, requireWrite } from '../auth.ts';
import { BatchWrite } from '../batch-write.ts';
import type { BatchRecord } from '../batch-write.ts';
import { streamAnswer } from '../body-stream.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater, chargeIngress, egressCharge } from '../front.ts';
import type { Front } from '../front.ts';
import { countBatch } from '../read-count.ts';
import type { Route } from '../router.ts';
import type { UwsRequest } from '../uws.ts';
import { refuseWrite } from './entries.ts';

export function writeBatch(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  front.headers.scan(req, exchange);
  let records: BatchRecord[];
  try {
    records = announcedRecords(front, exchange, route);
    const bytes = checkedBatchBytes(records, front.headers.length());
    chargeIngress(front, exchange, req, bytes);
  } catch (error) {
    refuseWrite(front, exchange, error);
    return;
  }
  const answer = (errors: ReadonlyMap<number, MillraceError>): string =>
    errorLines(records, errors);
  const { replicationPath } = front.headers;
  const { ingest } = front.deps;
  const write = new BatchWrite(exchange, front.intake, ingest, records, answer, replicationPath);
  front.startWrite(exchange, write, front.headers);
}

/** In ascending timestamp order, whatever the order of headers. @throws ApiError 401, 403, 422. */
function announcedRecords(front: Front, exchange: Exchange, route: Route): BatchRecord[] {
  const { headers } = front;
  requireWrite(front, identify(front, exchange, headers.authorization), route.name);
  const parser = new BatchV1Parser();
  const found = headers.batchV1Records();
  if (found.length === 0) return [];
  const target = entryOrError(front, route.name, route.entryName);
  const records: BatchRecord[] = [];
  let latestTs = -1n;
  let isAscending = true;
  for (let i = 0; i + 1 < found.length; i += 2) {
    const ts = parseBatchV1Name(found[i] ?? '');
    const { lengthBytes, contentType, labels } = parser.parse(found[i + 1] ?? '');
    records.push({ target: targetOf(target, labels), ts, lengthBytes, contentType, labels });
    isAscending &&= ts > latestTs;
    latestTs = ts;
  }
  if (isAscending) return records;
  records.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
  // The same header repeated: the first one counts (sorting is stable).
  return records.filter((record, i) => records[i - 1]?.ts !== record.ts);
}

/** What is wrong with bucket or entry is told per record: the request as a whole succeeds. */
export function entryOrError(
  front: Front,
  bucketName: string,
  entryName: string,
): Entry | MillraceError {
  try {
    return front.deps.catalog.entryForWrite(bucketName, entryName);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}

/** An entry with attachments does not take every record. */
export function targetOf(target: Entry | MillraceError, labels: Labels): Entry | MillraceError {
  if (target instanceof MillraceError || !isMetaEntryName(target.name)) return target;
  return attachmentRefusal(target.name, labels) ?? target;
}

/**
 * @param lengthBytes of the whole body, undefined when it is not announced.
 * @returns content of all records together.
 * @throws ApiError 422.
 */
export function checkedBatchBytes(
  records: readonly BatchRecord[],
  lengthBytes: number | undefined,
): number {
  let sum = 0;
  for (const record of records) sum += record.lengthBytes;
  if (lengthBytes !== undefined && sum !== lengthBytes) {
    throw new ApiError(
      422,
      'content-length header does not match the sum of the content-lengths in the headers',
    );
  }
  return sum;
}

function errorLines(
  records: readonly BatchRecord[],
  errors: ReadonlyMap<number, MillraceError>,
): string {
  const failed: [bigint, MillraceError][] = [];
  for (const [index, { ts }] of records.entries()) {
    const error = errors.get(index);
    if (error !== undefined) failed.push([ts, error]);
  }
  return recordErrorLines(failed);
}

/** Header lines of records that were refused. */
export function recordErrorLines(
  errors: readonly (readonly [ts: bigint, error: MillraceError])[],
): string {
  return errors
    .map(([ts, error]) => `x-reduct-error-${ts}: ${recordErrorText(error)}`)
    .join('\r\n');
}

/** `<status>,<text>`; sources fail on anything that is not visible ASCII (replication §5.3). */
export function recordErrorText(error: MillraceError): string {
  return printableText(`${error.status},${error.message}`);
}

export function readBatch(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  requireRead(authenticate(front, exchange, req), route.name);
  const q = parseQueryString(req.getQuery() ?? '').get('q');
  if (q === undefined) throw new ApiError(422, "'q' parameter is required for batched reads");
  const queryId = parseU64(q);
  if (queryId === undefined) throw new ApiError(422, "'query' must be a number");
  const { catalog, queries } = front.deps;
  const bucket = catalog.bucket(route.name);
  const entry = catalog.entry(route.name, route.entryName);
  const charge = egressCharge(front, exchange, req);
  const batch = queries.readBatch(bucket, entry, queryId, !exchange.isHead, charge);
  answerLater(exchange, batch, (found) => {
    answerBatch(front, exchange, bucket, found, entry.name);
  });
}

/**
 * The answer of both protocols.
 * @param batch undefined at the end of the query.
 * @param entryName for protocol v1.
 */
export function answerBatch(
  front: Front,
  exchange: Exchange,
  bucket: Bucket,
  batch: ReadBatch | undefined,
  entryName?: string,
): void {
  if (batch === undefined) {
    exchange.refuse(204, 'No content');
    return;
  }
  recycleBehind(front, exchange, batch);
  countBatch(front, exchange, bucket, batch, entryName);
  const lines =
    `content-type: application/octet-stream\r\nx-reduct-last: ${batch.last}\r\n` +
    batch.headerLines;
  streamAnswer(exchange, front.deps.records, lines, batch.body, batch.bodyBytes);
}

/** The library has copied or sent what it took by the time an exchange is over, and nothing is offered to it later. */
function recycleBehind(front: Front, exchange: Exchange, batch: ReadBatch): void {
  const recycle = (): void => front.deps.queries.recycle(batch);
  if (exchange.isOpen) exchange.onClosed = recycle;
  else recycle();
}
