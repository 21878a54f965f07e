import type { Row } from '../lib/row.ts';
import { batchWrite } from './batch-write.ts';
import { batchV2Write } from './batch-v2-write.ts';
import { catchUp } from './catch-up.ts';
import { catchUpReductStore } from './catch-up-reductstore.ts';
import { commitPause } from './commit-pause.ts';
import { condition } from './condition.ts';
import { copying } from './cp.ts';
import { diskWrites } from './disk-writes.ts';
import { fanOut } from './fan-out.ts';
import { ingestBesideReaders } from './ingest-beside-readers.ts';
import { latestRead } from './latest-read.ts';
import { hungTarget } from './hung-target.ts';
import { longLink } from './long-link.ts';
import { manyTasks } from './many-tasks.ts';
import { opening } from './opening.ts';
import { pendingMemory } from './pending-memory.ts';
import { queryRead } from './query-read.ts';
import { replicationLag } from './replication-lag.ts';
import { single4k } from './single-4k.ts';
import { singleFsync, singleOs } from './single-record.ts';
import { targetReturn } from './target-return.ts';
import { deliveringTask, pausedTasks, unmatchedTasks } from './tasks-on-bucket.ts';

/** In the order of the tables of goals: writing and replication, then the HTTP API. */
export const ROWS: readonly Row[] = [
  singleOs,
  singleFsync,
  single4k,
  batchWrite,
  pausedTasks,
  unmatchedTasks,
  deliveringTask,
  fanOut,
  catchUp,
  catchUpReductStore,
  manyTasks,
  hungTarget,
  longLink,
  copying,
  targetReturn,
  pendingMemory,
  diskWrites,
  commitPause,
  replicationLag,
  opening,
  queryRead,
  ingestBesideReaders,
  batchV2Write,
  condition,
  latestRead,
];
