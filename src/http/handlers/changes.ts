/**
 * Changes to records and entries that exist (http-api-records §2.2, §2.3, §2.5, §2.6, §3.3, §3.4). Bodies are ignored: the
 * library drops what nobody asks for.
 */
import type { Entry } from '../../catalog/model.ts';
import type { ChangeErrors, LabelChange } from '../../commit/changes.ts';
import { ApiError } from '../../errors/errors.ts';
import type { MillraceError } from '../../errors/errors.ts';
import { attachmentRemovalRefusal } from '../../wire/attachment-rules.ts';
import { BatchV1Parser, parseBatchV1Name } from '../../wire/batch-v1.ts';
import { isMetaEntryName } from '../../wire/names.ts';
import { parseQueryString } from '../../wire/query-string.ts';
import { identify, requireWrite } from '../auth.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import type { UwsRequest } from '../uws.ts';
import { recordErrorLines } from './batch.ts';
import { requiredTs } from './entries.ts';

/** Scans the headers. @throws ApiError 401, 403. */
export function admitChange(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  const { headers } = front;
  headers.scan(req, exchange);
  requireWrite(front, identify(front, exchange, headers.authorization), name);
}

/** `PATCH /b/:bucket/:entry?ts=` */
export function updateRecord(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): void {
  admitChange(front, exchange, req, route);
  const ts = requiredTs(parseQueryString(req.getQuery() ?? '').get('ts'));
  const operations = front.headers.labels();
  const { catalog, changes } = front.deps;
  const entry = catalog.entry(route.name, route.entryName);
  answerOne(exchange, changes.update([{ entry, ts, operations }]));
}

/** `DELETE /b/:bucket/:entry`: with any parameter a record goes, without one the entry. */
export function removeEntryOrRecord(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
): void {
  const query = parseQueryString(req.getQuery() ?? '');
  if (query.size === 0) removeEntry(front, exchange, req, route);
  else removeRecord(front, exchange, req, route, query.get('ts'));
}

/** Attachments are looked at before the token (http-api §1.4). */
function removeEntry(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  const { name, entryName } = route;
  if (isMetaEntryName(entryName)) {
    throw new ApiError(
      422,
      `Can't delete system entry '${entryName}'; remove the parent entry instead`,
    );
  }
  admitChange(front, exchange, req, route);
  answerLater(exchange, front.deps.catalog.removeEntry(name, entryName), () => exchange.ok());
}

function removeRecord(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  route: Route,
  tsText: string | undefined,
): void {
  admitChange(front, exchange, req, route);
  refuseAttachments(route.entryName);
  const timestamps = BigUint64Array.of(requiredTs(tsText));
  const { catalog, changes } = front.deps;
  const entry = catalog.entry(route.name, route.entryName);
  answerOne(exchange, changes.remove({ entry, timestamps }));
}

/** @throws ApiError 422 for a `$meta` entry. */
export function refuseAttachments(entryName: string): void {
  if (isMetaEntryName(entryName)) throw attachmentRemovalRefusal(entryName);
}

function answerOne(exchange: Exchange, change: Promise<ChangeErrors>): void {
  answerLater(exchange, change, ([error]) => {
    if (error === null || error === undefined) exchange.ok();
    else exchange.fail(error);
  });
}

/** `PATCH /b/:bucket/:entry/batch` */
export function updateBatch(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  admitChange(front, exchange, req, route);
  const updates = announcedUpdates(front.headers.batchV1Records());
  const { catalog, changes } = front.deps;
  const entry = catalog.entry(route.name, route.entryName);
  const { replicationPath: path } = front.headers;
  const wanted: LabelChange[] = [];
  for (const [ts, operations] of updates) wanted.push({ entry, ts, operations, path });
  const timestamps = [...updates.keys()];
  answerBatch(exchange, timestamps, changes.update(wanted));
}

/** Of the same header repeated the first one counts. @throws ApiError 422. */
function announcedUpdates(found: readonly string[]): Map<bigint, readonly string[]> {
  const parser = new BatchV1Parser();
  const updates = new Map<bigint, readonly string[]>();
  for (let i = 0; i + 1 < found.length; i += 2) {
    const ts = parseBatchV1Name(found[i] ?? '');
    const { labels } = parser.parse(found[i + 1] ?? '');
    if (!updates.has(ts)) updates.set(ts, labels);
  }
  return updates;
}

/** `DELETE /b/:bucket/:entry/batch`: only the names of the headers matter. */
export function removeBatch(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  admitChange(front, exchange, req, route);
  refuseAttachments(route.entryName);
  const found = front.headers.batchV1Records();
  const wanted = new Set<bigint>();
  for (let i = 0; i < found.length; i += 2) wanted.add(parseBatchV1Name(found[i] ?? ''));
  const timestamps = BigUint64Array.from(wanted).sort();
  const { catalog, changes } = front.deps;
  const entry: Entry = catalog.entry(route.name, route.entryName);
  answerBatch(exchange, [...timestamps], changes.remove({ entry, timestamps }));
}

/** 200 with a header per record that was not changed. @param timestamps in the order of the errors. */
function answerBatch(
  exchange: Exchange,
  timestamps: readonly bigint[],
  change: Promise<ChangeErrors>,
): void {
  answerLater(exchange, change, (errors) => {
    const failed = timestamps.flatMap((ts, i): [bigint, MillraceError][] => {
      const error = errors[i] ?? null;
      return error === null ? [] : [[ts, error]];
    });
    exchange.answer(200, recordErrorLines(failed), '');
  });
}
