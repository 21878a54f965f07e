import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTimeUs } from './proc.ts';

const POLL_MS = 20;
const IDLE_WINDOW_MS = 200;
/** Below it in a window of 200 ms a process counts as idle: timers and metrics, no compaction. */
const IDLE_CPU_US = 20_000;
const SETTLE_TIMEOUT_MS = 30_000;

/**
 * Polls until the condition holds. Returns the time it took in ms.
 * @throws Error naming `what` after `timeoutMs`
 */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeoutMs: number,
  pollMs: number = POLL_MS,
): Promise<number> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > timeoutMs) {
      throw new Error(`${what} did not happen within ${timeoutMs / 1000} s`);
    }
    await sleep(pollMs);
  }
  return performance.now() - startMs;
}

/** Waits until the processes use no CPU worth mentioning (flushes and compactions are over), at most 30 s. */
export async function settle(pids: readonly number[]): Promise<void> {
  const endMs = performance.now() + SETTLE_TIMEOUT_MS;
  let beforeUs = totalUs(pids);
  while (performance.now() < endMs) {
    await sleep(IDLE_WINDOW_MS);
    const nowUs = totalUs(pids);
    if (nowUs - beforeUs <= IDLE_CPU_US * pids.length) return;
    beforeUs = nowUs;
  }
}

function totalUs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) total += cpuTimeUs(pid);
  return total;
}
