/** What a request needs to be allowed (http-api §3.2, §5). */
import type { Identity } from '../auth/types.ts';
import { ApiError } from '../errors/errors.ts';
import { storageReadOnly } from '../errors/read-only.ts';
import { noteProxied } from './client-address.ts';
import type { Exchange } from './exchange.ts';
import type { Front } from './front.ts';
import type { UwsRequest } from './uws.ts';

/** Any valid token. @param authorization value of the header, empty when absent. @throws ApiError 401. */
export function identify(front: Front, exchange: Exchange, authorization: string): Identity {
  const identity = front.deps.auth.check(authorization, exchange.clientIp);
  exchange.tokenName = identity.tokenName;
  return identity;
}

/** Like `identify`. @param req valid during the call only. */
export function authenticate(front: Front, exchange: Exchange, req: UwsRequest): Identity {
  noteSender(exchange, req);
  return identify(front, exchange, exchange.authorization);
}

/** Token and address of a request whose head is not scanned. @param req valid during the call only. */
export function noteSender(exchange: Exchange, req: UwsRequest): void {
  exchange.authorization = req.getHeader('authorization');
  if (!exchange.mayBeProxied) return;
  const forwarded = req.getHeader('forwarded');
  noteProxied(exchange, forwarded, req.getHeader('x-forwarded-for'));
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

/** See `requireRead`. Also refused where nothing may be changed. @throws ApiError 403. */
export function requireWrite(
  front: Pick<Front, 'isReadOnly'>,
  identity: Identity,
  bucketName: string,
): void {
  if (!identity.canWrite(bucketName)) {
    throw new ApiError(
      403,
      `Token '${identity.tokenName}' doesn't have write access to bucket '${bucketName}'`,
    );
  }
  requireChangeable(front);
}

/** For what changes buckets, once the caller is known to be allowed to. @throws ApiError 403 (http-api §1.12). */
export function requireChangeable({ isReadOnly }: Pick<Front, 'isReadOnly'>): void {
  if (isReadOnly) throw storageReadOnly();
}
