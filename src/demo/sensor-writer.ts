import { ApiError, MillraceError, UnavailableError } from '../errors/errors.ts';
import { batchHeaders } from './batch-text.ts';
import type { InstanceClient } from './instance-client.ts';
import { pause } from './pause.ts';
import { BATCH_RECORDS, EDGE_BUCKET, PAYLOAD_BYTES, mustBeReplicated } from './plan.ts';
import type { SensorSource } from './sensor-source.ts';

/** What all sensors have written, as the edge acknowledged it. */
export interface WriteTotals {
  records: number;
  bytes: number;
  batches: number;
  singles: number;
  /** Requests sent again after 429, 503 or a lost connection. */
  repeats: number;
}

export interface SensorWriterOptions {
  readonly source: SensorSource;
  readonly client: InstanceClient;
  readonly totals: WriteTotals;
  /** Called after a record that was written alone is acknowledged and must reach the cloud. */
  readonly onDeliverable: (timestampUs: bigint) => void;
}

/** Every fifth request group is written record by record. */
const SINGLES_EVERY = 5;
const SINGLES_COUNT = 4;
const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 1_000;
const RETRY_TIMEOUT_MS = 20_000;
const STATUS_EXISTS = 409;

/**
 * One simulated sensor: writes its records in order, each when its time has come, and repeats a request until it is
 * acknowledged. `ackedRecords` is therefore all there is to remember: records 0 to `ackedRecords - 1` are stored.
 */
export class SensorWriter {
  ackedRecords = 0;
  readonly source: SensorSource;
  readonly #options: SensorWriterOptions;

  constructor(options: SensorWriterOptions) {
    this.source = options.source;
    this.#options = options;
  }

  /**
   * Writes for `durationMs`. When the edge is slower than the sensor, the requests follow each other without pause.
   *
   * @throws UnavailableError when a request is not acknowledged within 20 s; MillraceError when one is refused
   */
  async run(durationMs: number, signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    for (let group = 1; performance.now() - startMs < durationMs; group++) {
      const dueMs = startMs + (this.ackedRecords * this.source.stepUs) / 1000;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await pause(waitMs, signal);
      if (group % SINGLES_EVERY === 0) await this.#writeSingles(signal);
      else await this.#writeBatch(signal);
    }
  }

  async #writeBatch(signal: AbortSignal): Promise<void> {
    const { source, client, totals } = this.#options;
    const first = this.ackedRecords;
    const headers = batchHeaders(source, first, BATCH_RECORDS);
    const body = source.body(first, BATCH_RECORDS);
    await this.#untilAcked(signal, async (isRepeat) => {
      const errors = await client.writeBatch(EDGE_BUCKET, source.entry, headers, body);
      const refused = errors.find(({ status }) => !(isRepeat && status === STATUS_EXISTS));
      if (refused !== undefined) {
        const { timestampUs, status, text } = refused;
        throw new ApiError(status, `${source.entry}: record ${timestampUs} was refused: ${text}`);
      }
    });
    totals.batches++;
    this.#countAcked(BATCH_RECORDS);
  }

  async #writeSingles(signal: AbortSignal): Promise<void> {
    const { source, client, totals, onDeliverable } = this.#options;
    for (let count = 0; count < SINGLES_COUNT; count++) {
      const index = this.ackedRecords;
      const timestampUs = source.timestampUs(index);
      const labels = source.labels(index);
      await this.#untilAcked(signal, async (isRepeat) => {
        try {
          const payload = source.payload(index);
          await client.writeRecord(EDGE_BUCKET, source.entry, timestampUs, labels, payload);
        } catch (error) {
          if (!(isRepeat && statusOf(error) === STATUS_EXISTS)) throw error;
        }
      });
      totals.singles++;
      this.#countAcked(1);
      if (mustBeReplicated(labels)) onDeliverable(timestampUs);
    }
  }

  #countAcked(records: number): void {
    this.ackedRecords += records;
    this.#options.totals.records += records;
    this.#options.totals.bytes += records * PAYLOAD_BYTES;
  }

  /** A repeated request may find its records stored by the attempt before: then 409 is an acknowledgement. */
  async #untilAcked(
    signal: AbortSignal,
    attempt: (isRepeat: boolean) => Promise<void>,
  ): Promise<void> {
    const deadlineMs = performance.now() + RETRY_TIMEOUT_MS;
    for (let waitMs = RETRY_FIRST_MS, isRepeat = false; ; isRepeat = true) {
      try {
        await attempt(isRepeat);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isWorthRepeating(error)) throw error;
        if (performance.now() > deadlineMs) {
          const { entry } = this.source;
          throw new UnavailableError(
            `${entry}: the edge did not take a request within ${RETRY_TIMEOUT_MS / 1000} s`,
            { cause: error },
          );
        }
      }
      this.#options.totals.repeats++;
      await pause(waitMs, signal);
      waitMs = Math.min(RETRY_MAX_MS, waitMs * 2);
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof MillraceError ? error.status : undefined;
}

/** 429 and 503 ask for it; an error of undici means that there was no answer. Anything else is a finding. */
function isWorthRepeating(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status === 429 || status === 503;
  return error instanceof Error && 'code' in error;
}
