/** The records around a match that are returned with it (when.md §9, context algorithm). */
import type { ContextWindow, Directives } from '../directives.ts';
import type { RecordView } from '../frame.ts';

/** Progress of the window after a match. Plain data. */
export interface AfterState {
  /** Records that may still follow the last match; below 0 when the window is over. */
  remainingRecords: number;
  lastMatchUs: bigint | undefined;
}

/** Step 3: whether the record passes, either as a match or in the wake of one. */
export function passesAfter(
  state: AfterState,
  window: ContextWindow | undefined,
  timestampUs: bigint,
  isMatch: boolean,
): boolean {
  if (window?.kind === 'duration') {
    if (isMatch) state.lastMatchUs = timestampUs;
    return state.lastMatchUs !== undefined && state.lastMatchUs + window.us >= timestampUs;
  }
  if (isMatch) state.remainingRecords = window?.count ?? 0;
  else if (state.remainingRecords >= 0) state.remainingRecords--;
  return state.remainingRecords >= 0;
}

export function hasContext({ contextBefore, contextAfter }: Directives): boolean {
  return contextBefore !== undefined || contextAfter !== undefined;
}

/** Dropped places are not reused at once: the array is compacted when half of it is free. */
const MIN_FREE_TO_COMPACT = 64;

/** Steps 1 and 4: the latest records that were not returned yet, the newest included. */
export class ContextBuffer<T extends RecordView> {
  readonly #window: ContextWindow;
  #records: (T | undefined)[] = [];
  #head = 0;

  constructor(window: ContextWindow | undefined) {
    this.#window = window ?? { kind: 'records', count: 0 };
  }

  /** Adds the newest record and drops those out of reach. */
  add(record: T): void {
    this.#records.push(record);
    while (this.#isOldestOutOfReach(record)) this.#dropOldest();
  }

  #isOldestOutOfReach(newest: T): boolean {
    const window = this.#window;
    if (window.kind === 'records') return this.#records.length - this.#head > window.count + 1;
    const oldest = this.#records[this.#head];
    return oldest !== undefined && newest.timestamp - oldest.timestamp > window.us;
  }

  #dropOldest(): void {
    this.#records[this.#head++] = undefined;
    if (this.#head >= MIN_FREE_TO_COMPACT && this.#head * 2 >= this.#records.length) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The records in time order. */
  list(): T[] {
    const records: T[] = [];
    for (const record of this.#records) {
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  /** The records in time order; the buffer is empty afterwards. */
  drain(): T[] {
    const records = this.list();
    this.replace([]);
    return records;
  }

  replace(records: readonly T[]): void {
    this.#records = [...records];
    this.#head = 0;
  }
}
