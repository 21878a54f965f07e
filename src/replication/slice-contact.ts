/** The contact with a target that a slice begins with, unless the one before it ended well. */
import type { SendJob, SliceFailure } from './messages.ts';
import type { WorkerOptions } from './worker-options.ts';
import { SAME_BUCKET_TEXT } from './settings-checks.ts';
import type { RequestGroup } from './transfer/exchange.ts';
import type { KnownTarget } from './transfer/known-target.ts';
import { checkTarget, probeConnect } from './transfer/target-check.ts';
import type { TargetClient } from './transfer/target-client.ts';
import type { TargetInfo } from './transfer/target-info.ts';

const SAME_BUCKET: SliceFailure = {
  kind: 'refused',
  key: 422,
  message: SAME_BUCKET_TEXT,
  retryAfterMs: null,
};

/**
 * Asks for the bucket, and creates it where it is missing.
 * @param known learns what the target tells.
 * @returns why nothing can be sent, or `null`.
 */
export async function contactTarget(
  job: SendJob,
  options: WorkerOptions,
  client: TargetClient,
  group: RequestGroup,
  known: KnownTarget,
): Promise<SliceFailure | null> {
  const { dstHost, dstBucket } = job.task.settings;
  const unreachable = job.probeFirst ? await probeConnect(dstHost, options.proxies) : null;
  if (unreachable !== null) return unreachable;
  const contact = await checkTarget(client, dstBucket, true, group);
  if (contact.kind === 'failed') return contact.failure;
  known.learn(contact.target);
  return isOwnBucket(job, options.instanceId, contact.target) ? SAME_BUCKET : null;
}

/** The exact check of replication §5.11 (d), whatever name the target goes by. */
function isOwnBucket(
  { task, bucketId: ownBucketId }: SendJob,
  ownInstanceId: string,
  { instanceId, bucketId }: TargetInfo,
): boolean {
  const hasPrefix = /[^/]/.test(task.settings.dstPrefix);
  const isOwnInstance = instanceId !== null && instanceId === ownInstanceId;
  return isOwnInstance && bucketId === ownBucketId && !hasPrefix;
}
