/** Reads one entry of a bucket over HTTP: queries that survive what happens to connections and servers. */
import { ApiError } from '../errors/errors.ts';
import type { Answer } from '../client/answer.ts';
import type { InstanceClient } from '../client/instance-client.ts';
import {
  BATCH_WISH_SINCE,
  type BatchWish,
  type QueryFilter,
  type TimeRange,
} from '../client/query-body.ts';
import { HeadParser, type RecordHead } from '../client/record-heads.ts';
import { MAX_BATCH_HEADER_BYTES, MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';
import { Attempts } from './attempts.ts';
import type { BudgetLease } from './byte-budget.ts';
import { bytesOf, groupBySize, LARGE_RECORD_BYTES, narrowPage } from './pages.ts';
import { FAILURES_BEFORE_STEPPING, mayBeRecord, RecordReader } from './record-reader.ts';
import type { BucketContext, FailedRecord, Page } from './types.ts';

/**
 * A batch of 85 small records costs the server as much for itself as for its records; six of those at once cost it half.
 * The heads of the answers are for us alone, who have no limit on their lines.
 */
const LARGE_BATCHES: BatchWish = {
  maxRecords: 6 * MAX_BATCH_RECORDS,
  maxBytes: 2_000_000,
  maxHeaderBytes: MAX_BATCH_HEADER_BYTES,
};

const NO_CONTENT = 204;

/** Where a walk over a range is. */
interface Walk {
  readonly range: TimeRange;
  readonly filter: QueryFilter;
  /** A new query has to begin at the beginning again. */
  readonly isStateful: boolean;
  /** Everything before is done, µs. */
  nextUs: bigint;
  isDone: boolean;
  readonly attempts: Attempts;
}

export class BucketReader {
  readonly #context: BucketContext;
  readonly #entry: string;
  readonly #lease: BudgetLease | null;
  readonly #onFailed: (failed: FailedRecord) => void;
  readonly #records: RecordReader;
  readonly #parser: HeadParser = new HeadParser();

  /**
   * @param lease `null`: only lists.
   * @param onFailed told of each record that the server has and cannot give.
   */
  constructor(
    context: BucketContext,
    entry: string,
    lease: BudgetLease | null,
    onFailed: (failed: FailedRecord) => void,
  ) {
    this.#context = context;
    this.#entry = entry;
    this.#lease = lease;
    this.#records = new RecordReader(context, entry, lease);
    this.#onFailed = onFailed;
  }

  /** Heads of the records of a query, ascending. An entry that is not there has none. */
  async *list(
    range: TimeRange,
    filter: QueryFilter,
    isStateful = false,
  ): AsyncGenerator<RecordHead[]> {
    const walk = this.#newWalk(range, { ...filter, onlyMetadata: true }, isStateful);
    while (!walk.isDone) {
      try {
        for await (const { answer, heads } of this.#batches(walk, 'HEAD')) {
          await answer.discard();
          const exact = await this.#records.exactly(heads);
          this.#advance(walk, heads);
          if (exact.length > 0) yield exact;
        }
      } catch (error) {
        this.#context.client.mayAskForLargeBatches = false;
        await walk.attempts.failed(error, this.#context.side);
      }
    }
  }

  /** Records of a query with their contents, ascending. */
  async *stream(range: TimeRange, filter: QueryFilter, isStateful = false): AsyncGenerator<Page> {
    const walk = this.#newWalk(range, filter, isStateful);
    while (!walk.isDone) {
      try {
        yield* this.#pages(walk);
      } catch (error) {
        this.#context.client.mayAskForLargeBatches = false;
        await walk.attempts.failed(error, this.#context.side);
        if (walk.attempts.failures >= FAILURES_BEFORE_STEPPING && mayBeRecord(error)) {
          yield* this.#step(walk);
        }
      }
    }
  }

  /** One record by its timestamp, or why it cannot be read; `null` when it is gone. */
  readOne(head: RecordHead): Promise<Page | FailedRecord | null> {
    return this.#records.readOne(head);
  }

  /** Tells of a record that could not be read. Whoever reads several at once does so in the order of time. */
  report(outcome: Page | FailedRecord | null): Page | null {
    if (outcome === null || 'heads' in outcome) return outcome;
    this.#onFailed(outcome);
    return null;
  }

  #newWalk(range: TimeRange, filter: QueryFilter, isStateful: boolean): Walk {
    const { retry, signal } = this.#context;
    return {
      range,
      filter,
      isStateful,
      nextUs: range.startUs,
      isDone: range.startUs >= range.stopUs,
      attempts: new Attempts(retry, signal),
    };
  }

  /** One query to its end; each batch with what of it was not done before. */
  async *#batches(
    walk: Walk,
    method: 'GET' | 'HEAD',
  ): AsyncGenerator<{ readonly answer: Answer; readonly heads: RecordHead[] }> {
    const { client, bucket, ttlS } = this.#context;
    const batch = mayWish(client) ? { batch: LARGE_BATCHES } : {};
    const startUs = walk.isStateful ? walk.range.startUs : walk.nextUs;
    const range = { startUs, stopUs: walk.range.stopUs };
    let id: number;
    try {
      id = await client.startQuery(bucket, this.#entry, range, { ...walk.filter, ttlS, ...batch });
    } catch (error) {
      if (!isEntryMissing(error)) throw error;
      walk.isDone = true;
      return;
    }
    for (;;) {
      const answer = await client.readBatch(method, bucket, this.#entry, id);
      if (answer.status === NO_CONTENT) {
        await answer.discard();
        break;
      }
      yield { answer, heads: this.#parser.parse(answer.headers) };
      if (answer.headers['x-reduct-last'] === 'true') break;
    }
    walk.isDone = true;
  }

  async *#pages(walk: Walk): AsyncGenerator<Page> {
    for await (const { answer, heads } of this.#batches(walk, 'GET')) {
      let isRead = false;
      try {
        for (const group of groupBySize(heads)) {
          const end = answer.position + bytesOf(group);
          const page = await this.#readGroup(walk, answer, group);
          if (page !== null) yield page;
          await answer.skipTo(end);
          this.#advance(walk, group);
        }
        await answer.discard();
        isRead = true;
      } finally {
        if (!isRead) answer.abort(new DOMException('no longer wanted', 'AbortError'));
      }
    }
  }

  /** The next records of a body; `null` when they were done before. */
  async #readGroup(walk: Walk, answer: Answer, group: RecordHead[]): Promise<Page | null> {
    const bytes = bytesOf(group);
    const [only] = group;
    if (only !== undefined && only.lengthBytes > LARGE_RECORD_BYTES) {
      if (only.ts < walk.nextUs) return null;
      const heads = await this.#records.exactly(group);
      const page = { heads: group, content: this.#largeContent(only, answer), heldBytes: 0 };
      return heads.length === 0 ? null : { ...page, heads };
    }
    await this.#lease?.acquire(bytes);
    const content = await answer.take(bytes);
    const fresh = group.filter(({ ts }) => ts >= walk.nextUs);
    if (fresh.length === 0) {
      this.#lease?.release(bytes);
      return null;
    }
    const page = {
      heads: fresh,
      content: content.subarray(bytes - bytesOf(fresh)),
      heldBytes: bytes,
    };
    if (fresh.every(({ meta }) => meta.isExact)) return page;
    const exact = await this.#records.exactly(fresh);
    const known = new Map(exact.map((head) => [head.ts, head]));
    const narrow = narrowPage(
      page,
      fresh.filter(({ ts }) => known.has(ts)),
    );
    if (narrow === null) this.#lease?.release(bytes);
    return narrow === null ? null : { ...narrow, heads: exact };
  }

  /** The first time from the batch it came in, later times by its timestamp. */
  #largeContent(
    { ts, lengthBytes }: RecordHead,
    answer: Answer,
  ): { open(): AsyncIterable<Buffer> } {
    let isFirst = true;
    return {
      open: () => {
        if (!isFirst) return this.#records.openRecord(ts, lengthBytes);
        isFirst = false;
        return answer.stream(lengthBytes);
      },
    };
  }

  /** Reads the records at the place where a query fails one by one, so that one bad record stops nobody. */
  async *#step(walk: Walk): AsyncGenerator<Page> {
    const range = { startUs: walk.nextUs, stopUs: walk.range.stopUs };
    for await (const heads of this.list(range, walk.filter, walk.isStateful)) {
      for (const head of heads) {
        const page = this.report(await this.readOne(head));
        if (page !== null) yield page;
        this.#advance(walk, [head]);
      }
      return;
    }
    walk.isDone = true;
  }

  #advance(walk: Walk, heads: readonly RecordHead[]): void {
    const last = heads.at(-1);
    if (last === undefined || last.ts < walk.nextUs) return;
    walk.nextUs = last.ts + 1n;
    walk.attempts.progress();
  }
}

function mayWish({ apiVersion, mayAskForLargeBatches }: InstanceClient): boolean {
  return mayAskForLargeBatches && apiVersion !== null && apiVersion[1] >= BATCH_WISH_SINCE;
}

function isEntryMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.message.startsWith('Entry ');
}
