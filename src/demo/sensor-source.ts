import type { SignalReader } from '../signal/signal-reader.ts';
import { CONTENT_TYPE, SENSOR_ENTRIES, labelsAt, type Labels, type StoredRecord } from './plan.ts';

export interface SensorSourceOptions {
  /** From 0; chooses the entry, the phase of the labels and the place in the signal. */
  readonly sensorIndex: number;
  /** Timestamp of record 0. */
  readonly startUs: bigint;
  /** Distance of two records' timestamps. */
  readonly stepUs: number;
  /** Shared by all sensors, prepared for spans of a batch. */
  readonly reader: SignalReader;
}

/**
 * The records of one simulated sensor as functions of their index. What was acknowledged is therefore remembered as
 * one number, and the comparison recomputes timestamp, labels and payload of every record without having kept it.
 */
export class SensorSource {
  readonly entry: string;
  readonly sensorIndex: number;
  readonly stepUs: number;
  readonly #startUs: bigint;
  readonly #reader: SignalReader;
  readonly #firstPayload: number;

  constructor(options: SensorSourceOptions) {
    const { sensorIndex, startUs, stepUs, reader } = options;
    this.entry = SENSOR_ENTRIES[sensorIndex] ?? `sensor-${sensorIndex + 1}`;
    this.sensorIndex = sensorIndex;
    this.stepUs = stepUs;
    this.#startUs = startUs;
    this.#reader = reader;
    this.#firstPayload = Math.floor((reader.periodPayloads * sensorIndex) / SENSOR_ENTRIES.length);
  }

  timestampUs(index: number): bigint {
    return this.#startUs + BigInt(index * this.stepUs);
  }

  labels(index: number): Labels {
    return labelsAt(this.sensorIndex, index * this.stepUs);
  }

  payload(index: number): Buffer {
    return this.#reader.payloadAt(this.#firstPayload + index);
  }

  /** Payloads of `count` records back to back, the body of a batch. A view; do not write into it. */
  body(firstIndex: number, count: number): Buffer {
    return this.#reader.spanAt(this.#firstPayload + firstIndex, count);
  }

  /** Records 0 to `count - 1`. */
  *records(count: number): Generator<StoredRecord> {
    for (let index = 0; index < count; index++) {
      yield {
        timestampUs: this.timestampUs(index),
        contentType: CONTENT_TYPE,
        labels: this.labels(index),
        payload: this.payload(index),
      };
    }
  }
}
