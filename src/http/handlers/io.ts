/** Batch protocol v2: `POST /io/:bucket/write` and `GET|HEAD /io/:bucket/read` (http-api-records §6.3, §6.4). */
import { ApiError } from '../../errors/errors.ts';
import type { MillraceError } from '../../errors/errors.ts';
import { formatEntryNames } from '../../wire/batch-v2-format.ts';
import { parseBatchV2 } from '../../wire/batch-v2.ts';
import type { BatchV2Headers, BatchV2Keys, BatchV2Request } from '../../wire/batch-v2.ts';
import { parseU64 } from '../../wire/numbers.ts';
import { authenticate, identify, requireRead, requireWrite } from '../auth.ts';
import { BatchWrite } from '../batch-write.ts';
import type { BatchRecord } from '../batch-write.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater, chargeIngress, egressCharge } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import type { UwsRequest } from '../uws.ts';
import {
  answerBatch,
  checkedBatchBytes,
  entryOrError,
  recordErrorText,
  targetOf,
} from './batch.ts';
import { refuseWrite } from './entries.ts';

export function writeMulti(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  const { deps, headers } = front;
  headers.scan(req, exchange);
  let request: BatchV2Request;
  let records: BatchRecord[];
  try {
    requireWrite(front, identify(front, exchange, headers.authorization), route.name);
    request = parseBatchV2(splitHeaders(headers.reduct));
    records = toRecords(front, route.name, request);
    const bytes = checkedBatchBytes(records, headers.requiredLength());
    chargeIngress(front, exchange, req, bytes);
  } catch (error) {
    refuseWrite(front, exchange, error);
    return;
  }
  const answer = (errors: ReadonlyMap<number, MillraceError>): string =>
    multiAnswerLines(request, errors);
  const write = new BatchWrite(exchange, front.intake, deps.ingest, records, answer);
  front.startWrite(exchange, write, headers);
}

/** The headers of protocol v2. @param reduct flat names and values, see `RequestHeaders.reduct`. */
export function splitHeaders(reduct: readonly string[]): BatchV2Headers {
  const known = new Map<string, string>();
  const others: string[] = [];
  for (let i = 0; i + 1 < reduct.length; i += 2) {
    const name = reduct[i] ?? '';
    const value = reduct[i + 1] ?? '';
    if (name === 'x-reduct-entries' || name === 'x-reduct-start-ts' || name === 'x-reduct-labels') {
      known.set(name, value);
    } else {
      others.push(name, value);
    }
  }
  return {
    entries: known.get('x-reduct-entries'),
    startTs: known.get('x-reduct-start-ts'),
    labels: known.get('x-reduct-labels'),
    others,
  };
}

/** Entries are looked up once each, and only those that get a record. */
function toRecords(front: Front, bucketName: string, request: BatchV2Request): BatchRecord[] {
  const targets = new Map<number, BatchRecord['target']>();
  return request.records.map(({ entryIndex, ts, lengthBytes, contentType, labels }) => {
    let target = targets.get(entryIndex);
    if (target === undefined) {
      target = entryOrError(front, bucketName, request.entryNames[entryIndex] ?? '');
      targets.set(entryIndex, target);
    }
    return { target: targetOf(target, labels), ts, lengthBytes, contentType, labels };
  });
}

/** Entries and start as they were sent, and a line per refused record. @param errors by index of the record. */
export function multiAnswerLines(
  request: BatchV2Keys,
  errors: ReadonlyMap<number, MillraceError>,
): string {
  const lines = [
    `x-reduct-entries: ${formatEntryNames(request.entryNames)}`,
    `x-reduct-start-ts: ${request.startTs}`,
  ];
  for (const [index, record] of request.records.entries()) {
    const error = errors.get(index);
    if (error === undefined) continue;
    const name = `x-reduct-error-${record.entryIndex}-${record.deltaUs}`;
    lines.push(`${name}: ${recordErrorText(error)}`);
  }
  return lines.join('\r\n');
}

/** Clients that read bodies in the order they are written (http-api-records §7). */
const READS_IN_BODY_ORDER = /rust|reqwest|reduct-rs|cpp|httplib/i;

export function readMulti(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  requireRead(authenticate(front, exchange, req), route.name);
  const header = req.getHeader('x-reduct-query-id');
  if (header === '') {
    throw new ApiError(422, 'x-reduct-query-id header is required for batched reads');
  }
  const queryId = parseU64(header);
  if (queryId === undefined) throw new ApiError(422, 'Invalid query id');
  const { catalog, queries } = front.deps;
  const bucket = catalog.bucket(route.name);
  const isInterleavingSafe = READS_IN_BODY_ORDER.test(req.getHeader('user-agent'));
  const charge = egressCharge(front, exchange, req);
  const batch = queries.readMulti(bucket, queryId, !exchange.isHead, isInterleavingSafe, charge);
  answerLater(exchange, batch, (found) => answerBatch(front, exchange, bucket, found));
}
