/**
 * Decoded blocks of the ring, shared by the tasks of a thread. Bounded in bytes, and in time, because a block can change:
 * labels are updated, records removed.
 */
import { GenerationCache } from './generation-cache.ts';
import type { LogBlock } from './log-block.ts';

/** For how long content that was read may be sent. What changed in it since follows in the log. */
export const MAX_AGE_MS = 2_000;

/** Memory of a view besides its bytes, roughly. */
const VIEW_BYTES = 400;

interface Kept {
  readonly block: LogBlock;
  readonly addedMs: number;
}

export class BlockCache {
  readonly #kept: GenerationCache<number, Kept>;

  constructor(maxBytes: number) {
    this.#kept = new GenerationCache(maxBytes);
  }

  get(sequence: number, nowMs: number): LogBlock | undefined {
    const kept = this.#kept.get(sequence);
    return kept === undefined || nowMs - kept.addedMs > MAX_AGE_MS ? undefined : kept.block;
  }

  add(block: LogBlock, nowMs: number): void {
    const bytes = block.bytes.length + VIEW_BYTES;
    this.#kept.add(block.sequence, { block, addedMs: nowMs }, bytes);
  }
}
