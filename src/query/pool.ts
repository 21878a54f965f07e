/** The threads that execute query jobs. */
import { Piscina } from 'piscina';
import { BugError, UnavailableError } from '../errors/errors.ts';
import { ThreadStarts } from '../threads/thread-starts.ts';
import { setWorkerHeaps } from '../threads/worker-heap.ts';
import { BodyBuffers, MAX_FREE_BYTES, sharedBufferOf } from './body-buffers.ts';
import type { QueryJob, QueryJobResult, QueryProgress } from './job.ts';

/** Given to every query worker when it starts. */
export interface QueryWorkerData {
  /** `RocksDatabase.handle` of the open store. */
  readonly handle: bigint;
  /** See `JobRunnerOptions`; per thread. */
  readonly blockCacheBytes: number;
  readonly planCacheBytes: number;
}

/** Runs jobs, in worker threads or (in tests) in this one. */
export interface QueryExecutor {
  /**
   * @throws UnavailableError when the queue is full or the pool is stopping: the job did not run. BugError when the
   *   thread died.
   */
  run(job: QueryJob): Promise<QueryJobResult>;
  /** Jobs that wait for a thread. */
  readonly queuedJobs?: number;
  /** The memory of this body goes to later jobs. Only once for each result, when nobody looks at it any more. */
  recycle?(body: QueryProgress['body']): void;
}

export interface QueryPoolOptions extends QueryWorkerData {
  /** The built worker entry; `src/` does not know where it lies. */
  readonly workerUrl: URL;
  readonly threads: number;
  /** Jobs that may wait for a thread; the next one is refused with 503. */
  readonly maxQueue: number;
  /** Told about threads that died outside of a job. The pool starts others. */
  readonly onThreadError: (error: Error) => void;
}

export class QueryPool implements QueryExecutor {
  readonly #piscina: Piscina<QueryJob, QueryJobResult>;
  readonly #maxQueue: number;
  readonly #starts: ThreadStarts;
  readonly #running = new Set<Promise<unknown>>();
  readonly #freeBuffers = new BodyBuffers();
  /** With jobs that are not done. */
  #lentBytes = 0;
  #isStopping = false;

  constructor(options: QueryPoolOptions) {
    const { handle, blockCacheBytes, planCacheBytes, threads, maxQueue, workerUrl } = options;
    const workerData: QueryWorkerData = { handle, blockCacheBytes, planCacheBytes };
    this.#maxQueue = maxQueue;
    setWorkerHeaps();
    this.#piscina = new Piscina<QueryJob, QueryJobResult>({
      filename: workerUrl.href,
      workerData,
      minThreads: threads,
      maxThreads: threads,
      maxQueue,
      // Waiting on an Atomics word would park the thread's event loop between jobs.
      atomics: 'disabled',
      recordTiming: false,
    });
    this.#piscina.on('error', options.onThreadError);
    this.#starts = new ThreadStarts(this.#piscina, threads);
  }

  /** Jobs that wait for a thread. */
  get queuedJobs(): number {
    return this.#piscina.queueSize;
  }

  async run(job: QueryJob): Promise<QueryJobResult> {
    if (this.#isStopping) throw new UnavailableError('The server is shutting down');
    if (this.#piscina.queueSize >= this.#maxQueue) {
      throw new UnavailableError('Too many queries are being read');
    }
    // Jobs that wait for a thread hold no more of them than a thread does.
    const { freeBytes } = this.#freeBuffers;
    const lentBytes = this.#lentBytes + freeBytes <= MAX_FREE_BYTES ? freeBytes : 0;
    const freeBuffers = lentBytes === 0 ? undefined : this.#freeBuffers.takeAll();
    this.#lentBytes += lentBytes;
    const running = this.#piscina.run({ ...job, freeBuffers });
    this.#running.add(running);
    try {
      return await running;
    } catch (cause) {
      if (this.#isStopping) throw new UnavailableError('The server is shutting down', { cause });
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new BugError(`a query worker failed: ${text}`, { cause });
    } finally {
      this.#lentBytes -= lentBytes;
      this.#running.delete(running);
    }
  }

  recycle(body: QueryProgress['body']): void {
    const buffer = sharedBufferOf(body);
    if (buffer !== undefined) this.#freeBuffers.give(buffer);
  }

  /**
   * Refuses new jobs, lets the accepted ones finish, and ends the threads; jobs that are not done in time end with
   * `UnavailableError`. Afterwards the store may be closed. Idempotent.
   * @param timeoutMs for the accepted jobs.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.allSettled(this.#running), timeout]);
    clearTimeout(timer);
    await this.#starts.settled();
    await this.#piscina.destroy();
  }
}
