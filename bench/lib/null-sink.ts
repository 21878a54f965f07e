import { ChildCalls } from './child-calls.ts';
import type { Scope } from './scope.ts';

export interface SinkCounts {
  /** Batches. */
  readonly requests: number;
  readonly bodyBytes: number;
  /** When it began to listen and when the first batch was complete, on the machine's monotonic clock; 0: not yet. */
  readonly listeningMs: number;
  readonly firstBatchMs: number;
}

/** A running `bench/processes/null-sink`. */
export class NullSink {
  readonly port: number;
  readonly url: string;
  readonly #calls: ChildCalls;

  private constructor(calls: ChildCalls, port: number) {
    this.#calls = calls;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** @param port default: a free one */
  static async start(scope: Scope, port: number = 0): Promise<NullSink> {
    const calls = ChildCalls.start(scope, 'null-sink');
    return new NullSink(calls, await calls.call<number>('listen', port));
  }

  get pid(): number {
    return this.#calls.pid;
  }

  counts(): Promise<SinkCounts> {
    return this.#calls.call<SinkCounts>('counts');
  }

  kill(): Promise<void> {
    return this.#calls.kill();
  }
}
