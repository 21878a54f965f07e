import type { InstanceClient } from './instance-client.ts';
import { pause } from './pause.ts';
import { CLOUD_BUCKET } from './plan.ts';

/** Spacing of the questions, and with it the resolution of the figure. */
const POLL_MS = 1;

/**
 * Measures the time from the edge's acknowledgement until the cloud has the record: asks the cloud for one record at a
 * time. Not during the outage, whose length is a figure of its own.
 */
export class DeliveryProbe {
  /** Measured times. */
  readonly samplesMs: number[] = [];
  readonly #client: InstanceClient;
  readonly #entry: string;
  readonly #signal: AbortSignal;
  #isPaused = false;
  #isBusy = false;

  constructor(client: InstanceClient, entry: string, signal: AbortSignal) {
    this.#client = client;
    this.#entry = entry;
    this.#signal = signal;
  }

  /** A record of the entry was acknowledged just now; it is followed unless another one is. */
  offer(timestampUs: bigint): void {
    if (this.#isPaused || this.#isBusy) return;
    this.#isBusy = true;
    void this.#follow(timestampUs, performance.now()).finally(() => {
      this.#isBusy = false;
    });
  }

  /** Gives up the record that is followed and takes no other until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  async #follow(timestampUs: bigint, ackedMs: number): Promise<void> {
    try {
      while (!this.#isPaused) {
        if (await this.#client.hasRecord(CLOUD_BUCKET, this.#entry, timestampUs)) {
          if (!this.#isPaused) this.samplesMs.push(performance.now() - ackedMs);
          return;
        }
        await pause(POLL_MS, this.#signal);
      }
    } catch {
      // The cloud went away or the demo ends: there is no time to measure, and others report the failure.
    }
  }
}
