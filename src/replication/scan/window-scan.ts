/** Walks the log from a position to the end of the window: the rules by which windows end. */
import type { Position } from '../../catalog/positions.ts';
import type { BlockView } from '../../store/block.ts';
import { BLOCK_KIND_UPDATES } from '../../store/format.ts';
import type { LogReader } from './log-reader.ts';
import type { WindowEnd } from './window.ts';

/**
 * A window ends behind the block with which it reaches one of these. While a window is scanned no answer is taken and
 * nothing is sent: it has to be shorter than the requests in flight keep the target busy.
 */
export const MAX_WINDOW_RECORDS = 2048;
const MAX_WINDOW_BYTES = 1024 * 1024;

/**
 * Windows also end at fixed sequences, so that tasks which started at different positions come to share windows: at a
 * multiple of the first once they are a quarter full, at a multiple of the second always.
 */
const ALIGN_SEQUENCES = 64;
const ALIGN_ALWAYS_SEQUENCES = 1024;
const ALIGN_RECORDS = 512;
const ALIGN_BYTES = 512 * 1024;

/** Steps for one window: blocks of other buckets cost little, but not nothing, and other slices wait meanwhile. */
const MAX_WINDOW_STEPS = 16_384;

export interface ScannedWindow {
  readonly to: Position;
  readonly end: WindowEnd;
  /** Records of the bucket that are missing from the log. */
  readonly removed: number;
}

/** How much a window takes. */
export interface WindowLimits {
  /** Blocks are taken whole until the window has so many records; its bytes are bounded in proportion. */
  readonly maxRecords: number;
  /** Set where bytes count: a block with more records, or content, is cut, and windows may be of a single entry. */
  readonly cut: { readonly maxBytes: number; readonly isSingleEntry: boolean } | null;
}

const WHOLE_BLOCKS: WindowLimits = { maxRecords: MAX_WINDOW_RECORDS, cut: null };

/**
 * @param stopSequence the window does not go beyond it; `null`: up to the head.
 * @param take is given records [from, to) of every block of the bucket, in order; false ends the window before that block.
 */
export function scanWindow(
  log: LogReader,
  bucketId: number,
  from: Position,
  stopSequence: number | null,
  take: (view: BlockView, from: number, to: number) => boolean,
  limits: WindowLimits = WHOLE_BLOCKS,
): ScannedWindow {
  const scan = new WindowScan(from, stopSequence ?? Number.POSITIVE_INFINITY, limits);
  const pagesBefore = log.pagesRead;
  log.begin();
  while (scan.end === undefined) {
    const step = log.step(scan.sequence, bucketId, log.pagesRead === pagesBefore);
    if (step === 'end') scan.end = 'head';
    else if (step === 'page-needed') scan.end = 'page';
    else if (typeof step === 'number') scan.skipTo(step);
    else if (scan.skipTo(step.sequence)) {
      const start = scan.startIn(step);
      const to = scan.endIn(step, start);
      if (to === start && step.recordCount > start) scan.end = 'limit';
      else if (take(step, start, to)) scan.pass(step, to);
      else scan.end = 'entry';
    }
  }
  return { to: scan.position, end: scan.end, removed: scan.removed };
}

class WindowScan {
  readonly #from: Position;
  readonly #stopSequence: number;
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  readonly #cut: WindowLimits['cut'];
  sequence: number;
  #bucketOrdinal: number;
  /** Within the block at `sequence`. */
  #index: number;
  #entryId: number | undefined;
  removed = 0;
  end: WindowEnd | undefined;
  #records = 0;
  #bytes = 0;
  #steps = 0;

  constructor(from: Position, stopSequence: number, { maxRecords, cut }: WindowLimits) {
    const { sequence, bucketOrdinal, index = 0 } = from;
    this.#from = from;
    this.#maxRecords = maxRecords;
    this.#maxBytes = MAX_WINDOW_BYTES * (maxRecords / MAX_WINDOW_RECORDS);
    this.#cut = cut;
    this.sequence = sequence;
    this.#bucketOrdinal = bucketOrdinal;
    this.#index = index;
    this.#stopSequence = stopSequence;
    if (sequence >= stopSequence) this.end = 'stop';
  }

  get position(): Position {
    const { sequence } = this;
    const position: Position = { partition: 0, sequence, bucketOrdinal: this.#bucketOrdinal };
    return this.#index === 0 ? position : { ...position, index: this.#index };
  }

  /** Where the window begins in this block. */
  startIn({ sequence }: BlockView): number {
    return sequence === this.#from.sequence ? (this.#from.index ?? 0) : 0;
  }

  /** Up to where the window takes this block; where it begins there: not at all, the next window does. */
  endIn(view: BlockView, from: number): number {
    const { recordCount } = view;
    // Updates of a range are put together anew when they are read: there is no place within them.
    if (this.#cut === null || view.kind === BLOCK_KIND_UPDATES) return recordCount;
    const { maxBytes, isSingleEntry } = this.#cut;
    const isFirst = this.#entryId === undefined;
    if (isSingleEntry && !isFirst && this.#entryId !== view.entryId) return from;
    const most = Math.min(recordCount, from + this.#maxRecords - this.#records);
    let bytes = this.#bytes;
    let to = from;
    while (to < most && bytes < maxBytes) bytes += view.length(to++);
    // A block begins a window rather than being torn apart at its end.
    return to === recordCount || isFirst ? to : from;
  }

  /** Goes to a sequence before which there is nothing of the bucket. @returns whether the window goes on there. */
  skipTo(sequence: number): boolean {
    const at = Math.min(sequence, this.#stopSequence);
    if (at !== this.sequence) this.#index = 0;
    this.sequence = at;
    if (this.sequence >= this.#stopSequence) this.end = 'stop';
    else if (++this.#steps >= MAX_WINDOW_STEPS) this.end = 'page';
    return this.end === undefined;
  }

  /** Goes behind what was taken of a block. */
  pass(view: BlockView, to: number): void {
    const isUpdate = view.kind === BLOCK_KIND_UPDATES;
    this.removed += Math.max(0, view.bucketOrdinal - this.#bucketOrdinal);
    // Updates are no records of the bucket: they have no ordinals of their own.
    this.#bucketOrdinal = view.bucketOrdinal + (isUpdate ? 0 : to);
    this.#entryId = view.entryId;
    if (to < view.recordCount) {
      this.#index = to;
      this.end = 'limit';
      return;
    }
    this.#records += view.recordCount;
    this.#bytes += view.payloadBytes;
    if (this.skipTo(view.sequence + 1) && this.#isComplete()) this.end = 'limit';
  }

  #isComplete(): boolean {
    if (this.#records >= this.#maxRecords || this.#bytes >= this.#maxBytes) return true;
    if (this.sequence % ALIGN_SEQUENCES !== 0) return false;
    if (this.#records >= ALIGN_RECORDS || this.#bytes >= ALIGN_BYTES) return true;
    return this.sequence % ALIGN_ALWAYS_SEQUENCES === 0;
  }
}
