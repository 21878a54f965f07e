/** What works by itself in a running instance: lifecycle policies and replication. In a read-only instance nothing does. */
import { READ_ONLY_LIFECYCLES } from '../lifecycle/read-only.ts';
import type { Lifecycles, ProvisionedLifecycle } from '../lifecycle/service.ts';
import { READ_ONLY_REPLICATIONS } from '../replication/read-only.ts';
import { startLifecycles } from './lifecycles.ts';
import type { LifecycleParts } from './lifecycles.ts';
import { startReplication } from './replication.ts';
import type { ReplicationParts, RunningReplication } from './replication.ts';

export interface Background {
  readonly lifecycles: Lifecycles;
  readonly replication: RunningReplication;
}

export interface BackgroundParts {
  readonly lifecycles: LifecycleParts;
  readonly provisionedLifecycles: readonly ProvisionedLifecycle[];
  readonly replication: ReplicationParts;
  readonly listeningPort: number;
}

/** @throws StoreFormatError when something stored cannot be read, ConfigError for an unreadable RS_REPLICATION_CA_PATH. */
export async function startBackground(parts: BackgroundParts): Promise<Background> {
  const lifecycles = await startLifecycles(parts.lifecycles, parts.provisionedLifecycles);
  const replication = await startReplication(parts.replication, parts.listeningPort);
  parts.replication.commits.addListener(replication);
  await replication.provisioned;
  return { lifecycles, replication };
}

export const READ_ONLY_BACKGROUND: Background = {
  lifecycles: READ_ONLY_LIFECYCLES,
  replication: {
    service: READ_ONLY_REPLICATIONS,
    provisioned: Promise.resolve(),
    onCommitted: () => {
      // Nothing is committed.
    },
    taskFigures: () => [],
    refreshMetrics: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  },
};
