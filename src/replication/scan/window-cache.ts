/**
 * Windows that tasks of one thread share: sixteen tasks with equal settings at the same position read, filter and encode
 * once. Bounded in bytes; policy when full: `evict_oldest`.
 */
import type { Position } from '../../catalog/positions.ts';
import { MAX_AGE_MS } from './block-cache.ts';
import type { Window } from './window.ts';

/**
 * A window that ended at the head is shared only for this long: later the log has grown, and a task that lags would be
 * fed with tiny windows instead of full ones.
 */
const HEAD_WINDOW_MAX_AGE_MS = 5;

/** Memory of a window besides its batches, roughly. */
const WINDOW_BYTES = 1024;

export class WindowCache {
  readonly #maxBytes: number;
  readonly #windows: Map<string, Window> = new Map();
  #bytes = 0;
  hits = 0;
  misses = 0;
  evictions = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param stopSequence a window that goes beyond it is not found. */
  find(
    signature: string,
    from: Position,
    nowMs: number,
    stopSequence: number | null,
  ): Window | undefined {
    const window = this.#windows.get(keyOf(signature, from));
    const isUsable =
      window !== undefined &&
      nowMs - window.createdMs <= (window.end === 'limit' ? MAX_AGE_MS : HEAD_WINDOW_MAX_AGE_MS) &&
      (stopSequence === null || window.to.sequence <= stopSequence);
    if (!isUsable) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    return window;
  }

  add(signature: string, window: Window): void {
    const key = keyOf(signature, window.from);
    this.#remove(key);
    this.#windows.set(key, window);
    this.#bytes += sizeOf(window);
    for (const oldest of this.#windows.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(oldest);
      this.evictions++;
    }
  }

  #remove(key: string): void {
    const window = this.#windows.get(key);
    if (window === undefined) return;
    this.#windows.delete(key);
    this.#bytes -= sizeOf(window);
  }
}

function keyOf(signature: string, { sequence, bucketOrdinal }: Position): string {
  return `${sequence}:${bucketOrdinal}:${signature}`;
}

function sizeOf(window: Window): number {
  return window.retainedBytes + WINDOW_BYTES;
}
