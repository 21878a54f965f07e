import { ChildCalls } from './child-calls.ts';
import type { LoadJob, LoadResult, LoadShape, LoadTarget } from './load-job.ts';
import type { Scope } from './scope.ts';

/** A running `bench/processes/load-driver`. */
export class LoadDriver {
  readonly #calls: ChildCalls;

  private constructor(calls: ChildCalls) {
    this.#calls = calls;
  }

  static start(scope: Scope): LoadDriver {
    return new LoadDriver(ChildCalls.start(scope, 'load-driver'));
  }

  /** @throws Error when a request failed: a figure over refused records would be no figure */
  async run(job: LoadJob): Promise<LoadResult> {
    const result = await this.#calls.call<LoadResult>('run', job);
    if (result.failedRequests > 0) {
      throw new Error(`${result.failedRequests} requests failed, ${result.records} records stored`);
    }
    return result;
  }

  /** Writes so many records with plain sockets, as fast as they are taken, to fill a bucket. @throws as `run` */
  fill(target: LoadTarget, shape: LoadShape, records: number): Promise<LoadResult> {
    return this.run({
      generator: 'sockets',
      target,
      shape,
      warmupMs: 0,
      measureMs: 0,
      requests: records / shape.recordsPerRequest,
      watchedPids: [],
    });
  }

  /** Where the payloads come from, in words. */
  origin(): Promise<string> {
    return this.#calls.call<string>('origin');
  }
}
