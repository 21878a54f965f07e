import { constants } from 'node:os';
import { InterruptedError } from './errors.ts';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Aborted by the first Ctrl-C (or SIGTERM, SIGHUP) with an `InterruptedError`: commands end what they do in order. A
 * second one ends the process at once.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of STOP_SIGNALS) {
    process.on(name, () => {
      const reason = new InterruptedError(constants.signals[name]);
      if (controller.signal.aborted) process.exit(reason.exitCode);
      controller.abort(reason);
    });
  }
  return controller.signal;
}

/** For commands that start a process or a server which handles signals itself. */
export function leaveSignalsToOthers(): void {
  for (const name of STOP_SIGNALS) process.removeAllListeners(name);
}
