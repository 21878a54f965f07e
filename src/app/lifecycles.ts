/** Lifecycle policies of a starting server. */
import type { Catalog } from '../catalog/catalog.ts';
import type { Bucket } from '../catalog/model.ts';
import type { GroupCommit } from '../commit/group-commit.ts';
import { MillraceError } from '../errors/errors.ts';
import { SYSTEM_CLOCK } from '../lifecycle/clock.ts';
import { LifecycleService } from '../lifecycle/service.ts';
import type { ProvisionedLifecycle } from '../lifecycle/service.ts';
import type { LifecycleRun } from '../lifecycle/types.ts';
import { WindowWork } from '../lifecycle/window-work.ts';
import type { WindowWorkOptions } from '../lifecycle/window-work.ts';
import type { Logger } from '../logging/logger.ts';
import type { RocksReader } from '../store/rocks.ts';

export interface LifecycleParts extends WindowWorkOptions {
  readonly db: RocksReader;
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly logger: Logger;
  /** Told of each run, besides the log. Must not throw. */
  readonly onRun: (run: LifecycleRun) => void;
}

/** Resolves when policies are at work. @throws StoreFormatError when a stored one cannot be read. */
export async function startLifecycles(
  parts: LifecycleParts,
  provisioned: readonly ProvisionedLifecycle[],
): Promise<LifecycleService> {
  const { db, catalog, commits, logger } = parts;
  const service = new LifecycleService({
    db,
    commitRows: (rows) => commits.commitRows(rows),
    clock: SYSTEM_CLOCK,
    work: new WindowWork(parts),
    bucket: (name) => usableBucket(catalog, name),
    onRun: (run) => {
      logRun(logger, run);
      parts.onRun(run);
    },
    warn: (message, err) => logger.warn(err === undefined ? {} : { err }, message),
  });
  await service.start(provisioned);
  return service;
}

function usableBucket(catalog: Catalog, name: string): Bucket | undefined {
  try {
    return catalog.bucket(name);
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}

function logRun(logger: Logger, run: LifecycleRun): void {
  const { policyName, actionType, bucketName, lastProcessedTs, ...figures } = run;
  const reached =
    lastProcessedTs === undefined ? {} : { lastProcessedTs: lastProcessedTs.toString() };
  const fields = {
    lifecycle: policyName,
    type: actionType,
    bucket: bucketName,
    ...figures,
    ...reached,
  };
  if (run.status !== 200) logger.warn(fields, 'a lifecycle run failed');
  else if (run.processedRecords > 0) logger.info(fields, 'lifecycle run');
  else logger.debug(fields, 'lifecycle run');
}
