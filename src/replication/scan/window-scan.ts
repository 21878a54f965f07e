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

/**
 * @param stopSequence the window does not go beyond it; `null`: up to the head.
 * @param take is given every block of the bucket, in order; false ends the window before that block.
 * @param maxRecords of the window; its bytes are bounded in proportion.
 */
export function scanWindow(
  log: LogReader,
  bucketId: number,
  from: Position,
  stopSequence: number | null,
  take: (view: BlockView) => boolean,
  maxRecords: number = MAX_WINDOW_RECORDS,
): ScannedWindow {
  const scan = new WindowScan(from, stopSequence ?? Number.POSITIVE_INFINITY, maxRecords);
  const pagesBefore = log.pagesRead;
  log.begin();
  while (scan.end === undefined) {
    const step = log.step(scan.sequence, bucketId, log.pagesRead === pagesBefore);
    if (step === 'end') scan.end = 'head';
    else if (step === 'page-needed') scan.end = 'page';
    else if (typeof step === 'number') scan.skipTo(step);
    else if (scan.skipTo(step.sequence)) {
      if (take(step)) scan.pass(step);
      else scan.end = 'entry';
    }
  }
  const { sequence, bucketOrdinal, end, removed } = scan;
  return { to: { partition: 0, sequence, bucketOrdinal }, end, removed };
}

class WindowScan {
  readonly #stopSequence: number;
  readonly #maxRecords: number;
  readonly #maxBytes: number;
  sequence: number;
  bucketOrdinal: number;
  removed = 0;
  end: WindowEnd | undefined;
  #records = 0;
  #bytes = 0;
  #steps = 0;

  constructor({ sequence, bucketOrdinal }: Position, stopSequence: number, maxRecords: number) {
    this.#maxRecords = maxRecords;
    this.#maxBytes = MAX_WINDOW_BYTES * (maxRecords / MAX_WINDOW_RECORDS);
    this.sequence = sequence;
    this.bucketOrdinal = bucketOrdinal;
    this.#stopSequence = stopSequence;
    if (sequence >= stopSequence) this.end = 'stop';
  }

  /** Goes to a sequence before which there is nothing of the bucket. @returns whether the window goes on there. */
  skipTo(sequence: number): boolean {
    this.sequence = Math.min(sequence, this.#stopSequence);
    if (this.sequence >= this.#stopSequence) this.end = 'stop';
    else if (++this.#steps >= MAX_WINDOW_STEPS) this.end = 'page';
    return this.end === undefined;
  }

  /** Goes behind a block that was taken. */
  pass(view: BlockView): void {
    const isUpdate = view.kind === BLOCK_KIND_UPDATES;
    this.removed += Math.max(0, view.bucketOrdinal - this.bucketOrdinal);
    // Updates are no records of the bucket: they have no ordinals of their own.
    this.bucketOrdinal = view.bucketOrdinal + (isUpdate ? 0 : view.recordCount);
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
