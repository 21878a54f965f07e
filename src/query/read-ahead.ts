/**
 * What the job of a query found beyond the read it ran for. The hand-over between threads costs more than most batches,
 * so a query that is read on and on is answered from here in between.
 *
 * A reader sees what a job of its own would have found: batches are handed out only while nothing has changed that such
 * a job could tell. For one entry that is any change but records later than all it has; for several entries, whose
 * records are merged by time, any change of the bucket.
 */
import type { Bucket, Entry, EntryStats } from '../catalog/model.ts';
import type { AheadLimits, QueryJob, QueryProgress } from './job.ts';
import { bytesOfBatch } from './job.ts';
import type { ReadMemory, SpareMemory } from './read-memory.ts';

/** Headers, bodies and cursors that one query holds ahead, exceeded by one batch at most. */
export const AHEAD_BYTES: number = 1024 * 1024;

/** A job looks ahead for one batch, then for three, and so on, as long as its reader takes them. */
const MAX_BATCHES = 7;
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
  readonly memory: SpareMemory;
}

export class ReadAhead {
  readonly #bucket: Bucket;
  readonly #entry: Entry | undefined;
  readonly #recycle: (body: QueryProgress['body']) => void;
  #batches: AheadBatch[] = [];
  #form: AheadForm | undefined;
  #marks: Marks;
  #nextBatches = 0;
  #pauseJobs = 0;
  #isClosed = false;

  /**
   * @param entry undefined for a query over several entries.
   * @param recycle takes back the bodies of batches that are not handed out.
   */
  constructor(
    bucket: Bucket,
    entry: Entry | undefined,
    recycle: (body: QueryProgress['body']) => void,
  ) {
    this.#recycle = recycle;
    this.#bucket = bucket;
    this.#entry = entry;
    this.#marks = this.#marksNow();
  }

  /** The next batch, which stays the next one until `shift`. Drops all when it may not be handed out. */
  peek(form: AheadForm): QueryProgress | undefined {
    const next = this.#batches[0]?.progress;
    if (next === undefined) return undefined;
    if (this.#form !== undefined && isSameForm(form, this.#form) && this.#isCurrent(next)) {
      return next;
    }
    this.#pauseJobs = PAUSE_JOBS;
    this.#nextBatches = 0;
    this.drop();
    return undefined;
  }

  /** The next batch was handed out. */
  shift(): void {
    this.#batches.shift()?.memory.close();
  }

  /** Before a job: how far it should look. Undefined when it should not. */
  begin({ output }: AheadForm): AheadLimits | undefined {
    this.#marks = this.#marksNow();
    if (this.#pauseJobs > 0) {
      this.#pauseJobs--;
      return undefined;
    }
    const maxBatches = this.#nextBatches;
    const most = output === 'record' ? MAX_SINGLE_RECORDS : MAX_BATCHES;
    this.#nextBatches = Math.min(2 * maxBatches + 1, most);
    return maxBatches === 0 ? undefined : { maxBatches, maxBytes: AHEAD_BYTES };
  }

  /** Behind that job. Keeps what there is memory for. */
  keep(
    form: AheadForm,
    found: readonly QueryProgress[],
    readMemory: Pick<ReadMemory, 'holdSpare'>,
  ): void {
    this.#form = form;
    let isKeeping = !this.#isClosed;
    for (const progress of found) {
      const memory = isKeeping
        ? readMemory.holdSpare(bytesOfBatch(progress), () => this.drop())
        : undefined;
      isKeeping = memory !== undefined;
      if (memory === undefined) this.#recycle(progress.body);
      else this.#batches.push({ progress, memory });
    }
  }

  /** Gives the memory back. The query goes on with a job from where its reader is. */
  drop(): void {
    const batches = this.#batches;
    this.#batches = [];
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

  #isCurrent({ isDrained }: QueryProgress): boolean {
    const now = this.#marksNow();
    const { rewrites, recordsWritten, stats } = this.#marks;
    if (now.rewrites !== rewrites) return false;
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

function isSameForm(a: AheadForm, b: AheadForm): boolean {
  return (
    a.output === b.output &&
    a.withBody === b.withBody &&
    a.isInterleavingSafe === b.isInterleavingSafe
  );
}
