/** The threads that run replication jobs. */
import { Piscina } from 'piscina';
import { ThreadStarts } from '../threads/thread-starts.ts';
import { setWorkerHeaps } from '../threads/worker-heap.ts';
import type { ReplicationJob, ReplicationPool, ReplicationResult } from './messages.ts';
import type { WorkerOptions, WorkerSetup } from './worker-options.ts';

/** Jobs of one thread at the same time: most of them wait for a network. */
const JOBS_PER_THREAD = 512;

/** Jobs that may wait when all threads are full; the next one fails and is tried again by its task's back-off. */
const MAX_QUEUE = 4096;

export interface ReplicationPoolOptions {
  readonly databaseHandle: bigint;
  readonly ring: SharedArrayBuffer;
  /** The built worker entry, see `src/app/worker-urls.ts`. */
  readonly workerUrl: URL;
  readonly threads: number;
  readonly worker: WorkerOptions;
  /** See `WorkerSetup`; default: certificates do not change. */
  readonly tlsChannel?: string;
  /** Told about threads that died outside of a job. The pool starts others. */
  readonly onThreadError: (error: Error) => void;
}

/** Tasks of one bucket share what a thread reads for them; jobs of no task go anywhere. */
function affinityFor(job: ReplicationJob): number {
  if ('bucketId' in job && job.bucketId !== null) return job.bucketId;
  return 'task' in job ? job.task.id : Math.floor(Math.random() * JOBS_PER_THREAD);
}

type Balancer = NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>['loadBalancer']>;

export function newReplicationPool(options: ReplicationPoolOptions): ReplicationPool {
  const { databaseHandle, ring, worker, workerUrl, threads } = options;
  const { tlsChannel = null } = options;
  const workerData: WorkerSetup = { databaseHandle, ring, options: worker, tlsChannel };
  setWorkerHeaps();
  const piscina = new Piscina<ReplicationJob, ReplicationResult>({
    filename: workerUrl.href,
    workerData,
    minThreads: threads,
    maxThreads: threads,
    maxQueue: MAX_QUEUE,
    concurrentTasksPerWorker: JOBS_PER_THREAD,
    // Waiting on an Atomics word would park the event loop of a thread between jobs, and with it its sockets.
    atomics: 'disabled',
    recordTiming: false,
    loadBalancer: balanceByAffinity,
  });
  piscina.on('error', options.onThreadError);
  const starts = new ThreadStarts(piscina, threads);
  return {
    run: (job) => {
      const affinity = affinityFor(job);
      // Piscina keeps what lies under this symbol on its side; it is not cloned.
      return piscina.run(Object.assign(job, { [Piscina.queueOptionsSymbol]: { affinity } }));
    },
    close: async () => {
      await starts.settled();
      await piscina.destroy();
    },
  };
}

/** Tasks of one bucket share a thread, so that they share what it reads and encodes. */
const balanceByAffinity: Balancer = (task, workers) => {
  const usable = workers.filter((worker) => worker.currentUsage < JOBS_PER_THREAD);
  if (usable.length === 0) return null;
  usable.sort((a, b) => a.id - b.id);
  return usable[affinityOf(task) % usable.length] ?? null;
};

function affinityOf(task: Parameters<Balancer>[0]): number {
  const options = Object.getOwnPropertyDescriptor(task, Piscina.queueOptionsSymbol)?.value as
    | { affinity?: number }
    | null
    | undefined;
  return options?.affinity ?? 0;
}
