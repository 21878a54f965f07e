import { BugError, ConfigError } from '../errors/errors.ts';
import { littleEndianFromFloats } from './float32.ts';
import type { Signal } from './signal.ts';

export interface SignalReaderOptions {
  /** Length of a payload in bytes, from 1. A multiple of 4 keeps samples whole. */
  readonly payloadBytes: number;
  /** The most payloads that `spanAt` is asked for at once, the records of a batch. Default 1. */
  readonly spanPayloads?: number | undefined;
}

/** Payloads are prepared views: this many at most, about 10 MB of them; a longer signal is used as far as they reach. */
const MAX_PAYLOADS = 65_536;

/**
 * Cuts a signal into payloads of equal length, over and over. All payloads are views of one buffer, made beforehand,
 * so that a call allocates nothing:
 *
 *     | payload 0 | payload 1 | … | payload P-1 (wraps to the signal's start) | payload 0 … spanPayloads-2 again |
 *
 * Payload `i` is payload `i mod P`, which makes it a function of its index: whoever knows the index can check the bytes.
 * The views are shared; do not write into them.
 */
export class SignalReader {
  readonly payloadBytes: number;
  /** P: payloads until they repeat. */
  readonly periodPayloads: number;
  readonly #spanPayloads: number;
  readonly #bytes: Buffer;
  readonly #payloads: readonly Buffer[];
  #nextIndex = 0;

  constructor(signal: Signal, options: SignalReaderOptions) {
    const { payloadBytes, spanPayloads = 1 } = options;
    if (!Number.isInteger(payloadBytes) || payloadBytes < 1) {
      throw new ConfigError(`A payload of ${payloadBytes} bytes cannot be cut from a signal`);
    }
    if (spanPayloads < 1) throw new BugError(`spanPayloads is ${spanPayloads}`);
    const signalBytes = littleEndianFromFloats(signal.samples);
    if (signalBytes.length === 0) throw new ConfigError(`Signal '${signal.name}' has no samples`);
    this.payloadBytes = payloadBytes;
    this.periodPayloads = Math.min(MAX_PAYLOADS, Math.ceil(signalBytes.length / payloadBytes));
    this.#spanPayloads = spanPayloads;
    const periodBytes = this.periodPayloads * payloadBytes;
    this.#bytes = Buffer.alloc(periodBytes + (spanPayloads - 1) * payloadBytes);
    fillCyclically(this.#bytes.subarray(0, periodBytes), signalBytes);
    fillCyclically(this.#bytes.subarray(periodBytes), this.#bytes.subarray(0, periodBytes));
    this.#payloads = Array.from({ length: this.periodPayloads }, (_, index) =>
      this.#bytes.subarray(index * payloadBytes, (index + 1) * payloadBytes),
    );
  }

  /** The payload after the one returned last. */
  next(): Buffer {
    return this.payloadAt(this.#nextIndex++);
  }

  /** Payload `index`, from 0. */
  payloadAt(index: number): Buffer {
    const payload = this.#payloads[index % this.periodPayloads];
    if (payload === undefined) throw new BugError(`no payload with index ${index}`);
    return payload;
  }

  /** Payloads `index` to `index + count - 1` back to back: the body of a batch. One small view is allocated. */
  spanAt(index: number, count: number): Buffer {
    if (count < 0 || count > this.#spanPayloads) {
      throw new BugError(`a span of ${count} payloads, prepared for ${this.#spanPayloads}`);
    }
    const startOffset = (index % this.periodPayloads) * this.payloadBytes;
    return this.#bytes.subarray(startOffset, startOffset + count * this.payloadBytes);
  }
}

function fillCyclically(target: Buffer, source: Buffer): void {
  for (let offset = 0; offset < target.length; offset += source.length) {
    source.copy(target, offset);
  }
}
