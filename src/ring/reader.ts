/** The reader side of the ring, in any thread. Layout and rules: `layout.ts`. */
import { StoreFormatError } from '../errors/errors.ts';
import {
  DATA_START,
  HEADER,
  NOT_IN_RING,
  RING_MAGIC,
  RING_VERSION,
  SLOT,
  SLOT_COUNT,
} from './layout.ts';

/** Outcome of `RingReader.read` when there is no copy: not yet published, only in the store, or of another bucket. */
export type RingMiss = 'not-published' | 'in-store' | 'other-bucket';

export class RingReader {
  readonly #words: BigInt64Array;
  readonly #wake: Int32Array;
  readonly #slots: Uint32Array;
  readonly #data: Uint8Array;
  /** Times a copy was overtaken by the producer and thrown away. */
  lapped = 0;

  /** @throws StoreFormatError when the memory is not a ring of this version. */
  constructor(buffer: SharedArrayBuffer) {
    const header = new Uint32Array(buffer, 0, HEADER.bytes / 4);
    if (header[HEADER.magic / 4] !== RING_MAGIC || header[HEADER.version / 4] !== RING_VERSION) {
      throw new StoreFormatError('The shared memory is not a ring of this version');
    }
    this.#words = new BigInt64Array(buffer, 0, HEADER.bytes / 8);
    this.#wake = new Int32Array(buffer, 0, HEADER.bytes / 4);
    this.#slots = new Uint32Array(buffer, HEADER.bytes, (SLOT_COUNT * SLOT.bytes) / 4);
    this.#data = new Uint8Array(buffer, DATA_START, header[HEADER.dataBytes / 4] ?? 0);
  }

  /** Next sequence that is not yet published. */
  head(): number {
    return Number(Atomics.load(this.#words, HEADER.head / 8));
  }

  /** Lowest sequence that may still be in the ring. */
  tail(): number {
    return Number(Atomics.load(this.#words, HEADER.tail / 8));
  }

  /**
   * Copies the block of `sequence` out of the ring.
   * @param bucketId blocks of other buckets are not copied.
   * @param allocate gives the memory for a copy of n bytes.
   */
  read(sequence: number, bucketId: number, allocate: (bytes: number) => Buffer): Buffer | RingMiss {
    if (sequence >= this.head()) return 'not-published'; // acquire: slot and bytes below are complete
    if (sequence < this.tail()) return 'in-store';
    const slot = ((sequence % SLOT_COUNT) * SLOT.bytes) / 4;
    const sequenceLow = this.#slots[slot + SLOT.sequenceLow / 4] ?? 0;
    const offset = this.#slots[slot + SLOT.offset / 4] ?? NOT_IN_RING;
    const length = this.#slots[slot + SLOT.length / 4] ?? 0;
    const owner = this.#slots[slot + SLOT.bucketId / 4] ?? 0;
    // The slot may be overwritten while it is read: its words count only if the tail is still at or below.
    if (sequence < this.tail() || sequenceLow !== sequence >>> 0) return this.#lap();
    if (owner !== bucketId) return 'other-bucket';
    if (offset === NOT_IN_RING) return 'in-store';
    const copy = allocate(length);
    copy.set(this.#data.subarray(offset, offset + length));
    // After the copy: had the producer begun to overwrite, it would have raised the tail before.
    if (sequence < this.tail()) return this.#lap();
    return copy;
  }

  /**
   * Resolves when something was published after `seen`, or after `timeoutMs`.
   * @param seen value of `wakeCount()` from before the last look at `head()`, so that no wake is missed.
   */
  async waitForPublish(seen: number, timeoutMs: number): Promise<void> {
    const result = Atomics.waitAsync(this.#wake, HEADER.wake / 4, seen, timeoutMs);
    if (result.async) await result.value;
  }

  wakeCount(): number {
    return Atomics.load(this.#wake, HEADER.wake / 4);
  }

  #lap(): RingMiss {
    this.lapped++;
    return 'in-store';
  }
}
