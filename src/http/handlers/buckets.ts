/** `/b/:bucket` (http-api §4.2). */
import type { BucketSettings } from '../../catalog/model.ts';
import { ApiError } from '../../errors/errors.ts';
import { authenticate, identify, requireChangeable, requireFull, requireRead } from '../auth.ts';
import { bucketDocumentJson } from '../bucket-figures.ts';
import { defaultBucketSettings, parseBucketSettings } from '../bucket-settings.ts';
import type { Exchange } from '../exchange.ts';
import { answerLater } from '../front.ts';
import type { Front } from '../front.ts';
import { invalidJson } from '../json-members.ts';
import type { Route } from '../router.ts';
import { MAX_SETTINGS_BYTES, TextBody } from '../text-body.ts';
import type { UwsRequest } from '../uws.ts';

/** The document is read before the token is looked at (http-api §1.4). */
export function createBucket(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  const { catalog } = front.deps;
  const linesOf = (): string => identityLines(catalog.instanceId, catalog.bucket(name).id);
  const create = (_text: string, settings: BucketSettings): Promise<void> =>
    catalog.createBucket(name, settings);
  receiveSettings(front, exchange, req, create, linesOf);
}

/** Members that are absent or null stay as they are. */
export function updateBucket(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  receiveSettings(front, exchange, req, (text) => {
    const { catalog } = front.deps;
    const { settings } = catalog.bucket(name);
    return catalog.updateBucket(name, parseBucketSettings(text, settings));
  });
}

/**
 * @param apply gets the document, and the settings it makes of the defaults; may throw.
 * @param linesOf further headers of the answer.
 */
function receiveSettings(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  apply: (text: string, settings: BucketSettings) => Promise<void>,
  linesOf: () => string = () => '',
): void {
  front.headers.scan(req, exchange);
  const { authorization } = front.headers;
  const options = {
    maxBytes: MAX_SETTINGS_BYTES,
    tooLarge: new ApiError(413, 'length limit exceeded'),
    notText: invalidJson('invalid unicode code point'),
    beforeLarge: () => identify(front, exchange, authorization),
  };
  const body = new TextBody(exchange, front.intake, options, (text) => {
    const { config } = front.deps;
    const settings = parseBucketSettings(text, defaultBucketSettings(config));
    requireFull(identify(front, exchange, authorization));
    requireChangeable(front);
    answerLater(exchange, apply(text, settings), () => exchange.answer(200, linesOf(), ''));
  });
  body.receive(front.headers);
}

/** HEAD needs a valid token only, GET needs read access. */
export function readBucket(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  const identity = authenticate(front, exchange, req);
  if (!exchange.isHead) requireRead(identity, name);
  const { catalog } = front.deps;
  const bucket = catalog.bucket(name);
  const lines = `content-type: application/json\r\n${identityLines(catalog.instanceId, bucket.id)}`;
  exchange.answer(200, lines, bucketDocumentJson(bucket));
}

/** Who is asked: sources keep records from running in circles by it (replication §5.11). */
function identityLines(instanceId: string, bucketId: number): string {
  return `x-instance-id: ${instanceId}\r\nx-bucket-id: ${bucketId}`;
}

export function removeBucket(
  front: Front,
  exchange: Exchange,
  req: UwsRequest,
  { name }: Route,
): void {
  requireFull(authenticate(front, exchange, req));
  requireChangeable(front);
  const { catalog, tokens } = front.deps;
  const removed = tokens.withoutBucket(name, (rows) => catalog.removeBucket(name, rows));
  answerLater(exchange, removed, () => exchange.ok());
}
