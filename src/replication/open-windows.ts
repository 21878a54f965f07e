/** The windows of a slice that are not answered for yet, and the position that follows from them. Pure bookkeeping. */
import type { Position } from '../catalog/positions.ts';
import type { FilterState } from './filter-state.ts';
import type { Window, WindowEnd } from './scan/window.ts';

/** Windows open at once. */
const MAX_OPEN_WINDOWS = 8;

/**
 * The next window is opened when less content than this is unanswered: a good part of a full window, so that lanes do not
 * run dry, but not a whole one, so that a task whose target is silent holds a single window.
 */
const FIRST_UNANSWERED_BYTES = 1_280 * 1024;

/**
 * What the target has answered in this slice is added, up to this: windows are scanned in one go, and entries are not spread
 * evenly over them, so a target that is quick needs several to choose from (measured: 1.25 × the records/s of 1.25 MiB).
 */
const MAX_UNANSWERED_BYTES = 4 * 1024 * 1024;

export interface OpenWindow {
  readonly window: Window;
  /** Where it ends, together with windows behind it that had nothing to send. */
  to: Position;
  end: WindowEnd;
  filterState: FilterState | null;
  removed: number;
  dropped: number;
  seenRecords: number;
  seenBytes: number;
  /** Batches without an answer. */
  unanswered: number;
  /** A request with a batch of it was made. */
  isStarted: boolean;
}

export class OpenWindows {
  readonly #windows: OpenWindow[] = [];
  #unansweredBytes = 0;
  #answeredBytes = 0;
  #position: Position;
  #filterState: FilterState | null;
  #attemptedSequence: number;
  /** Records and bytes of windows that are answered for. */
  passedRecords = 0;
  passedBytes = 0;
  removed = 0;
  /** Given up; among the passed records. */
  dropped = 0;
  seenRecords = 0;
  seenBytes = 0;

  constructor(position: Position, filterState: FilterState | null) {
    this.#position = position;
    this.#filterState = filterState;
    this.#attemptedSequence = position.sequence;
  }

  /** First position with anything not answered, and the state of the filters there. */
  get position(): Position {
    return this.#position;
  }

  get filterState(): FilterState | null {
    return this.#filterState;
  }

  /** Where the next window begins, and the state of the filters there. */
  get scanned(): Position {
    return this.#windows.at(-1)?.to ?? this.#position;
  }

  get scannedState(): FilterState | null {
    const last = this.#windows.at(-1);
    return last === undefined ? this.#filterState : last.filterState;
  }

  /** Nothing at or above this sequence was sent. */
  get attemptedSequence(): number {
    return this.#attemptedSequence;
  }

  get isEmpty(): boolean {
    return this.#windows.length === 0;
  }

  get hasRoom(): boolean {
    const mostBytes = Math.min(MAX_UNANSWERED_BYTES, FIRST_UNANSWERED_BYTES + this.#answeredBytes);
    return this.#windows.length < MAX_OPEN_WINDOWS && this.#unansweredBytes < mostBytes;
  }

  /** @returns the open window; undefined when there is nothing to send in it. */
  open(window: Window): OpenWindow | undefined {
    const last = this.#windows.at(-1);
    const { to, end, filterState, removed, seenRecords, seenBytes } = window;
    const dropped = window.droppedRecords;
    if (window.batches.length > 0) {
      const unanswered = window.batches.length;
      const counts = { removed, dropped, seenRecords, seenBytes };
      const open = { window, to, end, filterState, ...counts, unanswered, isStarted: false };
      this.#windows.push(open);
      this.#unansweredBytes += window.bytes;
      return open;
    }
    if (last === undefined) {
      this.#position = to;
      this.#filterState = filterState;
      this.removed += removed;
      this.dropped += dropped;
      this.passedRecords += dropped;
      this.seenRecords += seenRecords;
      this.seenBytes += seenBytes;
    } else {
      last.to = to;
      last.end = end;
      last.filterState = filterState;
      last.removed += removed;
      last.dropped += dropped;
      last.seenRecords += seenRecords;
      last.seenBytes += seenBytes;
    }
    return undefined;
  }

  start(open: OpenWindow): void {
    open.isStarted = true;
    const { sequence, index = 0 } = open.window.to;
    // A block that is sent in part counts.
    const end = index === 0 ? sequence : sequence + 1;
    this.#attemptedSequence = Math.max(this.#attemptedSequence, end);
  }

  /** One batch of the window is answered for. */
  answer(open: OpenWindow, bodyBytes: number): void {
    open.unanswered--;
    this.#unansweredBytes -= bodyBytes;
    this.#answeredBytes += bodyBytes;
    for (;;) {
      const first = this.#windows[0];
      if (first === undefined || first.unanswered > 0) return;
      this.#windows.shift();
      this.#position = first.to;
      this.#filterState = first.filterState;
      this.removed += first.removed;
      this.dropped += first.dropped;
      this.seenRecords += first.seenRecords;
      this.seenBytes += first.seenBytes;
      this.passedRecords += first.window.records + first.dropped;
      this.passedBytes += first.window.bytes;
    }
  }

  /** A window was begun, and is not finished. */
  get hasStarted(): boolean {
    return this.#windows.some(({ isStarted, unanswered }) => isStarted && unanswered > 0);
  }

  /** The newest window, if nothing of it was sent. */
  lastUnstarted(): OpenWindow | undefined {
    const last = this.#windows.at(-1);
    return last === undefined || last.isStarted ? undefined : last;
  }

  /** Forgets the newest window; the scan goes back to where it began. */
  dropLast(): void {
    const dropped = this.#windows.pop();
    if (dropped !== undefined) this.#unansweredBytes -= dropped.window.bytes;
  }
}
