/**
 * What jobs of a query found beyond the reads they ran for. The hand-over between threads costs more than most batches,
 * so a query that is read on and on is answered from here in between; and while it is, the next job runs already.
 *
 * A reader sees what a job of its own would have found: batches are handed out only while nothing has changed that such
 * a job could tell. Where the range of a query ends with what there was when it was made, that is any change but records
 * later than all their entry has. Where it does not, such records count as well: for several entries, which are merged
 * by time, all of them; for one entry only behind its last batch.
 */
import type { Bucket, Entry, EntryStats } from '../catalog/model.ts';
import type { AheadLimits, QueryJob, QueryProgress } from './job.ts';
import { bytesOfBatch } from './job.ts';
import type { ReadMemory, SpareMemory } from './read-memory.ts';

/** What one query holds ahead, see `AheadLimits.maxBytes`. */
const AHEAD_BYTES: number = 1024 * 1024;

/** A job looks ahead for one batch, then for three, and so on, as long as its reader takes them. */
const MAX_BATCHES = 11;
const MAX_SINGLE_RECORDS = 63;

/** After batches were found in vain, so many jobs look for nothing ahead. */
const PAUSE_JOBS = 16;

/** What decides whether a read can take a batch: how the records are written down. */
export type AheadForm = Pick<QueryJob, 'output' | 'withBody' | 'isInterleavingSafe'>;

/** State of the records before a job. */
interface Marks {
  readonly rewrites: number;
  /** Of a query over several entries. */
  readonly recordsWritten: number;
  /** Of a query over one entry. */
  readonly stats: EntryStats | undefined;
}

interface AheadBatch {
  readonly progress: QueryProgress;
  readonly bytes: number;
  readonly memory: SpareMemory;
  /** Before the job that found it. */
  readonly marks: Marks;
}

/** A job that looks ahead, from before it until `keep`. */
export interface AheadRun {
  readonly form: AheadForm;
  readonly limits: AheadLimits | undefined;
  readonly marks: Marks;
}

/** A job that runs while its query is read from what was found before. */
export interface AheadFetch extends AheadRun {
  readonly limits: AheadLimits;
  readonly cursor: Uint8Array;
}

export class ReadAhead {
  readonly #bucket: Bucket;
  readonly #entry: Entry | undefined;
  readonly #isOpenEnded: boolean;
  readonly #firstRewrites: number;
  readonly #recycle: (body: QueryProgress['body']) => void;
  #batches: AheadBatch[] = [];
  #bytes = 0;
  #form: AheadForm | undefined;
  /** The one under way, unless what it finds is of no use any more. */
  #fetch: AheadFetch | undefined;
  #fetched: Promise<void> | undefined;
  #nextBatches = 0;
  #pauseJobs = 0;
  #isClosed = false;

  /**
   * @param entry undefined for a query over several entries.
   * @param isOpenEnded the query may find records that are later than all its entries have now.
   * @param recycle takes back the bodies of batches that are not handed out.
   */
  constructor(
    bucket: Bucket,
    entry: Entry | undefined,
    isOpenEnded: boolean,
    recycle: (body: QueryProgress['body']) => void,
  ) {
    this.#recycle = recycle;
    this.#bucket = bucket;
    this.#entry = entry;
    this.#isOpenEnded = isOpenEnded;
    this.#firstRewrites = this.#marksNow().rewrites;
  }

  /** Settled when the fetch under way is over; undefined when there is none to wait for. */
  get fetched(): Promise<void> | undefined {
    return this.#fetched;
  }

  /** The next batch, which stays the next one until `shift`. Drops all when it may not be handed out. */
  peek(form: AheadForm): QueryProgress | undefined {
    const next = this.#batches[0];
    if (next === undefined) return undefined;
    if (this.#form !== undefined && isSameForm(form, this.#form) && this.#isCurrent(next)) {
      return next.progress;
    }
    this.#pauseJobs = PAUSE_JOBS;
    this.#nextBatches = 0;
    this.drop();
    return undefined;
  }

  /** The next batch was handed out. */
  shift(): void {
    const batch = this.#batches.shift();
    if (batch === undefined) return;
    this.#bytes -= batch.bytes;
    batch.memory.close();
  }

