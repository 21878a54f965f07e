/**
 * Memory of the bodies of batches, used again and again.
 *
 * A transferred `ArrayBuffer` counts as external memory of the main thread, and readers that scan on bring enough of
 * it to keep the garbage collector marking there, in steps that every write waits for. So bodies lie in shared memory,
 * which counts nowhere: a query thread writes a body, the main thread answers with it, and when the answer is over
 * the buffer goes back with the next job. Nobody but its present holder touches it. What is not given back (its thread
 * died, a read failed) is left to the garbage collector.
 */

/** Smaller bodies are transferred: they are not worth the way back. */
const MIN_BYTES = 32 * 1024;
/** Larger bodies are transferred: they would crowd out the others. */
const MAX_BYTES = 8 * 1024 * 1024;
/** That wait to be used again, on the main thread and in each query thread. */
export const MAX_FREE_BYTES: number = 16 * 1024 * 1024;

/** Length of the buffer for a body: rounded up by a quarter at most, so that bodies of like length share buffers. */
export function bufferBytes(bodyBytes: number): number {
  if (bodyBytes < MIN_BYTES || bodyBytes > MAX_BYTES) return bodyBytes;
  const step = 2 ** (Math.floor(Math.log2(bodyBytes)) - 2);
  return Math.ceil(bodyBytes / step) * step;
}

/** The buffer behind the parts of a body, if it is to be used again: all parts in memory view one buffer. */
export function sharedBufferOf(parts: readonly object[]): SharedArrayBuffer | undefined {
  for (const part of parts) {
    if (part instanceof Uint8Array && part.buffer instanceof SharedArrayBuffer) return part.buffer;
  }
  return undefined;
}

/** Memory that the parts of a body keep. */
export function heldBytesOf(parts: readonly object[]): number {
  const shared = sharedBufferOf(parts);
  if (shared !== undefined) return shared.byteLength;
  let bytes = 0;
  for (const part of parts) if (part instanceof Uint8Array) bytes += part.length;
  return bytes;
}

/** Free buffers of one thread. */
export class BodyBuffers {
  /** The one that was given first comes first. */
  #free: SharedArrayBuffer[] = [];
  #freeBytes = 0;

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** @returns at least `bodyBytes`, with whatever content; to be transferred when it is an `ArrayBuffer`. */
  take(bodyBytes: number): ArrayBuffer | SharedArrayBuffer {
    if (bodyBytes < MIN_BYTES || bodyBytes > MAX_BYTES) return new ArrayBuffer(bodyBytes);
    const bytes = bufferBytes(bodyBytes);
    const index = this.#free.findLastIndex(({ byteLength }) => byteLength === bytes);
    const [found] = index < 0 ? [] : this.#free.splice(index, 1);
    if (found === undefined) return new SharedArrayBuffer(bytes);
    this.#freeBytes -= bytes;
    return found;
  }

  /** @param buffer which nobody looks at any more. Those that were not used for longest make room. */
  give(buffer: SharedArrayBuffer): void {
    this.#free.push(buffer);
    this.#freeBytes += buffer.byteLength;
    while (this.#freeBytes > MAX_FREE_BYTES) this.#freeBytes -= this.#free.shift()?.byteLength ?? 0;
  }

  /** For another thread: they are not free here any more. */
  takeAll(): readonly SharedArrayBuffer[] {
    const all = this.#free;
    this.#free = [];
    this.#freeBytes = 0;
    return all;
  }
}
