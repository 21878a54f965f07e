/**
 * Holds the requests of one slice to a budget, with several of them in flight. What a window may cost is set aside before it
 * is opened, so that all that is begun fits into what is left, but for one batch at the end. Runs in workers.
 */
import type { Batch } from '../scan/batch.ts';

/** What of a task's budget a slice may use; plain data. */
export interface SliceBudget {
  readonly bytesPerSecond: number | null;
  /** Wall clock, ms: until then earlier requests use up the rate. */
  readonly busyUntilMs: number;
  /** No batch is begun once so many bytes went over the link; `null`: no limit. */
  readonly allowanceBytes: number | null;
}

/** A slice waits itself for a turn that comes so soon, and ends for a later one. */
const SHORT_WAIT_MS = 20;

/** Heads of a request and its answer, besides the record headers. */
const HEAD_BYTES = 700;

/** A batch may be sent so many times over: it is compared with the target, or taken apart until the bad record is alone. */
const MOST_TIMES = 8;

export class Pacer {
  readonly #budget: SliceBudget;
  readonly #nowMs: () => number;
  #usedBytes = 0;
  /** For batches that are opened and not answered. */
  #reservedBytes = 0;
  /** What `busyUntilMs` contains. */
  #pacedBytes = 0;
  #inFlight = 0;
  #busyUntilMs: number;

  /** @param nowMs wall clock. */
  constructor(budget: SliceBudget, nowMs: () => number) {
    this.#budget = budget;
    this.#nowMs = nowMs;
    this.#busyUntilMs = budget.busyUntilMs;
  }

  /** Bytes of this slice, in both directions. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get busyUntilMs(): number {
    return this.#busyUntilMs;
  }

  /** How long the next request has to wait, ms. */
  waitMs(): number {
    return Math.max(0, this.#busyUntilMs - this.#nowMs());
  }

  /** Whether nothing more may be begun in this slice. What is begun is finished, at the pace of the budget. */
  isOver(): boolean {
    return this.#leftBytes + this.#reservedBytes <= 0 || this.waitMs() > SHORT_WAIT_MS;
  }

  /** Whether answers have to come first: what is open may need all that is left. */
  isFull(): boolean {
    return this.#leftBytes <= 0;
  }

  /** Whether all of these surely fit into what is left. */
  fits(batches: readonly Batch[]): boolean {
    return sumOf(batches) <= this.#leftBytes;
  }

  /** Sets aside what these may cost. */
  reserve(batches: readonly Batch[]): void {
    this.#reservedBytes += sumOf(batches);
  }

  /** They will not be sent, or are answered for. */
  release(batches: readonly Batch[]): void {
    this.#reservedBytes -= sumOf(batches);
  }

  /** A request for the batch goes out. */
  begin(batch: Batch): void {
    this.#inFlight++;
    this.#pace(batch.bodyBytes + batch.headerValue.length);
  }

  /** It is answered for. @param totalBytes of the slice so far, that of requests in flight included. */
  end(batch: Batch, totalBytes: number): void {
    this.#inFlight--;
    this.release([batch]);
    this.settle(totalBytes);
  }

  /** @param totalBytes of the slice so far. */
  settle(totalBytes: number): void {
    this.#usedBytes = totalBytes;
    const unpaced = totalBytes - this.#pacedBytes;
    // Compressed bodies are smaller than they were taken for, once they are all through.
    if (unpaced > 0 || this.#inFlight === 0) this.#pace(unpaced);
  }

  get #leftBytes(): number {
    const { allowanceBytes } = this.#budget;
    if (allowanceBytes === null) return Number.POSITIVE_INFINITY;
    return allowanceBytes - this.#usedBytes - this.#reservedBytes;
  }

  #pace(bytes: number): void {
    this.#pacedBytes += bytes;
    const { bytesPerSecond } = this.#budget;
    if (bytesPerSecond === null) return;
    const ms = (bytes / bytesPerSecond) * 1000;
    const fromMs = bytes < 0 ? this.#busyUntilMs : Math.max(this.#busyUntilMs, this.#nowMs());
    this.#busyUntilMs = fromMs + ms;
  }
}

function sumOf(batches: readonly Batch[]): number {
  let bytes = 0;
  for (const { bodyBytes, headerValue } of batches) {
    bytes += (bodyBytes + headerValue.length + HEAD_BYTES) * MOST_TIMES;
  }
  return bytes;
}
