/** Sources in order of what they may deliver next: a binary heap by (bound, rank of the entry's name). */
import type { EntrySource } from './entry-source.ts';

type Source = Pick<EntrySource, 'bound' | 'ordinal'>;

export class MergeQueue<T extends Source> {
  readonly #heap: T[];

  constructor(sources: readonly T[]) {
    this.#heap = [...sources];
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#siftDown(at);
  }

  /** The source whose next record comes first, if it has one at its bound. */
  get top(): T | undefined {
    return this.#heap[0];
  }

  /** The bound up to which the top may go on without asking again; undefined when it is alone. */
  get topLimit(): bigint | undefined {
    const left = this.#heap[1];
    const right = this.#heap[2];
    if (left === undefined || right === undefined) return left?.bound;
    return left.bound < right.bound ? left.bound : right.bound;
  }

  /** To be called when the bound of the top has risen. */
  sink(): void {
    this.#siftDown(0);
  }

  removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#siftDown(0);
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    const moved = heap[from];
    if (moved === undefined) return;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let smallest = left;
      if (right !== undefined && isBefore(right, left)) {
        smallest = right;
        child++;
      }
      if (!isBefore(smallest, moved)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = moved;
  }
}

function isBefore(a: Source, b: Source): boolean {
  const left = a.bound;
  const right = b.bound;
  return left < right || (left === right && a.ordinal < b.ordinal);
}
