/** A real store with catalogue, ring and commit path, without HTTP. */
import { Catalog } from '../../src/catalog/catalog.ts';
import { SlicedRemover } from '../../src/catalog/removal.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import type { Entry } from '../../src/catalog/model.ts';
import { GroupCommit } from '../../src/commit/group-commit.ts';
import type { DiskSpace } from '../../src/commit/types.ts';
import type { MillraceError } from '../../src/errors/errors.ts';
import { RingWriter } from '../../src/ring/writer.ts';
import type { Labels } from '../../src/store/labels.ts';
import type { RocksDatabase } from '../../src/store/rocks.ts';
import { openRocks } from '../../src/store/rocks.ts';

export const TEST_SETTINGS = {
  quota_type: 'NONE',
  quota_size: 0,
  max_block_size: 64_000_000,
  max_block_records: 1024,
} as const;

export interface StoreHarness {
  readonly db: RocksDatabase;
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly ring: RingWriter;
  readonly remover: SlicedRemover;
  /** Stages one record; resolves with null or the refusal. */
  write(
    entry: Entry,
    ts: bigint,
    payload: Uint8Array,
    labels?: Labels,
    contentType?: string,
  ): Promise<MillraceError | null>;
  close(): Promise<void>;
}

/** Opens (or creates) a store in `path`. Close it before opening the folder again. */
export async function openHarness(
  path: string,
  ringDataBytes = 1 << 20,
  space: DiskSpace = { freeBytes: () => undefined, wrote: () => undefined },
): Promise<StoreHarness> {
  const db = await openRocks(path, { cacheBytes: 8 << 20 });
  const loaded = loadCatalog(db);
  const ring = new RingWriter(ringDataBytes, loaded.nextSequence);
  const commits = new GroupCommit({
    db,
    publisher: ring,
    sync: false,
    nextSequence: loaded.nextSequence,
    nextUploadId: loaded.nextUploadId,
    space,
    onFailure: () => undefined,
  });
  const remover = new SlicedRemover(db, commits, (_bucket, error) => {
    throw error;
  });
  const catalog = new Catalog(loaded, commits, remover);
  commits.setAttach((entry) => catalog.attach(entry));
  return {
    db,
    catalog,
    commits,
    ring,
    remover,
    write: (entry, ts, payload, labels = [], contentType = 'application/octet-stream') =>
      new Promise((resolve) => {
        const sink = { onWritten: (_tag: number, error: MillraceError | null) => resolve(error) };
        commits.stage(entry, ts, contentType, labels, payload, sink, 0);
      }),
    close: async () => {
      commits.close();
      await remover.stop();
      await db.close();
    },
  };
}
