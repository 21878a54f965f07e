import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoadResult } from './load-job.ts';
import { cpuTimeUs } from './proc.ts';

/** Latencies up to a minute, with three significant figures, as HDR histograms do. */
const HISTOGRAM = { lowest: 1, highest: 60_000_000, figures: 3 };

/** Counts the answers that come in while the measured window is open. */
export class Meter {
  readonly #watchedPids: readonly number[];
  readonly #recordsPerRequest: number;
  readonly #latencies = createHistogram(HISTOGRAM);
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 1 });
  #isOpen = false;
  #openedMs = 0;
  #closedMs = 0;
  #lastAnswerMs = 0;
  #longestGapMs = 0;
  #answered = 0;
  #failed = 0;
  #watchedCpuUs: number[] = [];
  #ownCpuUs = 0;

  constructor(watchedPids: readonly number[], recordsPerRequest: number) {
    this.#watchedPids = watchedPids;
    this.#recordsPerRequest = recordsPerRequest;
  }

  open(): void {
    this.#loopDelay.enable();
    this.#watchedCpuUs = this.#watchedPids.map((pid) => cpuTimeUs(pid));
    this.#ownCpuUs = ownCpuUs();
    this.#openedMs = performance.now();
    this.#lastAnswerMs = this.#openedMs;
    this.#isOpen = true;
  }

  close(): void {
    this.#isOpen = false;
    this.#closedMs = performance.now();
    this.#gapUntil(this.#closedMs);
    this.#ownCpuUs = ownCpuUs() - this.#ownCpuUs;
    this.#watchedCpuUs = this.#watchedPids.map(
      (pid, index) => cpuTimeUs(pid) - (this.#watchedCpuUs[index] ?? 0),
    );
    this.#loopDelay.disable();
  }

  /** A successful answer. @param startMs when its request was sent, on `performance.now()` */
  onSuccess(startMs: number): void {
    if (!this.#isOpen) return;
    const nowMs = performance.now();
    this.#answered++;
    this.#latencies.record(Math.max(1, Math.round((nowMs - startMs) * 1000)));
    this.#gapUntil(nowMs);
  }

  onFailure(): void {
    if (this.#isOpen) this.#failed++;
  }

  /** Valid after `close`. */
  result(): LoadResult {
    const elapsedMs = this.#closedMs - this.#openedMs;
    const records = this.#answered * this.#recordsPerRequest;
    return {
      elapsedMs,
      records,
      recordsPerSecond: (records * 1000) / elapsedMs,
      failedRequests: this.#failed,
      watchedCpuUs: this.#watchedCpuUs,
      generatorCpuUs: this.#ownCpuUs,
      latencyUs: {
        p50: this.#latencies.percentile(50),
        p99: this.#latencies.percentile(99),
        p999: this.#latencies.percentile(99.9),
        max: this.#answered === 0 ? 0 : this.#latencies.max,
      },
      longestGapMs: this.#longestGapMs,
      longestDriverDelayMs: this.#loopDelay.max / 1e6,
    };
  }

  #gapUntil(nowMs: number): void {
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAnswerMs);
    this.#lastAnswerMs = nowMs;
  }
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
