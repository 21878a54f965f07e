/**
 * The ring log: the hot tail of the log in one SharedArrayBuffer. One producer (the main thread), any number of
 * readers. `docs/FORMATS.md` draws it, `test/store/format.test.ts` pins it.
 *
 * ```
 * 0        header (three cache lines, see HEADER)
 * 192      slot table: SLOT_COUNT slots of 16 bytes, slot of sequence s is s mod SLOT_COUNT
 * dataStart data area: the bytes of blocks, one after the other; a block never wraps: where it would not fit before
 *          the end, the rest of the area stays unused (padding) and the block starts at the beginning
 * ```
 *
 * Commit rule: *a block is in the ring once `head` is greater than its sequence*; `head` is stored last.
 * Reclaim rule: the producer raises `tail` above every block whose bytes or slot it is about to overwrite, *before* it
 * writes the first byte. A reader copies, and then looks at `tail`: if its sequence is below, the copy may be torn and
 * is thrown away.
 *
 * Memory order: `head` and `tail` are stored and loaded with `Atomics` (sequentially consistent). On x86-64 (total store
 * order) the store of `tail` is visible before any later plain store of the same thread. On arm64 a plain store may
 * overtake it, so the producer reclaims `RECLAIM_AHEAD_BYTES` beyond what it needs: between the store of `tail` and the
 * first overwrite of a reclaimed byte lie further published blocks, each with its own ordered store.
 *
 * The counters lie on cache lines of their own (64 bytes apart): `head` changes with every commit and would otherwise
 * evict `tail`, which readers load after each copy.
 */

export const RING_MAGIC = 0x4d_52_4e_47; // 'MRNG'
export const RING_VERSION = 1;

/** Byte offsets of the header. 64-bit words are BigInt64 (machine byte order, as Atomics demands). */
export const HEADER = {
  magic: 0, // u32
  version: 4, // u32
  dataBytes: 8, // u32: length of the data area
  slotCount: 12, // u32
  head: 64, // i64: next sequence to be published; written by the producer only
  wake: 72, // i32: bumped after `head`; readers wait on it
  tail: 128, // i64: lowest sequence still intact; written by the producer only
  bytes: 192,
} as const;

/** Slot: where the block of a sequence lies. Offset 0xffffffff means "not in the ring, read it from the store". */
export const SLOT = {
  sequenceLow: 0, // u32: low 32 bits, to detect a slot of another lap
  offset: 4, // u32, from the start of the data area
  length: 8, // u32
  bucketId: 12, // u32: lets a reader skip blocks of other buckets without touching their bytes
  bytes: 16,
} as const;

/** Sequences the ring can address at once, a power of two. */
export const SLOT_COUNT = 65_536;

export const NOT_IN_RING = 0xffff_ffff;

/** A block larger than this share of the data area is published by reference only (policy `left_to_store`). */
export const MAX_BLOCK_SHARE = 16;

export const RECLAIM_AHEAD_BYTES: number = 64 * 1024;

/** Bytes of the SharedArrayBuffer for a data area of `dataBytes`. */
export function ringBytes(dataBytes: number): number {
  return HEADER.bytes + SLOT_COUNT * SLOT.bytes + dataBytes;
}

export const DATA_START: number = HEADER.bytes + SLOT_COUNT * SLOT.bytes;
