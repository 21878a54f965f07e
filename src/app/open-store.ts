/** Opens the store of a starting instance, as its role has it (http-api §7). */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { isReadOnlyRole } from '../config/rules.ts';
import { ConfigError, StoreLockedError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import type { RocksDatabase } from '../store/rocks.ts';
import { openRocks } from '../store/rocks.ts';

/** The file that every RocksDB database has, and that is read first. */
const DATABASE_FILE = 'CURRENT';

/** How often a SECONDARY looks whether the folder is free. */
const POLL_MS = 1_000;

/**
 * A SECONDARY waits for the folder as long as another process has it.
 * @param stopping ends that wait: the promise rejects.
 * @throws StoreLockedError for any other role; ConfigError when there is no store for a REPLICA.
 */
export async function openStore(
  config: Config,
  logger: Logger,
  stopping: AbortSignal,
): Promise<RocksDatabase> {
  const { dataPath, cacheMemoryBytes: cacheBytes, instanceRole } = config;
  if (isReadOnlyRole(config)) requireStore(dataPath);
  else await mkdir(dataPath, { recursive: true });
  for (let attempt = 0; ; attempt++) {
    try {
      return await openRocks(dataPath, { cacheBytes });
    } catch (error) {
      if (instanceRole !== 'SECONDARY' || !(error instanceof StoreLockedError)) throw error;
    }
    if (attempt === 0) logger.info({ dataPath }, 'waiting for the end of the primary instance');
    await delay(POLL_MS, undefined, { signal: stopping });
  }
}

/** Opening would make one. */
function requireStore(dataPath: string): void {
  if (existsSync(join(dataPath, DATABASE_FILE))) return;
  throw new ConfigError(`The data folder ${dataPath} holds no store: there is nothing to read`, {
    hint: 'Set RS_DATA_PATH to a folder that an instance of another role has written.',
  });
}
