/**
 * Decoded blocks of the ring, shared by the tasks of a thread. Bounded in bytes; policy when full: `evict_oldest`. And
 * bounded in time, because a block can change: labels are updated, records removed.
 */
import type { BlockView } from '../../store/block.ts';

/** Memory of a view besides its bytes, roughly. */
const VIEW_BYTES = 400;

/** For how long content that was read may be sent. What changed in it since follows in the log. */
export const MAX_AGE_MS = 2_000;

interface Kept {
  readonly view: BlockView;
  readonly addedMs: number;
}

export class BlockCache {
  readonly #maxBytes: number;
  readonly #blocks: Map<number, Kept> = new Map();
  #bytes = 0;
  hits = 0;
  evictions = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(sequence: number, nowMs: number): BlockView | undefined {
    const kept = this.#blocks.get(sequence);
    if (kept === undefined) return undefined;
    if (nowMs - kept.addedMs > MAX_AGE_MS) {
      this.#remove(sequence, kept.view);
      return undefined;
    }
    this.hits++;
    return kept.view;
  }

  /** Blocks above a quarter of the bound are not kept. */
  add(view: BlockView, nowMs: number): void {
    const bytes = sizeOf(view);
    if (bytes * 4 > this.#maxBytes) return;
    this.#blocks.set(view.sequence, { view, addedMs: nowMs });
    this.#bytes += bytes;
    for (const [sequence, { view: oldest }] of this.#blocks) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(sequence, oldest);
      this.evictions++;
    }
  }

  #remove(sequence: number, view: BlockView): void {
    this.#blocks.delete(sequence);
    this.#bytes -= sizeOf(view);
  }
}

function sizeOf(view: BlockView): number {
  return view.bytes.length + VIEW_BYTES;
}
