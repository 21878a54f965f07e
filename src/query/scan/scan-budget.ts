/** How long one job may scan. */

/** The clock is read once in so many records or bytes: a job of one usual batch is over before it is looked at. */
const RECORDS_PER_LOOK = 1024;
const BYTES_PER_LOOK = 16 * 1024 * 1024;

export interface ReadMeter {
  /** Bytes read from the store so far. */
  readonly bytesRead: number;
}

export class ScanBudget {
  readonly #nowMs: () => number;
  readonly #deadlineMs: number;
  readonly #meter: ReadMeter;
  #records = 0;
  #lookedAtBytes: number;
  #isSpent = false;

  /** @param nowMs a monotonic clock. */
  constructor(nowMs: () => number, sliceMs: number, meter: ReadMeter) {
    this.#nowMs = nowMs;
    this.#deadlineMs = nowMs() + sliceMs;
    this.#meter = meter;
    this.#lookedAtBytes = meter.bytesRead;
  }

  /** To be asked before each record. Once true it stays true. */
  isSpent(): boolean {
    const { bytesRead } = this.#meter;
    const isLookDue = ++this.#records % RECORDS_PER_LOOK === 0;
    if (isLookDue || bytesRead - this.#lookedAtBytes >= BYTES_PER_LOOK) {
      this.#lookedAtBytes = bytesRead;
      this.#isSpent ||= this.#nowMs() >= this.#deadlineMs;
    }
    return this.#isSpent;
  }
}
