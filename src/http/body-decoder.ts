/** Decompression of request bodies (http-api §1.6). */
import zlib from 'node:zlib';
import type { Transform } from 'node:stream';
import { ApiError, BugError } from '../errors/errors.ts';
import { createZstdDecoder } from './zstd-stream.ts';

/** What a decoder tells; nothing comes after `onDecodedEnd` or `onDecodeError`. */
export interface DecodedSink {
  onDecoded(bytes: Uint8Array): void;
  onDecodedEnd(): void;
  onDecodeError(message: string): void;
}

/** @returns the refusal (415) of a coding that is not understood. */
export function encodingRefusal(encoding: string): ApiError | undefined {
  if (factoryOf(encoding) !== undefined) return undefined;
  return new ApiError(415, `Unsupported content encoding '${encoding}'`);
}

function factoryOf(encoding: string): (() => Transform) | undefined {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip;
    case 'zstd':
      return createZstdDecoder;
    default:
      return undefined;
  }
}

export class BodyDecoder {
  readonly #stream: Transform;
  #isDone = false;

  /** @param encoding one that `encodingRefusal` accepts. */
  constructor(encoding: string, sink: DecodedSink) {
    const factory = factoryOf(encoding);
    if (factory === undefined) throw new BugError(`no decoder for '${encoding}'`);
    this.#stream = factory();
    this.#stream.on('data', (bytes: Buffer) => {
      if (!this.#isDone) sink.onDecoded(bytes);
    });
    this.#stream.on('end', () => {
      if (this.#isDone) return;
      this.#isDone = true;
      sink.onDecodedEnd();
    });
    this.#stream.on('error', (error) => {
      if (this.#isDone) return;
      this.#isDone = true;
      sink.onDecodeError(error.message);
    });
  }

  /**
   * @param bytes belong to the decoder until `onTaken`.
   * @param onTaken called when the bytes are decoded, also when they are not any more needed.
   */
  write(bytes: Buffer, onTaken: () => void): void {
    this.#stream.write(bytes, onTaken);
  }

  end(): void {
    this.#stream.end();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Nothing is told any more. */
  destroy(): void {
    this.#isDone = true;
    this.#stream.destroy();
  }
}
