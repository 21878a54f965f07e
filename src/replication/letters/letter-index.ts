/**
 * Which letters a task has, in memory; the rows are in the store. Changes take effect when they are handed to the commit
 * path, so that what comes meanwhile sees them, and are taken back when the commit fails.
 */
import { newTotals, type LetterTotals } from './letter.ts';

export class LetterIndex {
  /** Ascending. */
  #ids: Set<number> = new Set();
  /** Of those, the ones to be sent again; in the order in which they were asked for. */
  readonly #queued: Set<number> = new Set();
  #nextId = 1;
  readonly totals: LetterTotals = newTotals();

  get size(): number {
    return this.#ids.size;
  }

  get queuedSize(): number {
    return this.#queued.size;
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Of a row that was found in the store; in ascending order. */
  load(id: number, isQueued: boolean): void {
    this.#ids.add(id);
    this.#nextId = id + 1;
    if (isQueued) this.#queued.add(id);
  }

  /** @param nowUs wall clock. @returns ids for so many new letters. */
  add(count: number, nowUs: number): number[] {
    const first = Math.max(this.#nextId, nowUs);
    const ids = Array.from({ length: count }, (_, at) => first + at);
    for (const id of ids) this.#ids.add(id);
    this.#nextId = first + count;
    return ids;
  }

  /** The oldest ones beyond `max`. */
  oldest(max: number): number[] {
    const oldest: number[] = [];
    for (const id of this.#ids) {
      if (this.#ids.size - oldest.length <= max) break;
      oldest.push(id);
    }
    return oldest;
  }

  delete(ids: readonly number[]): void {
    for (const id of ids) {
      this.#ids.delete(id);
      this.#queued.delete(id);
    }
  }

  /** After a commit that failed: letters that are still in the store. */
  restore(ids: readonly number[], queued: readonly number[] = []): void {
    this.#ids = new Set([...this.#ids, ...ids].toSorted((a, b) => a - b));
    for (const id of queued) this.#queued.add(id);
  }

  setQueued(ids: readonly number[], isQueued: boolean): void {
    for (const id of ids) {
      if (isQueued && this.#ids.has(id)) this.#queued.add(id);
      else this.#queued.delete(id);
    }
  }

  isQueued(id: number): boolean {
    return this.#queued.has(id);
  }

  /** The first `max` ids to be sent again. */
  queued(max: number): number[] {
    const ids: number[] = [];
    for (const id of this.#queued) {
      if (ids.length >= max) break;
      ids.push(id);
    }
    return ids;
  }
}
