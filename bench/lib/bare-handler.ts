import { ChildCalls } from './child-calls.ts';
import type { LoadTarget } from './load-job.ts';
import type { Scope } from './scope.ts';

/** A running `bench/processes/bare-handler`. */
export interface BareHandler {
  readonly pid: number;
  /** Paths and headers have the same lengths as those for a server. */
  target(bucket: string): LoadTarget;
}

export async function startBareHandler(scope: Scope): Promise<BareHandler> {
  const calls = ChildCalls.start(scope, 'bare-handler');
  const port = await calls.call<number>('listen');
  return {
    pid: calls.pid,
    target: (bucket) => ({ port, token: '0'.repeat(32), bucket }),
  };
}
