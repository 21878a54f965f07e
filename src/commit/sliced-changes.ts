/**
 * Label updates and removals as requests ask for them, in slices: each commit takes only so much that ingest does not
 * wait for it, and requests take turns, so a large one does not hold up a small one. Main thread only.
 */
import type { Entry } from '../catalog/model.ts';
import type { RemovalCause } from '../catalog/removal-causes.ts';
import { toErrorData, BugError, MillraceError, UnavailableError } from '../errors/errors.ts';
import type { ChangeErrors, LabelChange, RecordChanges, RecordSet } from './changes.ts';
import type { ChangeWork } from './change-work.ts';
import { LabelUpdates, RangeRemoval, RecordRemovals } from './change-work.ts';
import type { MutationSession } from './mutations.ts';

/** The part of the commit path that is needed. */
export interface Mutator {
  mutate(run: (session: MutationSession) => void): Promise<void>;
}

/**
 * What one commit may take: about what a group of records takes, too. A step may go beyond it by one block.
 */
const SLICE_MS = 3;
const SLICE_BYTES: number = 1024 * 1024;

/** Requests that may wait. They hold little more than their timestamps. */
const MAX_WAITING = 4096;

export class SlicedRecordChanges implements RecordChanges {
  readonly #mutator: Mutator;
  readonly #nowMs: () => number;
  #waiting: ChangeWork[] = [];
  #isRunning = false;

  /** @param nowMs a monotonic clock. */
  constructor(mutator: Mutator, nowMs: () => number) {
    this.#mutator = mutator;
    this.#nowMs = nowMs;
  }

  async update(changes: readonly LabelChange[]): Promise<ChangeErrors> {
    const work = new LabelUpdates(changes);
    if (changes.length > 0) await this.#execute(work);
    return work.errors;
  }

  async remove(records: RecordSet, cause?: RemovalCause): Promise<ChangeErrors> {
    const work = new RecordRemovals(records, cause);
    if (records.timestamps.length > 0) await this.#execute(work);
    return work.errors;
  }

  async removeRange(
    entry: Entry,
    fromTs: bigint,
    toTs: bigint,
    cause?: RemovalCause,
  ): Promise<number> {
    const work = new RangeRemoval(entry, fromTs, toTs, cause);
    if (fromTs < toTs) await this.#execute(work);
    return work.removed;
  }

  #execute(work: ChangeWork): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) {
      throw new UnavailableError('Too many changes of records are waiting');
    }
    this.#waiting.push(work);
    if (!this.#isRunning) {
      this.#isRunning = true;
      void this.#run();
    }
    return work.done;
  }

  /** Never rejects: failures go to the work they belong to. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const slice = new Slice();
      try {
        await this.#mutator.mutate((session) => this.#fill(slice, session));
        for (const [work, error] of slice.ended) work.end(error);
      } catch (error) {
        this.#fail(slice, error);
      }
    }
    this.#isRunning = false;
  }

  #fill(slice: Slice, session: MutationSession): void {
    const endMs = this.#nowMs() + SLICE_MS;
    do {
      const work = this.#waiting.shift();
      if (work === undefined) return;
      if (!slice.step(work, session)) this.#waiting.push(work);
    } while (this.#nowMs() < endMs && session.bytesRead < SLICE_BYTES);
  }

  /** The commit failed. One that was not even tried fails everything that waits. */
  #fail(slice: Slice, cause: unknown): void {
    const error =
      cause instanceof MillraceError
        ? cause
        : new UnavailableError('The change could not be stored', { cause });
    const failed = slice.touched.size === 0 ? new Set(this.#waiting) : slice.touched;
    this.#waiting = this.#waiting.filter((work) => !failed.has(work));
    for (const work of failed) work.end(error);
  }
}

/** What one commit took up. */
class Slice {
  readonly touched = new Set<ChangeWork>();
  readonly ended: [work: ChangeWork, error: MillraceError | null][] = [];

  /** @returns whether the work is over. */
  step(work: ChangeWork, session: MutationSession): boolean {
    this.touched.add(work);
    try {
      if (!work.step(session)) return false;
      this.ended.push([work, null]);
    } catch (error) {
      const known =
        error instanceof MillraceError ? error : new BugError(toErrorData(error).message);
      this.ended.push([work, known]);
    }
    return true;
  }
}
