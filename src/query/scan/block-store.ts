/** Blocks of the log with a bounded cache, for one job. */
import { StoreFormatError } from '../../errors/errors.ts';
import { BlockView } from '../../store/block.ts';
import { COLUMN_BLOCKS } from '../../store/format.ts';
import { blockKey } from '../../store/keys.ts';
import type { MetaPool } from '../../store/meta-pool.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { ByteLru } from '../byte-lru.ts';

/**
 * Blocks are rewritten in place when labels change or records are removed; row numbers stay. So a cache must not
 * outlive the job: a query created after such a change has to see it.
 */
export class BlockStore {
  readonly reader: RocksReader;
  readonly #cache: ByteLru<number, BlockView>;
  readonly #metas: MetaPool;
  #latest: BlockView | undefined;
  #bytesRead = 0;

  constructor(reader: RocksReader, cacheBytes: number, metas: MetaPool) {
    this.reader = reader;
    this.#metas = metas;
    this.#cache = new ByteLru(cacheBytes);
  }

  /** Bytes read from the store so far; the cache answers for free. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /**
   * The block, or undefined when it was removed.
   * @param entryId whose records are asked for.
   * @throws StoreFormatError for a block that cannot be decoded or belongs to another entry.
   */
  block(sequence: number, entryId: number): BlockView | undefined {
    if (this.#latest?.sequence === sequence) return this.#latest;
    const block = this.#cache.get(sequence) ?? this.#read([sequence])[0];
    if (block === undefined) return undefined;
    if (block.entryId !== entryId || block.sequence !== sequence) {
      throw new StoreFormatError(
        `Block ${sequence} of entry ${entryId} holds block ${block.sequence} of entry ${block.entryId}`,
      );
    }
    this.#latest = block;
    return block;
  }

  /** Reads the missing ones of these blocks with one call. @returns their average length in bytes, 0 for none. */
  preload(sequences: readonly number[]): number {
    const missing = sequences.filter((sequence) => !this.#cache.has(sequence));
    let bytes = 0;
    for (const block of this.#read(missing)) bytes += block?.bytes.length ?? 0;
    return missing.length === 0 ? 0 : bytes / missing.length;
  }

  #read(sequences: readonly number[]): (BlockView | undefined)[] {
    if (sequences.length === 0) return [];
    const values = this.reader.getMany(COLUMN_BLOCKS, sequences.map(blockKey));
    return values.map((bytes) => {
      if (bytes === undefined) return undefined;
      const block = new BlockView(bytes, this.#metas);
      this.#bytesRead += bytes.length;
      this.#cache.set(block.sequence, block, bytes.length);
      return block;
    });
  }
}
