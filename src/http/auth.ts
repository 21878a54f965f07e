/** What a request needs to be allowed (http-api §3.2, §5). */
import type { Identity } from '../auth/types.ts';
import { ApiError } from '../errors/errors.ts';
import type { Exchange } from './exchange.ts';
import type { Front } from './front.ts';
import type { UwsRequest } from './uws.ts';

/** Any valid token. @param req valid during the call only. @throws ApiError 401. */
export function authenticate(front: Front, exchange: Exchange, req: UwsRequest): Identity {
  return front.deps.auth.check(req.getHeader('authorization'), exchange.clientIp);
}

/** @throws ApiError 403. */
export function requireFull(identity: Identity): void {
  if (!identity.hasFullAccess) {
    throw new ApiError(403, `Token '${identity.tokenName}' doesn't have full access`);
  }
}

/** Decided on the name alone, before it is known whether the bucket exists. @throws ApiError 403. */
export function requireRead(
  identity: Pick<Identity, 'tokenName' | 'canRead'>,
  bucketName: string,
): void {
  if (!identity.canRead(bucketName)) {
    throw new ApiError(
      403,
      `Token '${identity.tokenName}' doesn't have read access to bucket '${bucketName}'`,
    );
  }
}

/** See `requireRead`. @throws ApiError 403. */
export function requireWrite(identity: Identity, bucketName: string): void {
  if (!identity.canWrite(bucketName)) {
    throw new ApiError(
      403,
      `Token '${identity.tokenName}' doesn't have write access to bucket '${bucketName}'`,
    );
  }
}
