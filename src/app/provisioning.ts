/** What the environment asks to be there after a start (http-api §7), in the terms of the parts that make it so. */
import type { TokenEnvironment } from '../auth/start-tokens.ts';
import { changedSettings } from '../catalog/bucket-settings.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { BucketSettings } from '../catalog/model.ts';
import type { Config } from '../config/config.ts';
import type { ProvisionedBucket, Provisioning } from '../config/provisioning.ts';
import { needsTokens } from '../config/rules.ts';
import type { Logger } from '../logging/logger.ts';

/** Undefined when requests need no token. */
export function tokenEnvironment(
  config: Config,
  { tokens }: Provisioning,
): TokenEnvironment | undefined {
  if (!needsTokens(config)) return undefined;
  const { apiToken, initApiToken } = config;
  const provisioned = tokens.map(({ name, value, hasFullAccess, read, write, expiresAt }) => ({
    name,
    value,
    permissions: { full_access: hasFullAccess, read, write },
    expiresAt,
  }));
  return { apiToken, initApiToken, provisioned };
}

/**
 * Creates or changes the buckets and marks them as provisioned. One that cannot be (removal of its name under way, disk
 * full) is logged: the server starts without it.
 */
export async function provisionBuckets(
  catalog: Catalog,
  buckets: readonly ProvisionedBucket[],
  defaults: BucketSettings,
  logger: Logger,
): Promise<void> {
  for (const bucket of buckets) {
    try {
      await catalog.provisionBucket(bucket.name, (current) => merged(bucket, current ?? defaults));
    } catch (err) {
      logger.error({ err, bucket: bucket.name }, 'a bucket of the environment is not provisioned');
    }
  }
}

function merged(bucket: ProvisionedBucket, settings: BucketSettings): BucketSettings {
  return changedSettings(settings, {
    quota_type: bucket.quotaType,
    quota_size: bucket.quotaSizeBytes,
    max_block_size: bucket.maxBlockSizeBytes,
    max_block_records: bucket.maxBlockRecords,
  });
}
