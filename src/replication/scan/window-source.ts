/** Produces the windows of a task, one after the other (see `window.ts`). Runs in workers; never waits. */
import type { Position } from '../../catalog/positions.ts';
import type { BlockView } from '../../store/block.ts';
import type { Batch, BatchLimits } from './batch.ts';
import { type BatchEntry, BatchBuilder } from './batch-builder.ts';
import type { EntryDirectory } from './entry-directory.ts';
import { entryPath } from './entry-path.ts';
import type { RangeScan } from '../messages.ts';
import { RangeView } from '../ranges/range-view.ts';
import type { LogReader } from './log-reader.ts';
import type { MetaCache } from './meta-cache.ts';
import { OverflowSink } from './overflow-sink.ts';
import type { RecordSink, TaskFilter } from './task-filter.ts';
import type { Window } from './window.ts';
import type { WindowCache } from './window-cache.ts';
import { scanWindow, type WindowLimits } from './window-scan.ts';

/** What all scans of a thread share. */
export interface ScanContext {
  readonly log: LogReader;
  readonly metas: MetaCache;
  readonly entries: EntryDirectory;
  readonly windows: WindowCache;
  readonly nowMs: () => number;
}

export interface ScanSettings {
  readonly bucketId: number;
  readonly filter: TaskFilter;
  readonly dstPrefix: string;
  readonly limits: BatchLimits;
  /** Tasks with equal signatures get equal windows; `null`: windows are not shared. */
  readonly signature: string | null;
  /** Scan no further than this sequence; `null`: up to the head. */
  readonly stopSequence: number | null;
  /** Only what is in the scope of a range, in the form for ranges. */
  readonly range?: RangeScan | null;
  /** What a window takes; default: whole blocks, as many as serve throughput best. */
  readonly window?: WindowLimits | undefined;
  /** So many of the first records that pass are given up. Not for shared windows. */
  readonly dropRecords?: number;
}

/** Takes records during a scan; ends with the batches made of them, if any. */
export interface WindowSink extends RecordSink {
  enter(entry: BatchEntry): void;
  finish(): readonly Batch[];
  readonly records: number;
  readonly bytes: number;
  /** Rows of removed records among those that passed. */
  readonly removed: number;
  readonly retainedBytes: number;
}

export class WindowSource {
  readonly #context: ScanContext;
  readonly #settings: ScanSettings;
  readonly #newSink: () => WindowSink;
  readonly #range: RangeView | null;
  #dropRecords: number;
  /** By entry id; `null` for entries the task does not want. */
  readonly #targets: Map<number, BatchEntry | null> = new Map();

  /** @param newSink what becomes of matching records; default: batches. */
  constructor(context: ScanContext, settings: ScanSettings, newSink?: () => WindowSink) {
    this.#context = context;
    this.#settings = settings;
    const { range } = settings;
    this.#range = range ? new RangeView(range, context.log.store) : null;
    this.#dropRecords = settings.dropRecords ?? 0;
    this.#newSink = newSink ?? (() => new BatchBuilder(context.metas, settings.limits));
  }

  /**
   * The window from `from` on. Its filter state is that of the task's filter, which must stand at `from`.
   * @param limits default: those of the settings.
   * @returns undefined when nothing was published from there on, or the stop is reached.
   */
  next(
    from: Position,
    limits: WindowLimits | undefined = this.#settings.window,
  ): Window | undefined {
    const { signature, stopSequence } = this.#settings;
    if (stopSequence !== null && from.sequence >= stopSequence) return undefined;
    // Within a block nobody else begins.
    if (signature === null || from.index !== undefined) return this.#scan(from, limits);
    const { windows, nowMs } = this.#context;
    const shared = windows.find(signature, from, nowMs(), stopSequence);
    if (shared !== undefined) return shared;
    const window = this.#scan(from, limits);
    // Ends that depend on this task are not for others.
    if (window !== undefined && window.end !== 'stop' && window.end !== 'entry') {
      windows.add(signature, window);
    }
    return window;
  }

  /** The window will be scanned again. */
  takeBack({ droppedRecords }: Window): void {
    this.#dropRecords += droppedRecords;
  }

  #scan(from: Position, limits: WindowLimits | undefined): Window | undefined {
    const { bucketId, filter, stopSequence } = this.#settings;
    const { log, entries, nowMs } = this.#context;
    const sink = this.#newSink();
    const range = this.#range;
    const overflow = this.#dropRecords > 0 ? new OverflowSink(sink, this.#dropRecords) : null;
    const passed = overflow ?? sink;
    let seenRecords = 0;
    let seenBytes = 0;
    const take = (whole: BlockView, begin: number, end: number): boolean => {
      const target = this.#targetOf(whole.entryId);
      if (target === undefined) return false;
      if (target === null) return true;
      sink.enter(target);
      if (range === null) {
        filter.filter(whole, target.name, passed, begin, end);
        return true;
      }
      const part = range.partOf(whole, target.name, begin, end);
      if (part === null) return true;
      // A back-fill is asked for now, and sends records as they are.
      const inForce = range.isBackfill ? 'current' : 'written';
      filter.filter(part.view, target.name, passed, part.from, part.to, inForce);
      seenRecords += part.records;
      seenBytes += part.bytes;
      return true;
    };
    const scanned = scanWindow(log, bucketId, from, stopSequence, take, limits);
    const isStill = scanned.to.sequence === from.sequence && scanned.to.index === from.index;
    if (scanned.end === 'head' && isStill) return undefined;
    const batches = sink.finish();
    const droppedRecords = overflow?.droppedRecords ?? 0;
    this.#dropRecords -= droppedRecords;
    return {
      from,
      to: scanned.to,
      end: scanned.end,
      batches,
      records: sink.records,
      bytes: sink.bytes,
      droppedRecords,
      seenRecords,
      seenBytes,
      // Of what a back-fill does not find, nobody knows when it was removed.
      removed: range?.isBackfill === true ? 0 : scanned.removed + sink.removed,
      filterState: filter.snapshot(),
      needsEntriesAfter: scanned.end === 'entry' ? entries.knownUpTo(bucketId) : null,
      retainedBytes: sink.retainedBytes,
      createdMs: nowMs(),
    };
  }

  /** The entry at the target; `null` when it is not wanted, undefined when its name has to be asked for. */
  #targetOf(entryId: number): BatchEntry | null | undefined {
    const known = this.#targets.get(entryId);
    if (known !== undefined) return known;
    const { bucketId, filter, dstPrefix } = this.#settings;
    const name = this.#context.entries.nameOf(bucketId, entryId);
    if (name === undefined) return undefined;
    const isInScope = name !== null && (this.#range?.selects(name) ?? true);
    const isWanted = isInScope && filter.selects(name);
    const target = isWanted ? { id: entryId, name, path: entryPath(dstPrefix, name) } : null;
    this.#targets.set(entryId, target);
    return target;
  }
}
