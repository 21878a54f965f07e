/** One request's changes, step by step. A step is small enough for a turn of the event loop; commits hold many. */
import { recordMissing } from '../catalog/entry-errors.ts';
import type { Entry } from '../catalog/model.ts';
import type { RemovalCause } from '../catalog/removal-causes.ts';
import type { MillraceError } from '../errors/errors.ts';
import type { LabelChange, RecordSet } from './changes.ts';
import { applyOperations } from './label-operations.ts';
import type { MutationSession } from './mutations.ts';
import { deletingRefusal } from './refusal.ts';

/** Records of a step that lie anywhere, and of one whose records lie in one block. */
const STEP_RECORDS = 8;
const STEP_BLOCK_RECORDS = 512;
/** Runs of a step of a range; those that go as a whole are not read. */
const STEP_RUNS = 64;
const STEP_BYTES: number = 512 * 1024;

export abstract class ChangeWork {
  readonly done: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: MillraceError) => void = () => undefined;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** @returns whether nothing is left to do. */
  abstract step(session: MutationSession): boolean;

  /** Called once, after the last commit, or when one failed. */
  end(error: MillraceError | null): void {
    if (error === null) this.#resolve();
    else this.#reject(error);
  }
}

export class LabelUpdates extends ChangeWork {
  readonly errors: (MillraceError | null)[] = [];
  readonly #changes: readonly LabelChange[];

  constructor(changes: readonly LabelChange[]) {
    super();
    this.#changes = changes;
  }

  step(session: MutationSession): boolean {
    const from = this.errors.length;
    for (const change of this.#changes.slice(from, from + STEP_RECORDS)) {
      this.errors.push(update(session, change));
    }
    return this.errors.length === this.#changes.length;
  }
}

function update(session: MutationSession, change: LabelChange): MillraceError | null {
  const { entry, ts, operations, path } = change;
  const refusal = deletingRefusal(entry);
  if (refusal !== null) return refusal;
  const found = session.find(entry, ts);
  if (found === undefined) return recordMissing(entry, ts);
  const { labels } = session.metaOf(found);
  const changed = applyOperations(labels, operations);
  if (changed !== labels) session.replaceLabels(entry, found, changed, path);
  return null;
}

export class RecordRemovals extends ChangeWork {
  readonly errors: (MillraceError | null)[] = [];
  readonly #records: RecordSet;
  readonly #cause: RemovalCause;

  constructor(records: RecordSet, cause: RemovalCause = 'record_removed') {
    super();
    this.#records = records;
    this.#cause = cause;
  }

  step(session: MutationSession): boolean {
    const { entry, timestamps, sequences } = this.#records;
    const from = this.errors.length;
    const to = this.#stepEnd(from);
    const part = timestamps.subarray(from, to);
    const refusal = deletingRefusal(entry);
    const places = sequences?.subarray(from, to);
    session.cause = this.#cause;
    const removed = refusal === null ? session.removeRecords(entry, part, places) : undefined;
    for (const [i, ts] of part.entries()) {
      this.errors.push(refusal ?? (removed?.[i] === 1 ? null : recordMissing(entry, ts)));
    }
    return to === timestamps.length;
  }

  /** Where the records that are known to lie in one block end. */
  #stepEnd(from: number): number {
    const { timestamps, sequences } = this.#records;
    if (sequences === undefined) return Math.min(from + STEP_RECORDS, timestamps.length);
    const limit = Math.min(from + STEP_BLOCK_RECORDS, timestamps.length);
    let to = from + 1;
    while (to < limit && sequences[to] === sequences[from]) to++;
    return to;
  }
}

export class RangeRemoval extends ChangeWork {
  removed = 0;
  readonly #entry: Entry;
  readonly #toTs: bigint;
  #fromTs: bigint;
  #isContinued = false;
  readonly #cause: RemovalCause;

  constructor(entry: Entry, fromTs: bigint, toTs: bigint, cause: RemovalCause = 'record_removed') {
    super();
    this.#cause = cause;
    this.#entry = entry;
    this.#fromTs = fromTs;
    this.#toTs = toTs;
  }

  step(session: MutationSession): boolean {
    const refusal = deletingRefusal(this.#entry);
    if (refusal !== null) throw refusal;
    const maxBytes = session.bytesRead + STEP_BYTES;
    session.cause = this.#cause;
    const slice = session.removeSlice(
      this.#entry,
      this.#fromTs,
      this.#toTs,
      this.#isContinued,
      STEP_RUNS,
      maxBytes,
    );
    this.removed += slice.removed;
    if (slice.nextTs === undefined) return true;
    this.#fromTs = slice.nextTs;
    this.#isContinued = true;
    return false;
  }
}
