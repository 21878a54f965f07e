/**
 * Compression of batches on their way to targets that understand it (replication §5.4). All of it happens on the thread
 * pool of Node.js, never on the event loop of a replication thread.
 */
import { pipeline, Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { BugError } from '../../errors/errors.ts';
import type { Batch } from '../scan/batch.ts';
import type { Compression } from '../settings.ts';
import { type ApiVersion, isAtLeast, type TargetInfo } from './target-info.ts';

export type Coding = Exclude<Compression, 'none'>;

/** From this version on a target decompresses, with both codings. */
const COMPRESSED_SINCE: ApiVersion = { major: 1, minor: 21 };

/** Framing alone costs about 20 bytes, and a round through the thread pool more than sending this. */
const MIN_BYTES = 128;

/** Up to four times as fast as the default level 6 on sensor data, for bodies up to a fifth larger. */
const GZIP_OPTIONS = { level: 1 } as const;

type Compress = (bytes: Buffer, done: (error: Error | null, compressed: Buffer) => void) => void;

/** zstd is newer than the declarations of the oldest supported version of Node.js (22.15, 23.8). */
const zstdCompress: unknown = Reflect.get(zlib, 'zstdCompress');
const createZstdCompress: unknown = Reflect.get(zlib, 'createZstdCompress');

/** Whether this Node.js compresses zstd. */
export const HAS_ZSTD: boolean =
  typeof zstdCompress === 'function' && typeof createZstdCompress === 'function';

export interface CodingChoice {
  /** `null`: bodies go out as they are. */
  readonly coding: Coding | null;
  /** Why it is not what the settings ask for; `null` when it is. */
  readonly note: string | null;
}

/**
 * How bodies for a target are compressed, decided anew at each contact.
 * @param target `null`: it has not been asked yet.
 */
export function chooseCoding(wanted: Compression, target: TargetInfo | null): CodingChoice {
  if (wanted === 'none' || target === null) return { coding: null, note: null };
  const version = target.apiVersion;
  if (version === null || !isAtLeast(version, COMPRESSED_SINCE)) {
    const announced =
      version === null ? 'announces no API version' : `has API ${version.major}.${version.minor}`;
    return {
      coding: null,
      note: `sent uncompressed: the target ${announced}, ${wanted} needs 1.21`,
    };
  }
  // Whoever announces 1.21 understands both codings, so the link is spared either way.
  if (wanted === 'zstd' && !HAS_ZSTD) {
    const note = `sent with gzip: Node.js ${process.version} has no zstd, 22.15 and later have`;
    return { coding: 'gzip', note };
  }
  return { coding: wanted, note: null };
}

/** A body as it goes over the wire. */
export interface CompressedBody {
  readonly content: Readable;
  /** Compressed bytes that were handed to the connection so far. */
  readonly wire: { readonly bytes: number };
}

/** Compresses bodies; those of batches that tasks share only once. One per thread. */
export class BodyCompressor {
  /** Results live as long as their batches, which the cache of windows bounds, and are smaller than them. */
  readonly #known: Readonly<Record<Coding, WeakMap<Batch, Promise<Buffer | null>>>> = {
    gzip: new WeakMap(),
    zstd: new WeakMap(),
  };

  /**
   * @param body of the batch.
   * @returns `null` when there is nothing to win.
   */
  async compress(
    batch: Batch,
    body: Buffer | Readable,
    coding: Coding,
  ): Promise<CompressedBody | null> {
    if (batch.isCompressed || batch.bodyBytes < MIN_BYTES) return null;
    if (!Buffer.isBuffer(body)) {
      const wire = { bytes: 0 };
      return { content: Readable.from(counted(compressedStream(body, coding), wire)), wire };
    }
    const bytes = await this.#compressed(batch, body, coding);
    // A stream, because a request with a length would be taken for uncompressed.
    return bytes && { content: Readable.from([bytes]), wire: { bytes: bytes.length } };
  }

  #compressed(batch: Batch, body: Buffer, coding: Coding): Promise<Buffer | null> {
    const known = this.#known[coding];
    let compressed = known.get(batch);
    if (compressed === undefined) {
      compressed = compress(body, coding).then((bytes) =>
        bytes.length < body.length ? bytes : null,
      );
      known.set(batch, compressed);
    }
    return compressed;
  }
}

function compress(body: Buffer, coding: Coding): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, compressed: Buffer): void =>
      error === null ? resolve(compressed) : reject(error);
    if (coding === 'gzip') zlib.gzip(body, GZIP_OPTIONS, done);
    else if (typeof zstdCompress === 'function') (zstdCompress as Compress)(body, done);
    else throw new BugError('zstd was chosen without having it');
  });
}

function compressedStream(source: Readable, coding: Coding): Transform {
  const coder = newCoder(coding);
  // An error of either side destroys both, and comes out of the coder, where the request meets it.
  pipeline(source, coder, () => undefined);
  return coder;
}

function newCoder(coding: Coding): Transform {
  if (coding === 'gzip') return zlib.createGzip(GZIP_OPTIONS);
  if (typeof createZstdCompress !== 'function') {
    throw new BugError('zstd was chosen without having it');
  }
  return (createZstdCompress as () => Transform)();
}

async function* counted(stream: Readable, wire: { bytes: number }): AsyncGenerator<Buffer> {
  for await (const piece of stream) {
    const bytes = piece as Buffer;
    wire.bytes += bytes.length;
    yield bytes;
  }
}
