/** Reads single records of one entry over HTTP: those that a query fails at, and what batch headers cannot say. */
import { ApiError, MillraceError } from '../errors/errors.ts';
import { toApiError } from '../client/errors.ts';
import { entryPath } from '../client/instance-client.ts';
import { type RecordHead, toHeadMeta } from '../client/record-heads.ts';
import { Attempts, describeError } from './attempts.ts';
import type { BudgetLease } from './byte-budget.ts';
import { LARGE_RECORD_BYTES } from './pages.ts';
import type { BucketContext, FailedRecord, Page } from './types.ts';

/** Failures in a row at one place, after which its records are tried one by one. */
export const FAILURES_BEFORE_STEPPING: number = 2;

const LABEL_PREFIX = 'x-reduct-label-';

export class RecordReader {
  readonly #context: BucketContext;
  readonly #entry: string;
  readonly #lease: BudgetLease | null;

  /** @param lease `null`: no contents are read. */
  constructor(context: BucketContext, entry: string, lease: BudgetLease | null) {
    this.#context = context;
    this.#entry = entry;
    this.#lease = lease;
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

  /** Content of a record piece by piece. */
  async *openRecord(ts: bigint, lengthBytes: number): AsyncGenerator<Buffer> {
    const { client, bucket } = this.#context;
    const answer = await client.readRecord(bucket, this.#entry, ts);
    yield* answer.stream(lengthBytes);
    await answer.discard();
  }

  /** Asks for type and labels of those records whose batch header cannot say; what is gone is left out. */
  async exactly(heads: RecordHead[]): Promise<RecordHead[]> {
    if (heads.every(({ meta }) => meta.isExact)) return heads;
    const exact: RecordHead[] = [];
    for (const head of heads) {
      const known = head.meta.isExact ? head : await this.#askHead(head);
      if (known !== null) exact.push(known);
    }
    return exact;
  }

  async #readOnce(head: RecordHead): Promise<Page> {
    const { client, bucket } = this.#context;
    const { ts, lengthBytes } = head;
    if (lengthBytes > LARGE_RECORD_BYTES) {
      const open = (): AsyncIterable<Buffer> => this.openRecord(ts, lengthBytes);
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

/** Whether the server is there and fails with this place of its data. */
export function mayBeRecord(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return isCut(error);
  return error.status >= 500 && error.status !== 503 && error.status !== 504;
}

/** Servers that notice it in the middle of a body can only break it off. */
function isCut(error: unknown): boolean {
  const { status } = describeError(error);
  return status === -6;
}
