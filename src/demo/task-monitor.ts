import { UnavailableError } from '../errors/errors.ts';
import type { InstanceClient, TaskState } from './instance-client.ts';
import { pause } from './pause.ts';
import { TASK_NAME } from './plan.ts';
import { formatProgress, type ProgressPrinter } from './progress.ts';
import { metricSum } from './prometheus-text.ts';
import type { WriteTotals } from './sensor-writer.ts';

export interface TaskMonitorOptions {
  /** Of the instance on which the task is configured. */
  readonly client: InstanceClient;
  readonly totals: WriteTotals;
  readonly printer: ProgressPrinter;
  /** Fewer pending records than these count as caught up. */
  readonly caughtUpRecords: number;
  readonly onCaughtUp: () => void;
}

const POLL_MS = 100;
/** The resolution of the catch-up and drain times. */
const CATCH_UP_POLL_MS = 10;
const PRINT_MS = 1_000;

/** Watches the replication task while the demo runs: pending records, lag, how long it takes to catch up. */
export class TaskMonitor {
  /** Words for the end of the progress line. */
  remark = '';
  peakPendingRecords = 0;
  /** From `cloudIsBack` until fewer than `caughtUpRecords` were pending; `undefined` before. */
  catchUpMs: number | undefined;
  #state: TaskState | undefined;
  #backAtMs: number | undefined;
  readonly #options: TaskMonitorOptions;
  readonly #startMs: number = performance.now();

  constructor(options: TaskMonitorOptions) {
    this.#options = options;
  }

  /** The target answers again: the clock of the catch-up starts. */
  cloudIsBack(): void {
    this.#backAtMs = performance.now();
  }

  /** Polls and prints until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { totals } = this.#options;
    let printedMs = this.#startMs;
    let printedRecords = totals.records;
    let printedBytes = totals.bytes;
    while (!signal.aborted) {
      await this.#poll();
      const nowMs = performance.now();
      if (nowMs - printedMs >= PRINT_MS) {
        const seconds = (nowMs - printedMs) / 1000;
        await this.#print(
          (totals.records - printedRecords) / seconds,
          (totals.bytes - printedBytes) / seconds,
        );
        printedMs = nowMs;
        printedRecords = totals.records;
        printedBytes = totals.bytes;
      }
      const pollMs = this.#isCatchingUp() ? CATCH_UP_POLL_MS : POLL_MS;
      await pause(pollMs, signal).catch(() => undefined);
    }
  }

  /**
   * Waits until nothing is pending; returns how long that took.
   *
   * @throws UnavailableError when something still is after `timeoutMs`
   */
  async untilDrained(timeoutMs: number, signal: AbortSignal): Promise<number> {
    const startMs = performance.now();
    for (;;) {
      await this.#poll();
      const pendingRecords = this.#state?.pendingRecords;
      if (pendingRecords === 0) return performance.now() - startMs;
      if (performance.now() - startMs > timeoutMs) {
        const activity = this.#state?.isActive === true ? 'active' : 'not active';
        throw new UnavailableError(
          `${pendingRecords} records are still pending ${timeoutMs / 1000} s after the last write; the task is ${activity}`,
          { hint: `Look at GET /api/v1/replications/${TASK_NAME} with --keep.` },
        );
      }
      await pause(CATCH_UP_POLL_MS, signal);
    }
  }

  async #poll(): Promise<void> {
    const state = await this.#options.client.taskState(TASK_NAME);
    this.#state = state;
    this.peakPendingRecords = Math.max(this.peakPendingRecords, state.pendingRecords);
    if (this.#backAtMs === undefined || !this.#isCatchingUp()) return;
    if (state.pendingRecords < this.#options.caughtUpRecords) {
      this.catchUpMs = performance.now() - this.#backAtMs;
      this.#options.onCaughtUp();
    }
  }

  #isCatchingUp(): boolean {
    return this.#backAtMs !== undefined && this.catchUpMs === undefined;
  }

  async #print(recordsPerS: number, bytesPerS: number): Promise<void> {
    const text = await this.#options.client.metricsText();
    const lagS = metricSum(text, 'millrace_task_lag_seconds');
    const pending = metricSum(text, 'millrace_task_pending_records');
    this.#options.printer.show(
      formatProgress({
        elapsedMs: performance.now() - this.#startMs,
        recordsPerS,
        bytesPerS,
        pendingRecords: pending ?? this.#state?.pendingRecords,
        lagMs: lagS === undefined ? undefined : lagS * 1000,
        remark: this.remark,
      }),
    );
  }
}
