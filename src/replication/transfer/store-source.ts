/** Records of the store of this instance, for a sender. */
import { ApiError } from '../../errors/errors.ts';
import { COLUMN_BLOCKS } from '../../store/format.ts';
import { chunkKey } from '../../store/keys.ts';
import type { RocksReader } from '../../store/rocks.ts';
import { type Batch, type BatchLimits, firstTsOf, type LargeBody } from '../scan/batch.ts';
import type { MetaCache } from '../scan/meta-cache.ts';
import { type FullWrite, readFullRecords } from './full-write.ts';
import { goneText, type RecordSource } from './record-source.ts';

export class StoreSource implements RecordSource {
  readonly #store: RocksReader;
  readonly #metas: MetaCache;
  readonly #limits: BatchLimits;

  constructor(store: RocksReader, metas: MetaCache, limits: BatchLimits) {
    this.#store = store;
    this.#metas = metas;
    this.#limits = limits;
  }

  async *readLarge(batch: Batch, { uploadId, chunkBytes }: LargeBody): AsyncGenerator<Buffer> {
    const chunks = Math.ceil(batch.bodyBytes / chunkBytes);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const bytes = await this.#store.getAsync(COLUMN_BLOCKS, chunkKey(uploadId, chunk));
      if (bytes === undefined) throw new ApiError(404, goneText(batch, firstTsOf(batch)));
      yield bytes;
    }
  }

  readFull(batch: Batch, wanted: readonly bigint[]): FullWrite {
    return readFullRecords(this.#store, this.#metas, this.#limits, batch, wanted);
  }
}
