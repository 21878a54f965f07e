/** The producer side of the ring. Main thread only; one instance per ring. Layout and rules: `layout.ts`. */
import { BugError } from '../errors/errors.ts';
import {
  DATA_START,
  HEADER,
  MAX_BLOCK_SHARE,
  NOT_IN_RING,
  RECLAIM_AHEAD_BYTES,
  RING_MAGIC,
  RING_VERSION,
  ringBytes,
  SLOT,
  SLOT_COUNT,
} from './layout.ts';

/** What the producer remembers of a block it has in the ring, oldest first. */
interface Placed {
  readonly sequence: number;
  readonly offset: number;
  readonly end: number;
}

export interface RingStats {
  headSequence: number;
  tailSequence: number;
  /** Blocks published by reference because they were larger than the ring takes. */
  tooLarge: number;
  /** Blocks published by reference because no task reads their bucket. */
  unread: number;
  /** Blocks overwritten so far. */
  reclaimed: number;
}

export class RingWriter {
  readonly buffer: SharedArrayBuffer;
  readonly #words: BigInt64Array;
  readonly #wake: Int32Array;
  readonly #slots: Uint32Array;
  readonly #data: Uint8Array;
  readonly #dataBytes: number;
  /** Queue of placed blocks: `#placed[#first…]`, compacted now and then. */
  #placed: Placed[] = [];
  #first = 0;
  #writeOffset = 0;
  #next: number;
  #tail: number;
  #tooLarge = 0;
  #unread = 0;
  #readBuckets: ReadonlySet<number> | undefined;
  #reclaimed = 0;

  /**
   * @param dataBytes size of the data area, at least 1 MiB.
   * @param nextSequence sequence of the first block that will be published; earlier ones are in the store.
   */
  constructor(dataBytes: number, nextSequence: number) {
    this.#dataBytes = Math.max(1 << 20, dataBytes);
    this.buffer = new SharedArrayBuffer(ringBytes(this.#dataBytes));
    this.#words = new BigInt64Array(this.buffer, 0, HEADER.bytes / 8);
    this.#wake = new Int32Array(this.buffer, 0, HEADER.bytes / 4);
    this.#slots = new Uint32Array(this.buffer, HEADER.bytes, (SLOT_COUNT * SLOT.bytes) / 4);
    this.#data = new Uint8Array(this.buffer, DATA_START, this.#dataBytes);
    const header = new Uint32Array(this.buffer, 0, HEADER.bytes / 4);
    header[HEADER.magic / 4] = RING_MAGIC;
    header[HEADER.version / 4] = RING_VERSION;
    header[HEADER.dataBytes / 4] = this.#dataBytes;
    header[HEADER.slotCount / 4] = SLOT_COUNT;
    this.#next = nextSequence;
    this.#tail = nextSequence;
    Atomics.store(this.#words, HEADER.tail / 8, BigInt(nextSequence));
    Atomics.store(this.#words, HEADER.head / 8, BigInt(nextSequence));
  }

  /**
   * Names the buckets whose blocks are worth copying: copying into shared memory is the dearest part of a commit after the
   * store itself. Blocks of other buckets are published by reference. Until the first call all are copied.
   */
  setReadBuckets(bucketIds: ReadonlySet<number>): void {
    this.#readBuckets = bucketIds;
  }

  stats(): RingStats {
    return {
      headSequence: this.#next,
      tailSequence: this.#tail,
      tooLarge: this.#tooLarge,
      unread: this.#unread,
      reclaimed: this.#reclaimed,
    };
  }

  /**
   * Puts a committed block into the ring; readers see it after the next `publish`. Sequences must come without gap.
   * @param bytes the block; copied before this returns.
   */
  append(sequence: number, bucketId: number, bytes: Uint8Array): void {
    if (sequence !== this.#next) {
      throw new BugError(`ring expects sequence ${this.#next}, got ${sequence}`);
    }
    this.#next = sequence + 1;
    // The slot of the sequence one lap ago is overwritten: that block must be reclaimed first.
    if (sequence - this.#tail >= SLOT_COUNT) this.#raiseTail(sequence - SLOT_COUNT + 1);
    let offset = NOT_IN_RING;
    if (this.#readBuckets?.has(bucketId) === false) {
      this.#unread++;
    } else if (bytes.length * MAX_BLOCK_SHARE > this.#dataBytes) {
      this.#tooLarge++;
    } else {
      offset = this.#place(sequence, bytes.length);
      this.#data.set(bytes, offset);
    }
    const slot = ((sequence % SLOT_COUNT) * SLOT.bytes) / 4;
    this.#slots[slot + SLOT.sequenceLow / 4] = sequence >>> 0;
    this.#slots[slot + SLOT.offset / 4] = offset;
    this.#slots[slot + SLOT.length / 4] = bytes.length;
    this.#slots[slot + SLOT.bucketId / 4] = bucketId;
  }

  /**
   * Marks a block as only in the store, because its records changed there. A reader that is copying it this moment still
   * gets the old bytes, as one that came a moment earlier did.
   */
  invalidate(sequence: number): void {
    if (sequence < this.#tail || sequence >= this.#next) return;
    const slot = ((sequence % SLOT_COUNT) * SLOT.bytes) / 4;
    Atomics.store(this.#slots, slot + SLOT.offset / 4, NOT_IN_RING);
  }

  /** Makes all appended blocks visible and wakes waiting readers. */
  publish(): void {
    // Release: all plain stores above happen before this one for whoever loads `head`.
    Atomics.store(this.#words, HEADER.head / 8, BigInt(this.#next));
    Atomics.add(this.#wake, HEADER.wake / 4, 1);
    Atomics.notify(this.#wake, HEADER.wake / 4);
  }

  /** Finds room for `length` bytes and reclaims every block in the way. */
  #place(sequence: number, length: number): number {
    let offset = this.#writeOffset;
    if (offset + length > this.#dataBytes) {
      // Padding rule: the rest of the area stays unused; blocks that still lie there go first, in order.
      this.#reclaimUpTo(offset, this.#dataBytes);
      offset = 0;
    }
    const end = offset + length;
    this.#reclaimUpTo(offset, Math.min(end + RECLAIM_AHEAD_BYTES, this.#dataBytes));
    this.#writeOffset = end;
    this.#placed.push({ sequence, offset, end });
    return offset;
  }

  /** Gives up the oldest blocks as long as they lie in [from, to) of the data area. */
  #reclaimUpTo(from: number, to: number): void {
    let lowest = this.#tail;
    for (;;) {
      const oldest = this.#placed[this.#first];
      if (oldest === undefined || oldest.end <= from || oldest.offset >= to) break;
      // Placed in this very lap (lies directly behind the write position): nothing older is left.
      if (oldest.offset < from) break;
      lowest = oldest.sequence + 1;
      this.#first++;
      this.#reclaimed++;
    }
    if (lowest > this.#tail) this.#storeTail(lowest);
    this.#compact();
  }

  #raiseTail(sequence: number): void {
    for (;;) {
      const oldest = this.#placed[this.#first];
      if (oldest === undefined || oldest.sequence >= sequence) break;
      this.#first++;
      this.#reclaimed++;
    }
    this.#storeTail(sequence);
    this.#compact();
  }

  #storeTail(sequence: number): void {
    this.#tail = sequence;
    Atomics.store(this.#words, HEADER.tail / 8, BigInt(sequence));
  }

  #compact(): void {
    if (this.#first < 4096 || this.#first * 2 < this.#placed.length) return;
    this.#placed = this.#placed.slice(this.#first);
    this.#first = 0;
  }
}
