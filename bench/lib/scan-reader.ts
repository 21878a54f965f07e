import { ChildCalls } from './child-calls.ts';
import type { ScanJob, ScanResult } from './scan-job.ts';
import type { Scope } from './scope.ts';

/** A running `bench/processes/scan-reader`. */
export class ScanReader {
  readonly pid: number;
  readonly #calls: ChildCalls;

  private constructor(calls: ChildCalls) {
    this.#calls = calls;
    this.pid = calls.pid;
  }

  static start(scope: Scope): ScanReader {
    return new ScanReader(ChildCalls.start(scope, 'scan-reader'));
  }

  /** Every reader reads its query to the end, once. @throws Error when an answer is not 200 or 204 */
  read(job: ScanJob): Promise<ScanResult> {
    return this.#calls.call<ScanResult>('read', job);
  }

  /** Begins to read such queries again and again. */
  async begin(job: ScanJob): Promise<void> {
    await this.#calls.call('begin', job);
  }

  /** Ends what `begin` began, after the batches under way. @throws as `read` */
  end(): Promise<ScanResult> {
    return this.#calls.call<ScanResult>('end');
  }
}
