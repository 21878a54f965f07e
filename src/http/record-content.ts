/** Where the content of a record is kept while it arrives in pieces. All memory is taken from a lease first. */
import type { Ingest, Upload } from '../commit/types.ts';
import type { MillraceError } from '../errors/errors.ts';
import { CHUNK_BYTES } from '../store/format.ts';
import type { UploadLease } from './upload-budget.ts';

/** First size of a buffer: a slow sender costs what it sent, not what it announced. */
const FIRST_CAPACITY_BYTES = 64 * 1024;

/** A buffer for a known number of bytes that grows as they come. */
export class GrowingBuffer {
  readonly #lease: UploadLease;
  readonly #totalBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #used = 0;

  /** @param totalBytes how many bytes will be appended in the end. */
  constructor(lease: UploadLease, totalBytes: number) {
    this.#lease = lease;
    this.#totalBytes = totalBytes;
  }

  get missingBytes(): number {
    return this.#totalBytes - this.#used;
  }

  get heldBytes(): number {
    return this.#buffer.length;
  }

  /** @returns false when the lease refuses the memory. @param bytes at most `missingBytes`. */
  append(bytes: Uint8Array): boolean {
    const needed = this.#used + bytes.length;
    if (needed > this.#buffer.length && !this.#grow(needed)) return false;
    this.#buffer.set(bytes, this.#used);
    this.#used = needed;
    return true;
  }

  content(): Buffer {
    return this.#buffer.subarray(0, this.#used);
  }

  /** Gives the memory back; the content must not be used any more. */
  release(): void {
    this.#lease.give(this.#buffer.length);
    this.#buffer = Buffer.alloc(0);
    this.#used = 0;
  }

  #grow(needed: number): boolean {
    const doubled = Math.max(FIRST_CAPACITY_BYTES, this.#buffer.length * 2, needed);
    const capacity = Math.min(doubled, this.#totalBytes);
    // Old and new exist side by side while the bytes are copied.
    if (!this.#lease.take(capacity)) return false;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#buffer.copy(grown, 0, 0, this.#used);
    this.#lease.give(this.#buffer.length);
    this.#buffer = grown;
    return true;
  }
}

/** Holds the sender back while chunks wait for their commit. */
export interface FlowControl {
  pause(): void;
  resume(): void;
}

/** Told once: all chunks are stored, or one could not be. */
export type OnUploaded = (error: MillraceError | null) => void;

/** Content above `CHUNK_BYTES`: cut into chunks, one of them on its way into the store at a time. */
export class LargeContent {
  readonly #upload: Upload;
  readonly #lease: UploadLease;
  readonly #flow: FlowControl;
  readonly #onUploaded: OnUploaded;
  readonly #sealed: GrowingBuffer[] = [];
  #open: GrowingBuffer;
  /** Bytes that have not arrived yet. */
  #missingBytes: number;
  #isAppending = false;
  /** Handed over or aborted: nothing is told any more. */
  #isOver = false;

  constructor(
    ingest: Ingest,
    lease: UploadLease,
    flow: FlowControl,
    lengthBytes: number,
    onUploaded: OnUploaded,
  ) {
    this.#upload = ingest.openUpload();
    this.#lease = lease;
    this.#flow = flow;
    this.#missingBytes = lengthBytes;
    this.#onUploaded = onUploaded;
    this.#open = this.#nextBuffer();
  }

  get missingBytes(): number {
    return this.#missingBytes;
  }

  /** @returns false when the lease refuses the memory. @param bytes at most `missingBytes`. */
  append(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      const take = Math.min(this.#open.missingBytes, bytes.length - at);
      if (!this.#open.append(bytes.subarray(at, at + take))) return false;
      at += take;
      this.#missingBytes -= take;
      if (this.#open.missingBytes === 0) this.#seal();
    }
    return true;
  }

  /** The finished upload; from now on it is the caller's. */
  handOver(): Upload {
    this.#isOver = true;
    return this.#upload;
  }

  /** Forgets everything, also a finished upload that was not handed over. */
  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upload.abort();
  }

  #nextBuffer(): GrowingBuffer {
    return new GrowingBuffer(this.#lease, Math.min(CHUNK_BYTES, this.#missingBytes));
  }

  #seal(): void {
    this.#sealed.push(this.#open);
    this.#open = this.#nextBuffer();
    this.#appendNext();
  }

  #appendNext(): void {
    if (this.#isAppending || this.#isOver) return;
    const chunk = this.#sealed.shift();
    if (chunk === undefined) {
      if (this.#missingBytes === 0) this.#onUploaded(null);
      return;
    }
    this.#isAppending = true;
    this.#flow.pause();
    this.#upload.append(chunk.content(), (error) => {
      this.#isAppending = false;
      chunk.release();
      if (error === null) {
        this.#appendNext();
      } else if (!this.#isOver) {
        this.abort();
        this.#onUploaded(error);
      }
      // Last, so that a next chunk keeps the sender waiting without letting it go in between.
      this.#flow.resume();
    });
  }
}
