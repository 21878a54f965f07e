/** Entry of a query thread. */
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { QueryJob } from '../src/query/job.ts';
import type { QueryWorkerData } from '../src/query/pool.ts';
import { QueryJobRunner } from '../src/query/scan/run-query-job.ts';
import { attachRocks } from '../src/store/rocks.ts';
import { standBack } from '../src/threads/thread-priority.ts';
import { THREAD_STARTED } from '../src/threads/thread-starts.ts';

async function start(): Promise<(job: QueryJob) => unknown> {
  standBack();
  // Piscina hands over what `QueryPool` gave it, as it is.
  const { handle, blockCacheBytes, planCacheBytes } = workerData as QueryWorkerData;
  const reader = await attachRocks(handle);
  const nowMs = (): number => performance.now();
  parentPort?.postMessage(THREAD_STARTED);
  const runner = new QueryJobRunner({ reader, blockCacheBytes, planCacheBytes, nowMs });
  return (job) => {
    const { result, transfer } = runner.run(job);
    return move({ [transferableSymbol]: transfer, [valueSymbol]: result });
  };
}

/** Piscina awaits it before the first job. */
const runJob: Promise<(job: QueryJob) => unknown> = start();
export default runJob;
