/** Reads one entry of a bucket over HTTP: queries that survive what happens to connections and servers. */
import { ApiError, MillraceError } from '../errors/errors.ts';
import type { Answer } from '../client/answer.ts';
import { toApiError } from '../client/errors.ts';
import { entryPath, type InstanceClient } from '../client/instance-client.ts';
import {
  BATCH_WISH_SINCE,
  type BatchWish,
  type QueryFilter,
  type TimeRange,
} from '../client/query-body.ts';
import { HeadParser, type RecordHead, toHeadMeta } from '../client/record-heads.ts';
import { MAX_BATCH_HEADER_BYTES, MAX_BATCH_RECORDS } from '../replication/scan/batch.ts';
import { Attempts, describeError, type RetryOptions } from './attempts.ts';
import type { BudgetLease } from './byte-budget.ts';
import { bytesOf, narrowPage } from './pages.ts';
import { type FailedRecord, MAX_PAGE_BYTES, type Page } from './types.ts';

/** A record above this is streamed from one server to the other. */
export const LARGE_RECORD_BYTES: number = 4 * 1024 * 1024;

/** Failures in a row at one place, after which its records are tried one by one. */
const FAILURES_BEFORE_STEPPING = 2;

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
const LABEL_PREFIX = 'x-reduct-label-';

export interface ReaderContext {
  readonly client: InstanceClient;
  readonly bucket: string;
  /** For messages: `source 'factory/data'`. */
  readonly side: string;
  readonly retry: RetryOptions;
  /** Seconds that queries live between two reads. */
  readonly ttlS: number;
  readonly signal: AbortSignal;
}

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
  readonly #context: ReaderContext;
  readonly #entry: string;
  readonly #lease: BudgetLease | null;
  readonly #onFailed: (failed: FailedRecord) => void;
  readonly #parser: HeadParser = new HeadParser();

  /**
   * @param lease `null`: only lists.
   * @param onFailed told of each record that the server has and cannot give.
   */
  constructor(
    context: ReaderContext,
    entry: string,
    lease: BudgetLease | null,
    onFailed: (failed: FailedRecord) => void,
  ) {
    this.#context = context;
    this.#entry = entry;
    this.#lease = lease;
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
          const exact = await this.#exactly(heads);
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
  async readOne(head: RecordHead): Promise<Page | FailedRecord | null> {
    const attempts = new Attempts(this.#context.retry, this.#context.signal);
    for (;;) {
      try {
        return await this.#readOnce(head);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        if (mayBeRecord(error) && attempts.failures >= FAILURES_BEFORE_STEPPING) {
          return { entry: this.#entry, ts: head.ts, ...describeError(error) };
        }
        await attempts.failed(error, this.#context.side);
      }
    }
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
      const heads = await this.#exactly(group);
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
    const exact = await this.#exactly(fresh);
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
        if (!isFirst) return this.#openRecord(ts, lengthBytes);
        isFirst = false;
        return answer.stream(lengthBytes);
      },
    };
  }

  async *#openRecord(ts: bigint, lengthBytes: number): AsyncGenerator<Buffer> {
    const { client, bucket } = this.#context;
    const answer = await client.readRecord(bucket, this.#entry, ts);
    yield* answer.stream(lengthBytes);
    await answer.discard();
  }

  async #readOnce(head: RecordHead): Promise<Page> {
    const { client, bucket } = this.#context;
    const { ts, lengthBytes } = head;
    if (lengthBytes > LARGE_RECORD_BYTES) {
      const open = (): AsyncIterable<Buffer> => this.#openRecord(ts, lengthBytes);
      return { heads: [head], content: { open }, heldBytes: 0 };
    }
    await this.#lease?.acquire(lengthBytes);
    try {
      const answer = await client.readRecord(bucket, this.#entry, ts);
      const content = await answer.take(lengthBytes);
      await answer.discard();
      return { heads: [head], content, heldBytes: lengthBytes };
    } catch (error) {
      this.#lease?.release(lengthBytes);
      throw error;
    }
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

  /** Asks for type and labels of those records whose batch header cannot say; what is gone is left out. */
  async #exactly(heads: RecordHead[]): Promise<RecordHead[]> {
    if (heads.every(({ meta }) => meta.isExact)) return heads;
    const exact: RecordHead[] = [];
    for (const head of heads) {
      const known = head.meta.isExact ? head : await this.#askHead(head);
      if (known !== null) exact.push(known);
    }
    return exact;
  }

  async #askHead(head: RecordHead): Promise<RecordHead | null> {
    const { client, bucket } = this.#context;
    const { ts } = head;
    const answer = await client.open('HEAD', `${entryPath(bucket, this.#entry)}?ts=${ts}`);
    await answer.discard();
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw await toApiError(answer);
    const labels: string[] = [];
    for (const [name, value] of Object.entries(answer.headers)) {
      if (!name.startsWith(LABEL_PREFIX)) continue;
      labels.push(name.slice(LABEL_PREFIX.length), String(value));
    }
    const contentType = String(answer.headers['content-type'] ?? '');
    return { ...head, meta: toHeadMeta(contentType, labels) };
  }
}

function mayWish({ apiVersion, mayAskForLargeBatches }: InstanceClient): boolean {
  return mayAskForLargeBatches && apiVersion !== null && apiVersion[1] >= BATCH_WISH_SINCE;
}

/** Whether the server is there and fails with this place of its data. */
function mayBeRecord(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return isCut(error);
  return error.status >= 500 && error.status !== 503 && error.status !== 504;
}

/** Servers that notice it in the middle of a body can only break it off. */
function isCut(error: unknown): boolean {
  const { status } = describeError(error);
  return status === -6;
}

function isEntryMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.message.startsWith('Entry ');
}

/** Large records alone, others together; in order. */
function groupBySize(heads: RecordHead[]): RecordHead[][] {
  const groups: RecordHead[][] = [];
  let group: RecordHead[] = [];
  let bytes = 0;
  for (const head of heads) {
    const isLarge = head.lengthBytes > LARGE_RECORD_BYTES;
    if (group.length > 0 && (isLarge || bytes + head.lengthBytes > MAX_PAGE_BYTES)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(head);
    bytes += head.lengthBytes;
    if (isLarge) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
