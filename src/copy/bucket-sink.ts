/** A bucket of a server as the destination of a copy: sends with the code of replication tasks. */
import { ApiError, BugError } from '../errors/errors.ts';
import type { BucketSettings, EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import type { RecordHead } from '../client/record-heads.ts';
import { backOff, NO_BACKOFF } from '../replication/backoff.ts';
import type { SliceFailure } from '../replication/messages.ts';
import {
  type Batch,
  MAX_BATCH_HEADER_BYTES,
  MAX_BATCH_RECORDS,
} from '../replication/scan/batch.ts';
import { encodePath } from '../replication/scan/entry-path.ts';
import { joinRecordHeaders, TIME_HEADER } from '../replication/scan/record-headers.ts';
import { BodyCompressor } from '../replication/transfer/compression.ts';
import type { RecordSource } from '../replication/transfer/record-source.ts';
import { RefusalMemory } from '../replication/transfer/refusal-memory.ts';
import type { SentBatch } from '../replication/transfer/send-result.ts';
import { KnownTarget } from '../replication/transfer/known-target.ts';
import { type SendCounter, Sender } from '../replication/transfer/sender.ts';
import { checkTarget } from '../replication/transfer/target-check.ts';
import type { DeadLetter } from '../replication/types.ts';
import { Attempts, isFirstContact } from './attempts.ts';
import { BucketReader } from './bucket-reader.ts';
import {
  type BucketContext,
  CopyInterruptedError,
  type CopySink,
  CopyStoppedError,
  type FailedRecord,
  type LargeContent,
  type Page,
  type WriteOutcome,
} from './types.ts';

/** Longest wait between two attempts, ms: somebody is watching. */
const MAX_WAIT_MS = 10_000;

/** Errors are told per record; per attempt they say nothing new. */
const NO_COUNTER: SendCounter = {
  countError: () => undefined,
  countCompressed: () => undefined,
  countLooped: () => undefined,
};

export class BucketSink implements CopySink {
  readonly #options: BucketContext;
  readonly #sender: Sender;
  readonly #large: Map<Batch, LargeContent> = new Map();
  readonly #entryIds: Map<string, number> = new Map();

  constructor(options: BucketContext) {
    const { client, bucket } = options;
    this.#options = options;
    const records: RecordSource = {
      readLarge: (batch) => this.#readLarge(batch),
      readFull: () => {
        throw new BugError('a copy sends no updates');
      },
    };
    this.#sender = new Sender({
      client: client.http,
      bucketName: bucket,
      records,
      isUpdateOnly: false,
      group: client.group,
      memory: new RefusalMemory(),
      compressor: new BodyCompressor(),
      known: new KnownTarget({ compression: 'none', ownPlace: null, leavesOutLoops: false }),
      counter: NO_COUNTER,
      // A taken timestamp is always looked at: it may be a record of somebody else.
      resendSequence: 0,
      nowMs: () => Date.now(),
    });
  }

  async prepare(settings: () => Promise<BucketSettings>): Promise<boolean> {
    const { client, bucket, retry, signal, side } = this.#options;
    const attempts = new Attempts(retry, signal);
    for (;;) {
      try {
        await client.bucketInfo(bucket);
        return false;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return this.#create(settings);
        if (isFirstContact(client, error)) throw error;
        await attempts.failed(error, side);
      }
    }
  }

  async entries(): Promise<ReadonlyMap<string, EntryFigures>> {
    const { entries } = await this.#options.client.bucketInfo(this.#options.bucket);
    return new Map(entries.map((entry) => [entry.name, entry]));
  }

  list(entry: string, range: TimeRange): AsyncIterable<readonly RecordHead[]> {
    // Listing reads no record, so none can fail.
    return new BucketReader(this.#options, entry, null, () => undefined).list(range, {});
  }

  async write(entry: string, page: Page): Promise<WriteOutcome> {
    let outcome: WriteOutcome = {
      copied: 0,
      copiedBytes: 0,
      skipped: 0,
      failed: [],
      endedBy: null,
    };
    for (const batch of this.#toBatches(entry, page)) {
      try {
        outcome = addSent(outcome, await this.#send(batch));
      } catch (endedBy) {
        return { ...outcome, endedBy };
      } finally {
        this.#large.delete(batch);
      }
    }
    return outcome;
  }

  async #create(settings: () => Promise<BucketSettings>): Promise<boolean> {
    const { client, bucket, side } = this.#options;
    try {
      await client.createBucket(bucket, await settings());
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 409) return false;
      throw new CopyStoppedError(`${side} is not there and cannot be created: ${error.message}`, {
        cause: error,
      });
    }
  }

  async #send(batch: Batch): Promise<SentBatch> {
    const { side, retry, signal, client, bucket } = this.#options;
    let backoff = NO_BACKOFF;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#sender.send(batch);
      if (outcome.kind === 'sent') return outcome;
      const { failure } = outcome;
      if (signal.aborted) throw new CopyInterruptedError('interrupted');
      if (failure.kind === 'auth' || attempt >= retry.attempts) throw stopped(side, failure);
      if (failure.kind === 'recheck') await checkTarget(client.http, bucket, true, client.group);
      const kind = failure.kind === 'lost' || failure.kind === 'unreachable' ? 'lost' : 'refused';
      const next = backOff(backoff, { kind, retryAfterMs: failure.retryAfterMs }, Math.random);
      backoff = next.state;
      const waitMs = Math.min(next.waitMs, MAX_WAIT_MS, retry.delayMs * attempt);
      await new Attempts(retry, signal).pause(waitMs);
    }
  }

  #toBatches(entry: string, { heads, content }: Page): Batch[] {
    if (!Buffer.isBuffer(content)) {
      const batch = this.#newBatch(entry, heads, { uploadId: 0, chunkBytes: 1 });
      this.#large.set(batch, content);
      return [batch];
    }
    const batches: Batch[] = [];
    let from = 0;
    let start = 0;
    while (from < heads.length) {
      const to = endOfBatch(heads, from);
      const part = heads.slice(from, to);
      const bytes = part.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      batches.push(this.#newBatch(entry, part, content.subarray(start, start + bytes)));
      from = to;
      start += bytes;
    }
    return batches;
  }

  #newBatch(entry: string, heads: readonly RecordHead[], body: Batch['body']): Batch {
    const [first] = heads;
    const isSingle = first !== undefined && first.meta.carrier !== 'batch';
    const lines = heads.map(
      ({ ts, lengthBytes, meta }) => `${TIME_HEADER}${ts}${meta.lineEnd.of(lengthBytes)}`,
    );
    let bodyBytes = 0;
    for (const { lengthBytes } of heads) bodyBytes += lengthBytes;
    return {
      ...joinRecordHeaders(lines),
      kind: 'write',
      entryId: this.#entryId(entry),
      entryName: entry,
      entryPath: encodePath(entry),
      recordCount: heads.length,
      bodyBytes,
      body,
      isCompressed: false,
      single: isSingle ? first.meta : undefined,
      isFollowUp: false,
      path: '',
      firstSequence: Number.MAX_SAFE_INTEGER,
    };
  }

  #entryId(entry: string): number {
    let id = this.#entryIds.get(entry);
    if (id === undefined) {
      id = this.#entryIds.size;
      this.#entryIds.set(entry, id);
    }
    return id;
  }

  #readLarge(batch: Batch): AsyncIterable<Buffer> {
    const content = this.#large.get(batch);
    if (content === undefined) throw new BugError('content of a large record is missing');
    return content.open();
  }
}

