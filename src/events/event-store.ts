/**
 * Writes events as records of the `$system` bucket, through the commit groups like any other record, so they are
 * durable, can be queried and are replicated. The bucket comes into being with the first event.
 *
 * What cannot be written (full disk, quota, stop) is lost and counted: an event is never worth a request.
 */
import type { BucketSettings, Entry } from '../catalog/model.ts';
import type { Ingest, WriteSink } from '../commit/types.ts';
import type { MillraceError } from '../errors/errors.ts';
import { ApiError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import { SYSTEM_BUCKET, eventEntryName } from './entry-name.ts';
import type { EventFamily, EventSink, SystemEvent } from './types.ts';
import { EVENT_FAMILIES } from './types.ts';

/** The part of the catalogue that is needed. */
export interface SystemCatalog {
  findBucket(name: string): { readonly isProvisioned: boolean } | undefined;
  provisionBucket(name: string, settingsFor: () => BucketSettings): Promise<void>;
  entryForWrite(bucketName: string, entryName: string): Entry;
}

export interface EventStoreOptions {
  readonly catalog: SystemCatalog;
  readonly ingest: Pick<Ingest, 'stage'>;
  readonly instanceName: string;
  readonly settings: BucketSettings;
  /** Its lines must not become events. */
  readonly logger: Logger;
}

/** `waiting`: more came while the bucket was being made than is kept. `refused`: the store did not take the record. */
export const LOSS_REASONS = ['waiting', 'refused', 'stopped'] as const;
export type LossReason = (typeof LOSS_REASONS)[number];

/** Events kept while the bucket is being made: one commit, usually. */
const MAX_WAITING = 4096;
/** After the bucket could not be made, events are lost for so long before the next attempt. */
const RETRY_BUCKET_MS = 5_000;
/** A record of this time exists: so many µs further on it is given up. */
const MAX_MOVES = 64;
/** Texts are cut where they come from clients; what is larger still has a token name without end. */
const MAX_CONTENT_BYTES = 64 * 1024;
const LOG_INTERVAL_MS = 30_000;

interface StagedEvent {
  readonly event: SystemEvent;
  readonly moves: number;
}

export class EventStore implements EventSink, WriteSink {
  readonly #options: EventStoreOptions;
  readonly #stored = new Map<EventFamily, number>(EVENT_FAMILIES.map((family) => [family, 0]));
  readonly #lost = new Map<LossReason, number>(LOSS_REASONS.map((reason) => [reason, 0]));
  /** By tag. */
  readonly #staged = new Map<number, StagedEvent>();
  #waiting: SystemEvent[] = [];
  #moving = 0;
  #nextTag = 0;
  #isMakingBucket = false;
  #nextAttemptMs = 0;
  #isClosed = false;

  constructor(options: EventStoreOptions) {
    this.#options = options;
  }

  /** Records stored since the start. */
  get stored(): ReadonlyMap<EventFamily, number> {
    return this.#stored;
  }

  /** Events lost since the start. */
  get lost(): ReadonlyMap<LossReason, number> {
    return this.#lost;
  }

  /** True when nothing waits for a bucket, a commit or another timestamp. */
  get isSettled(): boolean {
    return this.#waiting.length === 0 && this.#staged.size === 0 && this.#moving === 0;
  }

  emit(event: SystemEvent): void {
    if (this.#isClosed) this.#lose('stopped');
    else if (this.#isBucketReady()) this.#stage({ event, moves: 0 });
    else if (this.#waiting.length < MAX_WAITING) this.#wait(event);
    else this.#lose('waiting');
  }

  /** Puts the settings of a bucket in place that an earlier run has made. Rejects never. */
  async adopt(): Promise<void> {
    if (this.#options.catalog.findBucket(SYSTEM_BUCKET) !== undefined) await this.#makeBucket();
  }

  /** What comes from now on is lost. */
  close(): void {
    this.#isClosed = true;
  }

  onWritten(tag: number, error: MillraceError | null): void {
    const staged = this.#staged.get(tag);
    if (staged === undefined) return;
    this.#staged.delete(tag);
    const { event, moves } = staged;
    if (error === null) {
      this.#stored.set(event.family, (this.#stored.get(event.family) ?? 0) + 1);
      event.onStored?.();
    } else if (isTaken(error) && moves < MAX_MOVES) {
      this.#move(staged);
    } else {
      this.#refused(error);
    }
  }

  #isBucketReady(): boolean {
    return this.#options.catalog.findBucket(SYSTEM_BUCKET)?.isProvisioned === true;
  }

  #wait(event: SystemEvent): void {
    if (!this.#isMakingBucket && performance.now() < this.#nextAttemptMs) {
      this.#lose('waiting');
      return;
    }
    this.#waiting.push(event);
    if (!this.#isMakingBucket) void this.#makeBucket();
  }

  async #makeBucket(): Promise<void> {
    this.#isMakingBucket = true;
    try {
      const { catalog, settings } = this.#options;
      await catalog.provisionBucket(SYSTEM_BUCKET, () => settings);
    } catch (err) {
      this.#nextAttemptMs = performance.now() + RETRY_BUCKET_MS;
      this.#log({ err }, 'the bucket of system events cannot be made');
    }
    this.#isMakingBucket = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const event of waiting) {
      if (this.#isBucketReady()) this.#stage({ event, moves: 0 });
      else this.#lose('waiting');
    }
  }

  #stage(staged: StagedEvent): void {
    const { catalog, ingest, instanceName } = this.#options;
    const { event, moves } = staged;
    const timestampUs = event.timestampUs + moves;
    const status = String(event.status);
    const labels = ['status', status, ...(event.labels ?? [])];
    const body = { timestamp: timestampUs, instance: instanceName, status: event.status };
    const json = JSON.stringify({ ...body, message: event.message, ...event.fields });
    const content = Buffer.from(json);
    let entry: Entry;
    try {
      if (content.length > MAX_CONTENT_BYTES) throw new ApiError(422, 'The event is too large');
      const name = eventEntryName(event.family, instanceName, event.name);
      entry = catalog.entryForWrite(SYSTEM_BUCKET, name);
    } catch (error) {
      this.#refused(error);
      return;
    }
    const tag = this.#nextTag++;
    this.#staged.set(tag, staged);
    ingest.stage(entry, BigInt(timestampUs), 'application/json', labels, content, this, tag);
  }

  /** Not in the call that told of the refusal: a commit group is being taken apart there. */
  #move({ event, moves }: StagedEvent): void {
    this.#moving++;
    setImmediate(() => {
      this.#moving--;
      this.#stage({ event, moves: moves + 1 });
    });
  }

  #refused(err: unknown): void {
    this.#lose('refused');
    this.#log({ err }, 'a system event could not be stored');
  }

  #lose(reason: LossReason): void {
    this.#lost.set(reason, (this.#lost.get(reason) ?? 0) + 1);
  }

  #log(fields: { readonly err: unknown }, message: string): void {
    rateLimited(this.#options.logger, message, LOG_INTERVAL_MS).warn(fields, message);
  }
}

/** 409 is also the answer for an entry that is being removed. */
function isTaken(error: MillraceError): boolean {
  return error instanceof ApiError && error.status === 409 && error.message.endsWith('exists');
}
