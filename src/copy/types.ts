/** What is copied, where from and where to. */
import type { BucketSettings, EntryFigures, InstanceClient } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import type { RecordHead } from '../client/record-heads.ts';
import type { RetryOptions } from './attempts.ts';
import type { BudgetLease } from './byte-budget.ts';

/** Records that go together in one batch, at most (http-api-records §7). */
export { MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';

/** Content of one batch, bytes; a larger record travels alone and never lies in memory. */
export const MAX_PAGE_BYTES = 8_000_000;

/** Content of a record that is too large for memory. */
export interface LargeContent {
  /** Reads it from the beginning, each time anew. Rejects when the source cannot give it. */
  open(): AsyncIterable<Buffer>;
}

/** Records of one entry in ascending order of time, with their contents one after the other. */
export interface Page {
  readonly heads: readonly RecordHead[];
  /** `LargeContent` only for a single record. */
  readonly content: Buffer | LargeContent;
  /** Of the budget, to be released when the page is written. */
  readonly heldBytes: number;
}

/** Which records of an entry are copied; all of them apply together (replication §2.4). */
export interface CopyFilter {
  readonly include: Readonly<Record<string, string>>;
  readonly exclude: Readonly<Record<string, string>>;
  /** From 1; `null` copies all. */
  readonly eachN: number | null;
  /** Seconds of record time; `null` copies all. */
  readonly eachS: number | null;
  /** JSON text of a condition. */
  readonly whenText: string | null;
  /** A condition that cannot be evaluated for a record is an error instead of a no. */
  readonly strict: boolean;
  /** Records of each entry, at most. */
  readonly limit: number | null;
  /** JSON text of the parameters of query extensions. */
  readonly extText: string | null;
}

export const NO_FILTER: CopyFilter = {
  include: {},
  exclude: {},
  eachN: null,
  eachS: null,
  whenText: null,
  strict: false,
  limit: null,
  extText: null,
};

/** A record that was not copied, and why. */
export interface FailedRecord {
  readonly entry: string;
  /** µs. */
  readonly ts: bigint;
  /** HTTP status, or a negative key of replication §6.2; 0 for a reason of our own. */
  readonly status: number;
  readonly reason: string;
}

/** A bucket of a server, to be read or written. */
export interface BucketContext {
  readonly client: InstanceClient;
  readonly bucket: string;
  /** For messages: `source 'factory/data'`. */
  readonly side: string;
  readonly retry: RetryOptions;
  /** Seconds that queries live between two reads. */
  readonly ttlS: number;
  /** No new attempts once it is aborted; what is under way ends. */
  readonly signal: AbortSignal;
}

export interface CopySource {
  /** Settings for a bucket that has to be created; empty for the defaults of its server. */
  settings(): Promise<BucketSettings>;
  /** Entries with records, without attachments. */
  entries(): Promise<readonly EntryFigures[]>;
  /** Reads one entry through a filter. */
  reader(entry: string, filter: CopyFilter, options: ReaderOptions): EntryReader;
}

export interface ReaderOptions {
  /** Contents that wait in memory are taken from it. */
  readonly lease: BudgetLease;
  /** Told of each record that is there and cannot be read. */
  readonly onFailed: (failed: FailedRecord) => void;
}

/** Reads the records of one entry that pass a filter. */
export interface EntryReader {
  /** The filter can only be applied to the list of the whole range, before any content is read. */
  readonly mustList: boolean;
  /** Parts of the range cannot be read on their own: what passes depends on all records before. */
  readonly isStateful: boolean;
  /** Contents differ from those that `fetch` would get: they are made by the query. */
  readonly isComputed: boolean;
  /** Heads of the records that pass, ascending. */
  list(range: TimeRange): AsyncIterable<readonly RecordHead[]>;
  /** The records that pass, ascending. Not with `mustList`. */
  stream(range: TimeRange): AsyncIterable<Page>;
  /** These very records, from a list of this reader. What is gone meanwhile is left out. */
  fetch(wanted: readonly ListedHead[]): AsyncIterable<Page>;
}

/** A head with its place in the list it is from; neighbours in the list have consecutive places. */
export interface ListedHead {
  readonly head: RecordHead;
  readonly place: number;
}

export interface CopySink {
  /** Makes sure that it exists. @returns whether it had to be created. */
  prepare(settings: () => Promise<BucketSettings>): Promise<boolean>;
  /** Entries that are there, by name. */
  entries(): Promise<ReadonlyMap<string, EntryFigures>>;
  /** Heads of what is there, ascending; nothing for an entry that is not there. */
  list(entry: string, range: TimeRange): AsyncIterable<readonly RecordHead[]>;
  /** Resolves when every record of the page is at its place, or known not to go there, or `endedBy` says why not. */
  write(entry: string, page: Page): Promise<WriteOutcome>;
}

export interface WriteOutcome {
  readonly copied: number;
  readonly copiedBytes: number;
  /** There already, with the same size. */
  readonly skipped: number;
  readonly failed: readonly FailedRecord[];
  /** Why the rest of the page was not written and no other page can be; `null`: all of it was tried. */
  readonly endedBy: unknown;
}

/** The run cannot go on: nobody answers, or a token does not do. */
export class CopyStoppedError extends Error {
  override readonly name = 'CopyStoppedError';
}

/** The caller wants no more. */
export class CopyInterruptedError extends Error {
  override readonly name = 'CopyInterruptedError';
}
