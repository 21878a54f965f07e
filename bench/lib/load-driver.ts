import { ChildCalls } from './child-calls.ts';
import type { LoadJob, LoadResult } from './load-job.ts';
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

  /** Where the payloads come from, in words. */
  origin(): Promise<string> {
    return this.#calls.call<string>('origin');
  }
}
