/** Fills one batch up to its limits (http-api-records §4). */
import type { BlockView } from '../../store/block.ts';
import type { Labels } from '../../store/labels.ts';
import type { BatchLimits } from '../job.ts';

/**
 * Bytes of blocks that a batch may hold on to until its body is assembled. Only batches of many small records from
 * large blocks come near it, and only with raised limits.
 */
export const MAX_HELD_BLOCK_BYTES: number = 32 * 1024 * 1024;

/** A record that goes into the batch. */
export interface PickedRecord {
  readonly ordinal: number;
  readonly ts: bigint;
  readonly block: BlockView;
  readonly index: number;
  /** Of the whole record, also when it lies in chunks. */
  readonly lengthBytes: number;
  readonly contentType: string;
  /** As they are returned. */
  readonly labels: Labels;
}

/** The records of a batch in the order of headers and body. */
export interface BatchHeaders {
  readonly headerLines: string;
  readonly records: readonly PickedRecord[];
}

/** Header lines of one protocol. */
export interface BatchFormat {
  /** False when the batch has to end before this record. */
  canFollow(record: PickedRecord): boolean;
  /** Header bytes that the record adds, CRLF included, or an upper bound of them. */
  measure(record: PickedRecord): number;
  /** The record last measured belongs to the batch. */
  add(record: PickedRecord): void;
  finish(records: readonly PickedRecord[]): BatchHeaders;
}

export class BatchCollector {
  readonly records: PickedRecord[] = [];
  readonly #format: BatchFormat;
  readonly #limits: BatchLimits;
  readonly #limitsBody: boolean;
  readonly #mostBodyBytes: number;
  #metadataBytes = 0;
  #bodyBytes = 0;
  #heldBytes = 0;
  #isFull = false;
  #isTooLarge = false;

  /**
   * @param limitsBody false for HEAD: there is no body.
   * @param mostBodyBytes a body that would be larger is not wanted at all.
   */
  constructor(
    format: BatchFormat,
    limits: BatchLimits,
    limitsBody: boolean,
    mostBodyBytes: number = Number.POSITIVE_INFINITY,
  ) {
    this.#format = format;
    this.#limits = limits;
    this.#limitsBody = limitsBody;
    this.#mostBodyBytes = mostBodyBytes;
  }

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** The body became larger than it may be: the batch is of no use. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /**
   * Adds the record unless the batch has to end before it. Counts and body are checked after adding, so they may be
   * exceeded by one record; the header limit is what clients refuse, so only a batch of one record exceeds it.
   * @returns whether the record was added.
   */
  offer(record: PickedRecord): boolean {
    const { maxRecords, maxBodyBytes, maxMetadataBytes } = this.#limits;
    const metadataBytes = this.#metadataBytes + this.#format.measure(record);
    const isFirst = this.records.length === 0;
    if (!isFirst && (metadataBytes > maxMetadataBytes || !this.#format.canFollow(record))) {
      this.#isFull = true;
      return false;
    }
    const bodyBytes = this.#bodyBytes + record.lengthBytes;
    if (this.#limitsBody && bodyBytes > this.#mostBodyBytes) {
      this.#isTooLarge = true;
      return false;
    }
    this.#format.add(record);
    if (record.block !== this.records.at(-1)?.block) this.#heldBytes += record.block.bytes.length;
    this.records.push(record);
    this.#metadataBytes = metadataBytes;
    this.#bodyBytes = bodyBytes;
    this.#isFull =
      this.records.length >= maxRecords ||
      (this.#limitsBody && this.#bodyBytes > maxBodyBytes) ||
      this.#heldBytes > MAX_HELD_BLOCK_BYTES;
    return true;
  }

  finish(): BatchHeaders {
    return this.#format.finish(this.records);
  }
}
