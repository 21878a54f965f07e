/** `/alive`, `/ready`, `/info`, `/list`, `/me` (http-api §2). */
import { settingsJson } from '../../catalog/bucket-settings.ts';
import { U64_MAX } from '../../store/format.ts';
import { authenticate } from '../auth.ts';
import { bucketFigures, bucketListJson } from '../bucket-figures.ts';
import { defaultBucketSettings } from '../bucket-settings.ts';
import type { Exchange } from '../exchange.ts';
import type { Front } from '../front.ts';
import type { UwsRequest } from '../uws.ts';
import { ANNOUNCED_SERVER_VERSION } from '../version.ts';

/** 200 once it is reached: before that the start-up answer stands in for `/ready`. */
export function probe(_front: Front, exchange: Exchange): void {
  exchange.answer(200, '', '');
}

export function info(front: Front, exchange: Exchange, req: UwsRequest): void {
  authenticate(front, exchange, req);
  exchange.json(infoJson(front));
}

function infoJson(front: Front): string {
  const { catalog, config } = front.deps;
  let bucketCount = 0;
  let recordCount = 0;
  let usageBytes = 0;
  let oldestTs = U64_MAX;
  let latestTs = 0n;
  for (const bucket of catalog.buckets()) {
    const figures = bucketFigures(bucket);
    bucketCount++;
    usageBytes += figures.sizeBytes;
    recordCount += figures.recordCount;
    if (figures.recordCount === 0) continue;
    if (figures.oldestTs < oldestTs) oldestTs = figures.oldestTs;
    if (figures.latestTs > latestTs) latestTs = figures.latestTs;
  }
  // Empty buckets do not count; the maximum stands for a server without any bucket.
  if (bucketCount > 0 && recordCount === 0) oldestTs = 0n;
  const uptimeS = Math.floor((performance.now() - front.startMs) / 1000);
  return (
    `{"version":"${ANNOUNCED_SERVER_VERSION}","instance_name":${JSON.stringify(config.instanceName)},` +
    `"instance_role":"${config.instanceRole}","bucket_count":${bucketCount},"usage":${usageBytes},` +
    `"uptime":${uptimeS},"oldest_record":${oldestTs},"latest_record":${latestTs},` +
    `"defaults":{"bucket":${settingsJson(defaultBucketSettings(config))}},"license":null}`
  );
}

export function list(front: Front, exchange: Exchange, req: UwsRequest): void {
  const identity = authenticate(front, exchange, req);
  const visible = [...front.deps.catalog.buckets()].filter(({ name }) => identity.canRead(name));
  exchange.json(bucketListJson(visible));
}

export function me(front: Front, exchange: Exchange, req: UwsRequest): void {
  exchange.json(authenticate(front, exchange, req).document());
}
