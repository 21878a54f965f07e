/**
 * Label updates leave the log when no replication task needs them any more. The records were rewritten in their own
 * blocks, so an update matters only to a task that may have sent the record before, and has not come to the update yet.
 *
 * A pass looks at the rows that name update blocks, bucket by bucket, and removes in slices what lies before the place that
 * was needed both now and at the pass before. The pass in between is the time in which a cursor becomes durable, and in
 * which a task that is being created becomes known.
 */
import type { RowCommitter } from '../catalog/ports.ts';
import { COLUMN_BLOCKS, COLUMN_META, META } from '../store/format.ts';
import { headRow } from '../store/head-row.ts';
import { blockKey, metaKey64, metaRange } from '../store/keys.ts';
import type { RocksReader } from '../store/rocks.ts';
import type { RowChange } from '../store/row-change.ts';

const PASS_MS = 60_000;
/** Update blocks removed by one commit: about a millisecond of work. */
const BLOCKS_PER_SLICE = 512;

export interface UpdateTrimmerOptions {
  readonly db: RocksReader;
  readonly commits: Pick<RowCommitter, 'commitRows'> & { readonly headSequence: number };
  /** Update blocks of the bucket before this sequence are not needed. */
  readonly neededFrom: (bucketId: number) => number;
  /** A pass could not be finished; the next one tries again. */
  readonly onFailure: (error: unknown) => void;
}

interface UpdateRow {
  readonly bucketId: number;
  readonly sequence: number;
}

export class UpdateTrimmer {
  readonly #options: UpdateTrimmerOptions;
  #neededBefore: ReadonlyMap<number, number> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: UpdateTrimmerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#passOrReport();
    }, PASS_MS);
    this.#timer.unref();
  }

  /** Resolves when nothing reads or writes any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** @returns how many update blocks were removed. */
  async pass(): Promise<number> {
    const needed = new Map<number, number>();
    let removed = 0;
    for (let row = this.#rowFrom(0, 0); row !== undefined && !this.#isStopped;) {
      const { bucketId } = row;
      const neededNow = this.#options.neededFrom(bucketId);
      needed.set(bucketId, neededNow);
      const limit = Math.min(neededNow, this.#neededBefore.get(bucketId) ?? 0);
      removed += await this.#trim(bucketId, limit);
      row = this.#rowFrom(bucketId + 1, 0);
    }
    this.#neededBefore = needed;
    return removed;
  }

  async #passOrReport(): Promise<void> {
    try {
      await this.pass();
    } catch (error) {
      this.#options.onFailure(error);
    } finally {
      this.#running = undefined;
    }
  }

  async #trim(bucketId: number, limit: number): Promise<number> {
    const { db, commits } = this.#options;
    let removed = 0;
    // A cursor that could not be stored counts as -1: everything is needed.
    for (let from = 0; from < limit && !this.#isStopped;) {
      const range = {
        gte: metaKey64(META.updateBlock, bucketId, BigInt(from)),
        lt: metaKey64(META.updateBlock, bucketId, BigInt(limit)),
        keysOnly: true,
      };
      const rows = updateRows(db, range, BLOCKS_PER_SLICE);
      const last = rows.at(-1);
      if (last === undefined) break;
      await commits.commitRows([...rows.flatMap(removalOf), headRow(commits.headSequence)]);
      removed += rows.length;
      // A look-up from the start would step over all rows removed so far.
      from = last.sequence + 1;
    }
    return removed;
  }

  #rowFrom(bucketId: number, sequence: number): UpdateRow | undefined {
    const gte = metaKey64(META.updateBlock, bucketId, BigInt(sequence));
    const { lt } = metaRange(META.updateBlock);
    return updateRows(this.#options.db, { gte, lt, keysOnly: true, limit: 1 }, 1)[0];
  }
}

/** The row that names an update block, to be written together with it. */
export function updateBlockKey(bucketId: number, sequence: number): Buffer {
  return metaKey64(META.updateBlock, bucketId, BigInt(sequence));
}

function updateRows(
  db: RocksReader,
  range: Parameters<RocksReader['iterate']>[1],
  maxRows: number,
): UpdateRow[] {
  const iterator = db.iterate(COLUMN_META, range);
  try {
    return iterator
      .next(maxRows)
      .rows.filter((_, at) => at % 2 === 0)
      .map((key) => ({
        bucketId: key.readUInt32BE(1),
        sequence: Number(key.readBigUInt64BE(5)),
      }));
  } finally {
    iterator.close();
  }
}

function removalOf({ bucketId, sequence }: UpdateRow): RowChange[] {
  return [
    { column: COLUMN_META, key: updateBlockKey(bucketId, sequence), value: null },
    { column: COLUMN_BLOCKS, key: blockKey(sequence), value: null },
  ];
}
