/** Copies one entry: what is missing, in ascending order of time. */
import type { EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import { MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';
import { type Compared, compareLists, differenceOf } from './compare.ts';
import type { CopyTally } from './progress.ts';
import { bytesOf, readAhead } from './pages.ts';
import type { EntryPosition, PositionStep } from './position.ts';
import {
  CopyInterruptedError,
  type CopySink,
  type EntryReader,
  type FailedRecord,
  type ListedHead,
  MAX_PAGE_BYTES,
  type Page,
} from './types.ts';

/** Missing records that are collected before their contents are read. */
const FETCH_RECORDS: number = 8 * MAX_BATCH_RECORDS;

export interface EntryCopyOptions {
  readonly entry: string;
  readonly reader: EntryReader;
  readonly sink: CopySink;
  readonly range: TimeRange;
  /** Moves over what is copied. */
  readonly position: EntryPosition;
  /** Of the destination; `null` when it has no such entry. */
  readonly existing: Pick<EntryFigures, 'recordCount' | 'oldestUs' | 'latestUs'> | null;
  readonly tally: CopyTally;
  readonly release: (bytes: number) => void;
  readonly onFailed: (failed: FailedRecord) => void;
  readonly signal: AbortSignal;
}

/** A page and the step of the position that it is. */
interface Part extends Page {
  readonly step: PositionStep;
}

const NOTHING: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
};

export class EntryCopy {
  readonly #options: EntryCopyOptions;

  constructor(options: EntryCopyOptions) {
    this.#options = options;
  }

  /**
   * The part of the range where the destination has records, too, is compared first; behind it everything is missing.
   * @throws CopyInterruptedError, CopyStoppedError, or what made it impossible to go on with this entry.
   */
  async run(): Promise<void> {
    const { range } = this.#options;
    const listedEndUs = this.#listedEnd();
    const listed = { startUs: range.startUs, stopUs: listedEndUs };
    if (listedEndUs > range.startUs) await this.#write(this.#missing(listed));
    const rest = { startUs: listedEndUs, stopUs: range.stopUs };
    if (rest.startUs < rest.stopUs) await this.#write(this.#streamed(rest));
  }

  /** Counts what would be copied, without reading contents or writing anything. */
  async rehearse(): Promise<void> {
    const { entry, reader, sink, range, tally, existing } = this.#options;
    const there = existing === null ? NOTHING : sink.list(entry, range);
    for await (const compared of compareLists(reader.list(range), there)) {
      this.#checkSignal();
      this.#count(compared);
      tally.copiedRecords += compared.missing.length;
      tally.copiedBytes += bytesOf(compared.missing.map(({ head }) => head));
    }
  }

  /** Compares both sides; each difference is a failure. @returns records that are equal. */
  async verify(reader: EntryReader, range: TimeRange): Promise<number> {
    const { entry, sink, onFailed } = this.#options;
    let equal = 0;
    for await (const compared of compareLists(reader.list(range), sink.list(entry, range))) {
      this.#checkSignal();
      for (const { head } of compared.missing) {
        onFailed({ entry, ts: head.ts, status: 0, reason: 'missing at the destination' });
      }
      for (const pair of [...compared.taken, ...compared.present]) {
        const reason = differenceOf(pair);
        if (reason === null) equal++;
        else onFailed({ entry, ts: pair.source.ts, status: 0, reason });
      }
    }
    return equal;
  }

  /** Up to where both sides are listed. */
  #listedEnd(): bigint {
    const { reader, range, existing } = this.#options;
    if (reader.mustList) return range.stopUs;
    const { startUs, stopUs } = range;
    if (existing === null || existing.recordCount === 0 || reader.isComputed) return startUs;
    if (existing.latestUs < startUs || existing.oldestUs >= stopUs) return startUs;
    if (reader.isStateful || existing.latestUs >= stopUs) return stopUs;
    return existing.latestUs + 1n;
  }

  async #write(parts: AsyncIterable<Part>): Promise<void> {
    const { entry, sink, tally, release, onFailed, position } = this.#options;
    for await (const part of readAhead(parts)) {
      this.#checkSignal();
      const outcome = await sink.write(entry, part);
      release(part.heldBytes);
      tally.copiedRecords += outcome.copied;
      tally.copiedBytes += outcome.copiedBytes;
      tally.skippedRecords += outcome.skipped;
      for (const failed of outcome.failed) onFailed(failed);
      if (outcome.endedBy !== null) throw outcome.endedBy;
      position.done(part.step);
    }
  }

  async *#streamed(range: TimeRange): AsyncGenerator<Part> {
    const { reader, tally } = this.#options;
    for await (const part of this.#parts(reader.stream(range))) {
      tally.seenRecords += part.heads.length;
      yield part;
    }
  }

  async *#parts(pages: AsyncIterable<Page>): AsyncGenerator<Part> {
    for await (const page of pages) {
      const lastUs = page.heads.at(-1)?.ts ?? 0n;
      yield { ...page, step: this.#options.position.begin(lastUs + 1n) };
    }
  }

  async *#missing(range: TimeRange): AsyncGenerator<Part> {
    const { entry, reader, sink } = this.#options;
    let wanted: ListedHead[] = [];
    let comparedUs = range.startUs;
    for await (const compared of compareLists(reader.list(range), sink.list(entry, range))) {
      this.#checkSignal();
      this.#count(compared);
      wanted = wanted.concat(compared.missing);
      comparedUs = compared.endUs ?? comparedUs;
      if (wanted.length > 0 && !isEnough(wanted)) continue;
      yield* this.#fetched(wanted, comparedUs);
      wanted = [];
    }
    yield* this.#fetched(wanted, comparedUs);
  }

  /** What is not wanted of the records up to `comparedUs` is at the destination already. */
  async *#fetched(wanted: readonly ListedHead[], comparedUs: bigint): AsyncGenerator<Part> {
    const { reader, position } = this.#options;
    if (wanted.length > 0) yield* this.#parts(reader.fetch(wanted));
    position.done(position.begin(comparedUs));
  }

  #count({ missing, present, taken }: Compared): void {
    const { entry, tally, onFailed } = this.#options;
    tally.seenRecords += missing.length + present.length + taken.length;
    tally.skippedRecords += present.length;
    for (const pair of taken) {
      const reason = `another record is there: ${differenceOf(pair) ?? ''}`;
      onFailed({ entry, ts: pair.source.ts, status: 409, reason });
    }
  }

  #checkSignal(): void {
    if (this.#options.signal.aborted) throw new CopyInterruptedError('interrupted');
  }
}

function isEnough(wanted: readonly ListedHead[]): boolean {
  return (
    wanted.length >= FETCH_RECORDS || bytesOf(wanted.map(({ head }) => head)) >= 2 * MAX_PAGE_BYTES
  );
}