  /** Before the job of a read: how far it should look. */
  begin(form: AheadForm): AheadRun {
    const marks = this.#marksNow();
    if (this.#pauseJobs > 0) {
      this.#pauseJobs--;
      return { form, limits: undefined, marks };
    }
    const maxBatches = this.#nextBatches;
    this.#nextBatches = Math.min(2 * maxBatches + 1, mostBatches(form));
    const limits = { maxBatches, maxBytes: AHEAD_BYTES, isOnly: false };
    return { form, limits: maxBatches === 0 ? undefined : limits, marks };
  }

  /**
   * Behind a batch that was handed out: the job to run now, so that the reader finds more when it has taken the rest.
   * Undefined when there is none to be run, or not yet.
   */
  beginFetch(form: AheadForm): AheadFetch | undefined {
    const most = mostBatches(form);
    const last = this.#batches.at(-1);
    if (last === undefined || this.#fetch !== undefined || this.#nextBatches < most)
      return undefined;
    const { isDrained, isFinished, bodyBytes, cursor } = last.progress;
    const maxBatches = most - this.#batches.length;
    const maxBytes = AHEAD_BYTES - this.#bytes;
    const isWorthIt = 2 * maxBatches >= most && 2 * bodyBytes <= maxBytes;
    if (isDrained || isFinished || !isWorthIt) return undefined;
    const limits = { maxBatches, maxBytes, isOnly: true };
    return { form, limits, marks: this.#marksNow(), cursor };
  }

  /** @param run ends with `keep`, and then settles. */
  startFetch(fetch: AheadFetch, run: () => Promise<void>): void {
    this.#fetch = fetch;
    const over = run().finally(() => {
      if (this.#fetch === fetch) this.#endFetch();
    });
    this.#fetched = over;
  }

  /** Behind a job. Keeps what there is memory for. */
  keep(
    run: AheadRun,
    found: readonly QueryProgress[],
    readMemory: Pick<ReadMemory, 'holdSpare'>,
  ): void {
    const { form, marks, limits } = run;
    // What a fetch found goes on behind batches that may have been dropped meanwhile.
    const isWanted = limits?.isOnly !== true || this.#fetch === run;
    this.#form = isWanted ? form : this.#form;
    let isKeeping = isWanted && !this.#isClosed;
    for (const progress of found) {
      const bytes = bytesOfBatch(progress);
      const memory = isKeeping ? readMemory.holdSpare(bytes, () => this.drop()) : undefined;
      isKeeping = memory !== undefined;
      if (memory === undefined) {
        this.#recycle(progress.body);
        continue;
      }
      this.#batches.push({ progress, bytes, memory, marks });
      this.#bytes += bytes;
    }
  }

  /** Gives the memory back. The query goes on with a job from where its reader is. */
  drop(): void {
    this.#endFetch();
    const batches = this.#batches;
    this.#batches = [];
    this.#bytes = 0;
    for (const { memory, progress } of batches) {
      memory.close();
      this.#recycle(progress.body);
    }
  }

  /** The query is over: nothing is kept any more. */
  close(): void {
    this.#isClosed = true;
    this.drop();
  }

  #endFetch(): void {
    this.#fetch = undefined;
    this.#fetched = undefined;
  }

  #isCurrent({ marks, progress: { isDrained } }: AheadBatch): boolean {
    const now = this.#marksNow();
    const { rewrites, recordsWritten, stats } = marks;
    if (now.rewrites !== rewrites) return false;
    // An entry that has lost its latest records may get some in the range.
    if (!this.#isOpenEnded && rewrites === this.#firstRewrites) return true;
    if (this.#entry === undefined) return now.recordsWritten === recordsWritten;
    // Later records lie behind a batch that is full, but may belong to one that ended with the entry.
    return !isDrained || now.stats === stats;
  }

  #marksNow(): Marks {
    const { recordsWritten } = this.#bucket;
    const { rewrites } = this.#entry ?? this.#bucket;
    return { rewrites, recordsWritten, stats: this.#entry?.stats };
  }
}

function mostBatches({ output }: AheadForm): number {
  return output === 'record' ? MAX_SINGLE_RECORDS : MAX_BATCHES;
}

function isSameForm(a: AheadForm, b: AheadForm): boolean {
  return (
    a.output === b.output &&
    a.withBody === b.withBody &&
    a.isInterleavingSafe === b.isInterleavingSafe
  );
}
