/** Which handler serves which method of which target, and what the methods of a target are called in `allow`. */
import type { Handler } from './front.ts';
import {
  cancelBackfill,
  changeBackfill,
  createBackfill,
  listBackfills,
  readBackfill,
} from './handlers/backfills.ts';
import { readBatch, writeBatch } from './handlers/batch.ts';
import { createBucket, readBucket, removeBucket, updateBucket } from './handlers/buckets.ts';
import { removeBatch, removeEntryOrRecord, updateBatch, updateRecord } from './handlers/changes.ts';
import { cancelComparison, readComparison, startComparison } from './handlers/comparisons.ts';
import { discardDeadLetters, listDeadLetters, retryDeadLetters } from './handlers/dead-letters.ts';
import { readRecord, writeRecord } from './handlers/entries.ts';
import { removeMulti, updateMulti } from './handlers/io-changes.ts';
import { readMulti, writeMulti } from './handlers/io.ts';
import {
  createLifecycle,
  listLifecycles,
  readLifecycle,
  removeLifecycle,
  setLifecycleMode,
  updateLifecycle,
} from './handlers/lifecycles.ts';
import { createLink, openLink } from './handlers/links.ts';
import { metricsPage } from './handlers/metrics.ts';
import {
  createMultiQuery,
  createQuery,
  createQueryByParameters,
  removeByParameters,
} from './handlers/queries.ts';
import { renameBucket, renameEntry } from './handlers/renames.ts';
import {
  checkReplication,
  createReplication,
  listReplications,
  previewReplication,
  readReplication,
  removeReplication,
  setReplicationMode,
  updateReplication,
} from './handlers/replications.ts';
import { info, list, me, probe } from './handlers/server.ts';
import { createToken, listTokens, readToken, removeToken, rotateToken } from './handlers/tokens.ts';
import { groupIndex } from './request-metrics.ts';
import type { RouteGroup } from './request-metrics.ts';
import type { Target } from './router.ts';

/** Lower case, as the library gives them. HEAD is served by `get`. */
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface Endpoint {
  readonly handlers: ReadonlyMap<string, Handler>;
  /** Value of `allow`. */
  readonly allow: string;
  /** Index of the route group, by method: reading and writing the same path are different things. */
  readonly groupOf: (method: string) => number;
}

function endpoint(
  handlers: Partial<Record<Method, Handler>>,
  readGroup: RouteGroup,
  writeGroup: RouteGroup = readGroup,
  changeGroup: RouteGroup = readGroup,
): Endpoint {
  const table = new Map<string, Handler>();
  const allowed: string[] = [];
  for (const [method, handler] of Object.entries(handlers)) {
    table.set(method, handler);
    allowed.push(method.toUpperCase());
    if (method !== 'get') continue;
    table.set('head', handler);
    allowed.push('HEAD');
  }
  const reading = groupIndex(readGroup);
  const writing = groupIndex(writeGroup);
  const changing = groupIndex(changeGroup);
  return {
    handlers: table,
    allow: allowed.join(','),
    groupOf: (method) => {
      if (method === 'post') return writing;
      return method === 'patch' || method === 'put' || method === 'delete' ? changing : reading;
    },
  };
}

const UNSERVED = endpoint({}, 'other');

/**
 * Targets of the contract without handlers are known paths, so every method on them is 405. Targets that are not paths
 * to something (`unknown`, `badPath`, `redirectToUi`) are answered by the dispatcher.
 */
export const ENDPOINTS: Readonly<Record<Target, Endpoint>> = {
  alive: endpoint({ get: probe }, 'server'),
  ready: endpoint({ get: probe }, 'server'),
  info: endpoint({ get: info }, 'server'),
  list: endpoint({ get: list }, 'server'),
  me: endpoint({ get: me }, 'server'),
  tokens: endpoint({ get: listTokens }, 'server'),
  token: endpoint({ get: readToken, post: createToken, delete: removeToken }, 'server'),
  tokenRotate: endpoint({ post: rotateToken }, 'server'),
  metrics: endpoint({ get: metricsPage }, 'metrics'),
  bucket: endpoint(
    { get: readBucket, post: createBucket, put: updateBucket, delete: removeBucket },
    'bucket',
  ),
  bucketRename: endpoint({ put: renameBucket }, 'bucket'),
  entry: endpoint(
    { get: readRecord, post: writeRecord, patch: updateRecord, delete: removeEntryOrRecord },
    'read',
    'write',
    'change',
  ),
  entryBatch: endpoint(
    { get: readBatch, post: writeBatch, patch: updateBatch, delete: removeBatch },
    'batch_read',
    'batch_write',
    'change',
  ),
  entryQuery: endpoint(
    { get: createQueryByParameters, post: createQuery, delete: removeByParameters },
    'query',
  ),
  entryRename: endpoint({ put: renameEntry }, 'change'),
  ioQuery: endpoint({ post: createMultiQuery }, 'query'),
  ioRead: endpoint({ get: readMulti }, 'batch_read'),
  ioWrite: endpoint({ post: writeMulti }, 'batch_write'),
  ioUpdate: endpoint({ patch: updateMulti }, 'change'),
  ioRemove: endpoint({ delete: removeMulti }, 'change'),
  replications: endpoint({ get: listReplications }, 'replication'),
  replication: endpoint(
    {
      get: readReplication,
      post: createReplication,
      put: updateReplication,
      delete: removeReplication,
    },
    'replication',
  ),
  replicationMode: endpoint({ patch: setReplicationMode }, 'replication'),
  replicationBackfills: endpoint({ get: listBackfills, post: createBackfill }, 'replication'),
  replicationBackfill: endpoint(
    { get: readBackfill, patch: changeBackfill, delete: cancelBackfill },
    'replication',
  ),
  replicationCheck: endpoint({ post: checkReplication }, 'replication'),
  replicationPreview: endpoint({ post: previewReplication }, 'replication'),
  deadLetters: endpoint({ get: listDeadLetters, delete: discardDeadLetters }, 'replication'),
  deadLettersRetry: endpoint({ post: retryDeadLetters }, 'replication'),
  replicationCompare: endpoint(
    { get: readComparison, post: startComparison, delete: cancelComparison },
    'replication',
  ),
  lifecycles: endpoint({ get: listLifecycles }, 'lifecycle'),
  lifecycle: endpoint(
    { get: readLifecycle, post: createLifecycle, put: updateLifecycle, delete: removeLifecycle },
    'lifecycle',
  ),
  lifecycleMode: endpoint({ patch: setLifecycleMode }, 'lifecycle'),
  link: endpoint({ get: openLink, post: createLink }, 'link'),
  redirectToUi: UNSERVED,
  badPath: UNSERVED,
  unknown: UNSERVED,
};
