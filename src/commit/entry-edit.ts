/** One entry while a session changes it: its figures, runs and extents, and the view of it that a write plans with. */
import type { Entry, EntryStats, Extent, Run } from '../catalog/model.ts';
import { encodeExtent, encodeStats } from '../catalog/rows.ts';
import { BugError } from '../errors/errors.ts';
import { COLUMN_INDEX, COLUMN_META, META } from '../store/format.ts';
import { indexKey, metaKey, metaKey64 } from '../store/keys.ts';
import type { RocksReader, WriteBatch } from '../store/rocks.ts';
import { encodeRun } from '../store/run-index.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { EntryView } from './apply.ts';
import { AttachmentEdits } from './attachment-edits.ts';
import type { BlockEdits } from './block-edits.ts';
import { ExtentEdits } from './extent-edits.ts';
import { RunEdits } from './run-edits.ts';

export class EntryEdit implements EntryView {
  readonly entry: Entry;
  readonly stats: EntryStats;
  readonly runs: RunEdits;
  readonly extents: ExtentEdits;
  /** Only for entries that hold attachments. */
  readonly attachments: AttachmentEdits | undefined;
  readonly #blocks: BlockEdits;
  #hasLostRecords = false;

  constructor(entry: Entry, reader: RocksReader, blocks: BlockEdits) {
    const { extent } = entry.stats;
    this.entry = entry;
    this.stats = { ...entry.stats, extent: extent === undefined ? undefined : { ...extent } };
    this.runs = new RunEdits(reader, entry.id, entry.stats.oldestTs);
    this.extents = new ExtentEdits(reader, entry.id, this.stats);
    this.attachments = isMetaEntryName(entry.name)
      ? new AttachmentEdits(reader, entry.id)
      : undefined;
    this.#blocks = blocks;
  }

  /** Takes removed records out of the figures. `oldestTs` and `latestTs` are true again after `settle`. */
  takeOut(records: number, bytes: number): void {
    const { stats } = this;
    stats.recordCount -= records;
    stats.sizeBytes = stats.recordCount === 0 ? 0 : Math.max(0, stats.sizeBytes - bytes);
    this.#hasLostRecords = true;
  }

  /** Finds oldest and latest record after removals. Nothing lies outside of the bounds there were. */
  settle(): void {
    if (!this.#hasLostRecords) return;
    this.#hasLostRecords = false;
    const { stats, runs, extents } = this;
    if (stats.recordCount === 0) {
      extents.dropAll();
      stats.oldestTs = 0n;
      stats.latestTs = 0n;
      return;
    }
    stats.oldestTs = runs.from(stats.oldestTs)?.firstTs ?? 0n;
    stats.latestTs = runs.atOrBefore(stats.latestTs)?.lastTs ?? 0n;
  }

  fill(batch: WriteBatch): void {
    this.settle();
    const { id } = this.entry;
    for (const [firstTs, run] of this.runs.changes()) {
      const key = indexKey(id, firstTs);
      if (run === null) batch.del(COLUMN_INDEX, key);
      else batch.put(COLUMN_INDEX, key, encodeRun(run));
    }
    for (const [startTs, extent] of this.extents.changes()) {
      const key = metaKey64(META.extent, id, startTs);
      if (extent === null) batch.del(COLUMN_META, key);
      else batch.put(COLUMN_META, key, encodeExtent(extent));
    }
    this.attachments?.fill(batch);
    batch.put(COLUMN_META, metaKey(META.entryStats, id), encodeStats(this.stats));
  }

  runAtOrBefore(ts: bigint): Run | undefined {
    return this.runs.atOrBefore(ts);
  }

  nextRunStart(ts: bigint): bigint | undefined {
    return this.runs.from(ts + 1n)?.firstTs;
  }

  timestamps(run: Run): BigUint64Array {
    const block = this.#blocks.view(run.sequence);
    if (block === undefined) {
      throw new BugError(
        `index names block ${run.sequence} of entry ${this.entry.id}, which is gone`,
      );
    }
    const times = new BigUint64Array(run.count);
    for (let i = 0; i < run.count; i++) times[i] = block.ts(run.startIndex + i);
    return times;
  }

  extentAtOrBefore(ts: bigint): Extent | undefined {
    return this.extents.olderAtOrBefore(ts);
  }
}
