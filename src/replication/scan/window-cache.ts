/**
 * Windows that tasks of one thread share: sixteen tasks with equal settings at the same position read, filter and encode
 * once. Bounded in bytes.
 */
import type { Position } from '../../catalog/positions.ts';
import { MAX_AGE_MS } from './block-cache.ts';
import { GenerationCache } from './generation-cache.ts';
import type { Window } from './window.ts';

/**
 * A window that ended at the head is shared only for this long: later the log has grown, and a task that lags would be
 * fed with tiny windows instead of full ones.
 */
const HEAD_WINDOW_MAX_AGE_MS = 5;

/** Memory of a window besides its batches, roughly. */
const WINDOW_BYTES = 1024;

export class WindowCache {
  readonly #windows: GenerationCache<string, Window>;

  constructor(maxBytes: number) {
    this.#windows = new GenerationCache(maxBytes);
  }

  clear(): void {
    this.#windows.clear();
  }

  get bytes(): number {
    return this.#windows.bytes;
  }

  /** @param stopSequence a window that goes beyond it is not found. */
  find(
    signature: string,
    from: Position,
    nowMs: number,
    stopSequence: number | null,
  ): Window | undefined {
    const window = this.#windows.get(keyOf(signature, from));
    if (window === undefined) return undefined;
    const maxAgeMs = window.end === 'limit' ? MAX_AGE_MS : HEAD_WINDOW_MAX_AGE_MS;
    const isFresh = nowMs - window.createdMs <= maxAgeMs;
    const isWithin = stopSequence === null || window.to.sequence <= stopSequence;
    return isFresh && isWithin ? window : undefined;
  }

  add(signature: string, window: Window): void {
    this.#windows.add(keyOf(signature, window.from), window, window.retainedBytes + WINDOW_BYTES);
  }
}

function keyOf(signature: string, { sequence, bucketOrdinal }: Position): string {
  return `${sequence}:${bucketOrdinal}:${signature}`;
}
