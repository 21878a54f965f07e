/**
 * Decompression of zstd as a stream: by Node.js where it can (22.15, 23.8 and later, on the thread pool), else by a
 * decoder in JavaScript on this thread. A replication source of version 1.21 drops a batch that is answered 415, so both
 * codings must be understood on every supported version of Node.js (replication §5.4).
 */
import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';

/** One turn of the event loop takes this much, so that a large body does not hold the thread for long. */
const TURN_INPUT_BYTES = 64 * 1024;
const TURN_OUTPUT_BYTES = 1024 * 1024;
/** Four bytes may stand for 128 KiB, so that this is the most that can be decoded without looking at the output: 8 MiB. */
const PIECE_BYTES = 256;

/** A stream that decompresses zstd; it emits `error` for bytes that are not zstd or cut off. */
export function createZstdDecoder(): Transform {
  const native: unknown = Reflect.get(zlib, 'createZstdDecompress');
  // Newer than the declarations of the oldest supported version.
  return typeof native === 'function' ? (native as () => Transform)() : new ScriptZstdDecoder();
}

class ScriptZstdDecoder extends Transform {
  #turnBytes = 0;
  /** The reader has enough for now. */
  #isFull = false;
  /** Goes on with the piece that `#isFull` has stopped. */
  #goOn: (() => void) | undefined;

  readonly #decoder = new Decompress((bytes) => {
    if (bytes.length === 0) return;
    this.#turnBytes += bytes.length;
    if (!this.push(Buffer.from(bytes))) this.#isFull = true;
  });

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#isFull = false;
    this.#decodeFrom(bytes, 0, done);
  }

  override _read(size: number): void {
    const goOn = this.#goOn;
    if (goOn === undefined) {
      super._read(size);
      return;
    }
    this.#goOn = undefined;
    this.#isFull = false;
    setImmediate(goOn);
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#decoder.push(new Uint8Array(0), true);
      done();
    } catch (error) {
      done(asError(error));
    }
  }

  #decodeFrom(bytes: Buffer, start: number, done: TransformCallback): void {
    if (this.destroyed) return;
    const turnEnd = Math.min(bytes.length, start + TURN_INPUT_BYTES);
    let offset = start;
    this.#turnBytes = 0;
    try {
      while (offset < turnEnd && this.#turnBytes < TURN_OUTPUT_BYTES && !this.#isFull) {
        // A copy: the decoder keeps what it needs of it.
        this.#decoder.push(Uint8Array.from(bytes.subarray(offset, offset + PIECE_BYTES)));
        offset += PIECE_BYTES;
      }
    } catch (error) {
      done(asError(error));
      return;
    }
    if (offset >= bytes.length) {
      done();
      return;
    }
    const goOn = (): void => this.#decodeFrom(bytes, offset, done);
    if (this.#isFull) this.#goOn = goOn;
    else setImmediate(goOn);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
