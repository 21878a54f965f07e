/** Entry of a replication thread: runs the jobs of many tasks side by side. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ReplicationJob, ReplicationResult } from '../src/replication/messages.ts';
import type { WorkerSetup } from '../src/replication/worker-options.ts';
import { startWorkerRuntime } from '../src/replication/worker-runtime.ts';
import { THREAD_STARTED } from '../src/threads/thread-starts.ts';

type RunJob = (job: ReplicationJob) => Promise<ReplicationResult>;

async function start(): Promise<RunJob> {
  // Piscina hands over what `newReplicationPool` gave it, as it is.
  const runtime = await startWorkerRuntime(workerData as WorkerSetup);
  parentPort?.postMessage(THREAD_STARTED);
  return (job) => runtime.run(job);
}

/** Piscina awaits it before the first job. */
const runJob: Promise<RunJob> = start();
export default runJob;
