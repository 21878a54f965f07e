/** How long the log is left to grow after a window that ended at its head, so that the next one has more records. */
import type { Window } from './scan/window.ts';

/** After a scan up to the head that matched nothing, the next one waits this long: nobody is waiting for it. */
const IDLE_SCAN_INTERVAL_MS = 5;

/**
 * Requests with few records cost as much as dozens of records, and a stream over many entries would be sent one by one: as
 * long as a task makes more of them than this, windows at the head wait for each other. A burst goes out at once.
 */
const SMALL_REQUESTS_PER_MS = 3;
const SMALL_REQUESTS_BURST_MS = 5;
const SMALL_REQUEST_RECORDS = 16;
const MAX_PACE_MS = 5;

/** Of one task. */
export class HeadPace {
  /** Up to when the requests made so far use up what a task may make. */
  #usedUpToMs = 0;

  /** @returns until when nothing is scanned; 0: the next scan may come at once. */
  restUntil({ batches, records }: Window, nowMs: number): number {
    if (batches.length === 0) return nowMs + IDLE_SCAN_INTERVAL_MS;
    if (records >= batches.length * SMALL_REQUEST_RECORDS) return 0;
    const fromMs = Math.max(this.#usedUpToMs, nowMs - SMALL_REQUESTS_BURST_MS);
    const upToMs = fromMs + batches.length / SMALL_REQUESTS_PER_MS;
    this.#usedUpToMs = Math.min(upToMs, nowMs + MAX_PACE_MS);
    // Timers know no shorter time.
    return this.#usedUpToMs - nowMs < 1 ? 0 : this.#usedUpToMs;
  }
}
