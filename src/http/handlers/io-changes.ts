/** Changes to records of several entries: `PATCH /io/:bucket/update`, `DELETE /io/:bucket/remove` (§6.5, §6.6). */
import type { Entry } from '../../catalog/model.ts';
import type { LabelChange } from '../../commit/changes.ts';
import { MillraceError } from '../../errors/errors.ts';
import { parseBatchV2Keys, parseBatchV2Updates } from '../../wire/batch-v2.ts';
import type { BatchV2Keys } from '../../wire/batch-v2.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import type { Route } from '../router.ts';
import type { UwsRequest } from '../uws.ts';
import { admitChange, refuseAttachments } from './changes.ts';
import { multiAnswerLines, splitHeaders } from './io.ts';

/** Errors by index of the record. */
type IndexedErrors = Map<number, MillraceError>;

export function updateMulti(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  admitChange(front, exchange, req, route);
  const request = parseBatchV2Updates(splitHeaders(front.headers.reduct));
  const errors: IndexedErrors = new Map();
  const changes: LabelChange[] = [];
  const indexes: number[] = [];
  for (const { entry, index } of targets(front, route, request, errors)) {
    const { ts = 0n, labels = [] } = request.records[index] ?? {};
    changes.push({ entry, ts, operations: labels });
    indexes.push(index);
  }
  const done = front.deps.changes.update(changes).then((outcomes) => {
    keepErrors(errors, indexes, outcomes);
  });
  answerLater(exchange, done, () => {
    exchange.answer(200, multiAnswerLines(request, errors), '');
  });
}

export function removeMulti(front: Front, exchange: Exchange, req: UwsRequest, route: Route): void {
  admitChange(front, exchange, req, route);
  const request = parseBatchV2Keys(splitHeaders(front.headers.reduct), (entryNames) => {
    for (const entryName of entryNames) refuseAttachments(entryName);
  });
  const errors: IndexedErrors = new Map();
  const byEntry = new Map<number, { entry: Entry; indexes: number[] }>();
  for (const { entry, index } of targets(front, route, request, errors)) {
    const entryIndex = request.records[index]?.entryIndex ?? 0;
    const known = byEntry.get(entryIndex);
    if (known === undefined) byEntry.set(entryIndex, { entry, indexes: [index] });
    else known.indexes.push(index);
  }
  const removals = [...byEntry.values()].map(async ({ entry, indexes }) => {
    // Records of one entry index are in order of time.
    const timestamps = BigUint64Array.from(indexes, (index) => request.records[index]?.ts ?? 0n);
    keepErrors(errors, indexes, await front.deps.changes.remove({ entry, timestamps }));
  });
  answerLater(exchange, Promise.all(removals), () => {
    exchange.answer(200, multiAnswerLines(request, errors), '');
  });
}

/**
 * Records whose entry can be changed; for the others the reason is kept. Entries are looked up once each.
 * @throws ApiError 404, 409 for the bucket.
 */
function targets(
  front: Front,
  route: Route,
  request: BatchV2Keys,
  errors: IndexedErrors,
): { readonly entry: Entry; readonly index: number }[] {
  const { catalog } = front.deps;
  catalog.bucket(route.name);
  const known = new Map<number, Entry | MillraceError>();
  return request.records.flatMap(({ entryIndex }, index) => {
    let found = known.get(entryIndex);
    if (found === undefined) {
      found = entryOrReason(front, route.name, request.entryNames[entryIndex] ?? '');
      known.set(entryIndex, found);
    }
    if (!(found instanceof MillraceError)) return [{ entry: found, index }];
    errors.set(index, found);
    return [];
  });
}

function entryOrReason(front: Front, bucketName: string, entryName: string): Entry | MillraceError {
  try {
    return front.deps.catalog.entry(bucketName, entryName);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}

function keepErrors(
  errors: IndexedErrors,
  indexes: readonly number[],
  outcomes: readonly (MillraceError | null)[],
): void {
  for (const [i, index] of indexes.entries()) {
    const error = outcomes[i] ?? null;
    if (error !== null) errors.set(index, error);
  }
}
