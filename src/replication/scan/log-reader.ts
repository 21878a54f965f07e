/**
 * One thread's view of the log: blocks by sequence, from the ring while they are there and from the store otherwise.
 * Tasks of a thread share what it has decoded, whatever their filters.
 */
import type { BlockView } from '../../store/block.ts';
import type { RocksReader } from '../../store/rocks.ts';
import type { RingReader } from '../../ring/reader.ts';
import { BlockCache } from './block-cache.ts';
import { LogBlock } from './log-block.ts';
import { type Page, PageReader } from './page-reader.ts';

/** Copies up to this size come from Node's shared slab; larger ones get memory of their own. */
const SLAB_BYTES = 2048;

/**
 * - a block: it is of the bucket asked for, at or behind the sequence asked for, with none of that bucket between;
 * - a number: no block of the bucket before this sequence;
 * - `page-needed`: only a read from the store can tell, and it was not allowed;
 * - `end`: nothing is published from here on.
 */
export type LogStep = BlockView | number | 'page-needed' | 'end';

export class LogReader {
  readonly #store: RocksReader;
  readonly #ring: RingReader;
  readonly #nowMs: () => number;
  readonly #blocks: BlockCache;
  readonly #pages: PageReader;
  #clockMs = 0;
  /** End of the last page that was read above the tail of the ring. */
  #afterSingle = -1;
  /** Pages read from the store so far. */
  pagesRead = 0;

  /** @param cacheBytes bound of the blocks kept. */
  constructor(store: RocksReader, ring: RingReader, cacheBytes: number, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#store = store;
    this.#ring = ring;
    this.#blocks = new BlockCache(cacheBytes);
    this.#pages = new PageReader(store);
  }

  get store(): RocksReader {
    return this.#store;
  }

  get ring(): RingReader {
    return this.#ring;
  }

  /** Lets go of what is held of the store. It may be used again. */
  close(): void {
    this.#pages.close();
  }

  /** Next sequence that is not yet published. */
  head(): number {
    return this.#ring.head();
  }

  /** Before the steps of a window: reads the clock for all of them. */
  begin(): void {
    this.#clockMs = this.#nowMs();
  }

  /** @param mayReadPage whether the store may be read. */
  step(sequence: number, bucketId: number, mayReadPage: boolean): LogStep {
    const cached = this.#blocks.get(sequence, this.#clockMs);
    if (cached !== undefined) return cached.bucketId === bucketId ? cached : sequence + 1;
    const read = this.#ring.read(sequence, bucketId, allocate);
    if (typeof read !== 'string') {
      const view = new LogBlock(read);
      this.#blocks.add(view, this.#clockMs);
      return view;
    }
    switch (read) {
      case 'other-bucket':
        return sequence + 1;
      case 'not-published':
        return 'end';
      case 'in-store':
        return this.#stepInStore(sequence, bucketId, mayReadPage);
    }
  }

  #stepInStore(sequence: number, bucketId: number, mayReadPage: boolean): LogStep {
    let page = this.#pages.pageAt(sequence, this.#clockMs);
    if (page === undefined) {
      if (!mayReadPage) return 'page-needed';
      page = this.#readPage(sequence);
    }
    const { blocks } = page;
    for (let at = firstAtOrBehind(blocks, sequence); at < blocks.length; at++) {
      const block = blocks[at];
      if (block !== undefined && block.bucketId === bucketId) return block;
    }
    return page.to;
  }

  #readPage(sequence: number): Page {
    this.pagesRead++;
    const head = this.head();
    // Above the tail a single block may be missing from the ring, because it was too large for it; when the next one is
    // missing as well, nobody was reading when they were written, and there are more.
    const isSingle = sequence >= this.#ring.tail() && sequence !== this.#afterSingle;
    const limit = isSingle ? sequence + 1 : head;
    this.#afterSingle = limit;
    return this.#pages.read(sequence, limit, this.#clockMs);
  }
}

function allocate(bytes: number): Buffer {
  return bytes > SLAB_BYTES ? Buffer.allocUnsafeSlow(bytes) : Buffer.allocUnsafe(bytes);
}

/** Index of the first block whose sequence is ≥ `sequence`. */
function firstAtOrBehind(blocks: readonly BlockView[], sequence: number): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((blocks[middle]?.sequence ?? 0) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
