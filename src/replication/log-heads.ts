/** Where the log ends, as a whole and for each bucket; told by the commit path. */
import { HeadMarks } from './head-marks.ts';

export class LogHeads {
  /** Head after the last commit into a bucket. */
  readonly #last: Map<number, number> = new Map();
  /** Head before the first commit into a bucket since the start. */
  readonly #first: Map<number, number> = new Map();
  readonly #startSequence: number;
  readonly #marks: HeadMarks;
  readonly #nowMs: () => number;
  #head: number;

  /** @param head sequence that the next block will get. @param nowMs monotonic. */
  constructor(head: number, nowMs: () => number) {
    this.#head = head;
    this.#startSequence = head;
    this.#nowMs = nowMs;
    this.#marks = new HeadMarks(head, nowMs());
  }

  get head(): number {
    return this.#head;
  }

  /** @returns the head before this commit. */
  commit(head: number, buckets: ReadonlySet<number>): number {
    const before = this.#head;
    this.#head = head;
    if (buckets.size > 0) this.#marks.add(head, this.#nowMs());
    for (const bucketId of buckets) {
      if (!this.#last.has(bucketId)) this.#first.set(bucketId, before);
      this.#last.set(bucketId, head);
    }
    return before;
  }

  /** Behind this sequence there is nothing of the bucket. What was committed before the start is not known by bucket. */
  lastOf(bucketId: number): number {
    return this.#last.get(bucketId) ?? this.#startSequence;
  }

  /** For a bucket that began after the start, nothing of it lies before this sequence; else infinite. */
  firstOf(bucketId: number): number {
    return this.#first.get(bucketId) ?? Number.POSITIVE_INFINITY;
  }

  /** For how long the block at `sequence` has been there, in ms. */
  ageMs(sequence: number): number {
    return this.#marks.ageMs(sequence, this.#nowMs());
  }
}
