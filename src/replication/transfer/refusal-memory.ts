/** What a task remembers of refusals by its target, in one thread; forgotten with new settings. */
import type { Batch } from '../scan/batch.ts';

/** Batches whose refusals are counted at the same time; policy when full: `forget_oldest`. */
const MAX_BATCHES = 64;

/** Unfinished records that are seen again after longer than this are others: attempts follow each other faster. */
const UNFINISHED_GAP_MS = 300_000;

interface Refusal {
  readonly status: number;
  readonly count: number;
}

export class RefusalMemory {
  readonly #refusals: Map<string, Refusal> = new Map();
  /** By entry; as many as batches, with the same policy. */
  readonly #unfinished: Map<number, { readonly sinceMs: number; readonly lastMs: number }> =
    new Map();
  #maxRecords = Number.POSITIVE_INFINITY;

  /** Records that a request of this target may hold, as far as known. */
  get maxRecords(): number {
    return this.#maxRecords;
  }

  /** A request of this many records went through where a larger one was too large. */
  limitRecords(records: number): void {
    this.#maxRecords = Math.max(1, Math.min(this.#maxRecords, records));
  }

  /** How often in a row this very batch got this status before. */
  earlierRefusals(batch: Batch, status: number): number {
    const refusal = this.#refusals.get(keyOf(batch));
    return refusal?.status === status ? refusal.count : 0;
  }

  remember(batch: Batch, status: number): void {
    const key = keyOf(batch);
    const count = this.earlierRefusals(batch, status) + 1;
    this.#refusals.delete(key);
    this.#refusals.set(key, { status, count });
    for (const oldest of this.#refusals.keys()) {
      if (this.#refusals.size <= MAX_BATCHES) break;
      this.#refusals.delete(oldest);
    }
  }

  /** For how long records of the batch's entry have been found unfinished at the target, ms; 0 for the first time. */
  unfinishedMs({ entryId }: Batch, nowMs: number): number {
    const known = this.#unfinished.get(entryId);
    const isSame = known !== undefined && nowMs - known.lastMs < UNFINISHED_GAP_MS;
    const sinceMs = isSame ? known.sinceMs : nowMs;
    this.#unfinished.delete(entryId);
    this.#unfinished.set(entryId, { sinceMs, lastMs: nowMs });
    for (const oldest of this.#unfinished.keys()) {
      if (this.#unfinished.size <= MAX_BATCHES) break;
      this.#unfinished.delete(oldest);
    }
    return nowMs - sinceMs;
  }

  forget(batch: Batch): void {
    if (this.#refusals.size > 0) this.#refusals.delete(keyOf(batch));
  }
}

function keyOf({ entryId, headerName, recordCount }: Batch): string {
  return `${entryId}:${headerName}:${recordCount}`;
}
