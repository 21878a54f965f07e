/** One reused buffer that holds all blocks of a commit group until they are in the store and in the ring. */
import type { BlockIdentity } from '../store/block.ts';
import { blockBytesBound, encodeBlock, encodeLargeBlock } from '../store/block.ts';
import { LARGE_REFERENCE_BYTES } from '../store/format.ts';
import type { StagedRecord } from './staging.ts';

interface EncodedBlock {
  readonly sequence: number;
  readonly bucketId: number;
  readonly bytes: Buffer;
}

/** Kept between groups; a larger group gets a buffer of its own and gives it back to the collector. */
const KEPT_BYTES = 4 * 1024 * 1024;

export class BlockArena {
  readonly #kept: Buffer = Buffer.allocUnsafeSlow(KEPT_BYTES);
  #buffer: Buffer = this.#kept;
  #used = 0;
  #blocks: EncodedBlock[] = [];

  /** Forgets the previous group. @param payloadBytes a hint for the size of the next. */
  begin(payloadBytes: number): void {
    this.#blocks = [];
    this.#used = 0;
    this.#buffer =
      payloadBytes * 1.25 <= KEPT_BYTES ? this.#kept : Buffer.allocUnsafeSlow(payloadBytes * 1.25);
  }

  /** Encodes a block; the bytes stay valid until the next `begin`. */
  encode(identity: BlockIdentity, records: readonly StagedRecord[]): Buffer {
    const first = records[0];
    const upload = first?.upload;
    const bound = blockBytesBound(records.filter((record) => record.upload === undefined));
    const needed = upload === undefined ? bound : bound + 64 + (first?.meta.length ?? 0);
    const out = this.#room(needed + LARGE_REFERENCE_BYTES);
    const written =
      first === undefined || upload === undefined
        ? encodeBlock(out, identity, records)
        : encodeLargeBlock(out, identity, first, {
            uploadId: upload.id,
            chunkBytes: upload.chunkBytes,
          });
    const bytes = out.subarray(0, written);
    if (out.buffer === this.#buffer.buffer) this.#used += written;
    this.#blocks.push({ sequence: identity.sequence, bucketId: identity.bucketId, bytes });
    return bytes;
  }

  forEachBlock(visit: (sequence: number, bucketId: number, bytes: Buffer) => void): void {
    for (const { sequence, bucketId, bytes } of this.#blocks) visit(sequence, bucketId, bytes);
  }

  #room(bytes: number): Buffer {
    if (this.#used + bytes <= this.#buffer.length) {
      return this.#buffer.subarray(this.#used, this.#used + bytes);
    }
    // More metadata than the hint allowed for: this block lives outside the arena.
    return Buffer.allocUnsafeSlow(bytes);
  }
}
