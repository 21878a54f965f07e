/**
 * Decompression of zstd as a stream: by Node.js where it can (22.15, 23.8 and later, on the thread pool), else by a
 * decoder in JavaScript on this thread. A replication source of version 1.21 drops a batch that is answered 415, so both
 * codings must be understood on every supported version of Node.js (replication §5.4).
 */
import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';

/** Decoded in slices of this size, so that a large piece does not hold the thread for long. */
const SLICE_BYTES = 64 * 1024;

/** A stream that decompresses zstd; it emits `error` for bytes that are not zstd or cut off. */
export function createZstdDecoder(): Transform {
  const native: unknown = Reflect.get(zlib, 'createZstdDecompress');
  // Newer than the declarations of the oldest supported version.
  return typeof native === 'function' ? (native as () => Transform)() : new ScriptZstdDecoder();
}

class ScriptZstdDecoder extends Transform {
  readonly #decoder = new Decompress((bytes) => {
    if (bytes.length > 0) this.push(Buffer.from(bytes));
  });

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#decodeFrom(bytes, 0, done);
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#decoder.push(new Uint8Array(0), true);
      done();
    } catch (error) {
      done(asError(error));
    }
  }

  #decodeFrom(bytes: Buffer, offset: number, done: TransformCallback): void {
    if (offset >= bytes.length) {
      done();
      return;
    }
    try {
      this.#decoder.push(Uint8Array.from(bytes.subarray(offset, offset + SLICE_BYTES)));
    } catch (error) {
      done(asError(error));
      return;
    }
    setImmediate(() => this.#decodeFrom(bytes, offset + SLICE_BYTES, done));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