/** Records that batch headers cannot carry travel alone. */
function endOfBatch(heads: readonly RecordHead[], from: number): number {
  let headerBytes = 0;
  for (let at = from; at < heads.length; at++) {
    const meta = heads[at]?.meta;
    if (meta?.carrier !== 'batch') return at === from ? at + 1 : at;
    headerBytes += TIME_HEADER.length + 40 + meta.tail.length;
    const isFull = at - from >= MAX_BATCH_RECORDS || headerBytes > MAX_BATCH_HEADER_BYTES;
    if (isFull && at > from) return at;
  }
  return heads.length;
}

function stopped(side: string, { kind, key, message }: SliceFailure): Error {
  const text = `${side}: ${message}`;
  return kind === 'refused' && key > 0
    ? new ApiError(key, text)
    : new CopyStoppedError(kind === 'auth' ? `${text} (${key})` : text);
}

function addSent(outcome: WriteOutcome, sent: SentBatch): WriteOutcome {
  const { records, bytes, duplicates, deadLetters, conflicts } = sent;
  const failed = [...deadLetters.map(toFailed), ...conflicts.map(toFailed)];
  return {
    copied: outcome.copied + records - duplicates,
    copiedBytes: outcome.copiedBytes + bytes,
    skipped: outcome.skipped + duplicates,
    failed: failed.length === 0 ? outcome.failed : [...outcome.failed, ...failed],
    endedBy: null,
  };
}

function toFailed({ entryName, ts, status, message }: DeadLetter): FailedRecord {
  return { entry: entryName, ts, status, reason: message };
}
