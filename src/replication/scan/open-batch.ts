/** A batch of one entry that still takes records (see `batch-builder.ts`). */
import type { BlockView } from '../../store/block.ts';
import { BLOCK, BLOCK_ROW } from '../../store/format.ts';
import { type BatchLimits, TIME_HEADER } from './batch.ts';

/** Consecutive records of one block. */
interface Run {
  readonly view: BlockView;
  readonly from: number;
  readonly to: number;
}

/** Name, colon, comma and line end around timestamp, length and tail. */
const HEADER_LINE_BYTES = TIME_HEADER.length + 4;

const EMPTY = Buffer.alloc(0);

export class OpenBatch {
  readonly kind: 'write' | 'update';
  headers: string[] = [];
  #runs: Run[] = [];
  bytes = 0;
  headerBytes = 0;
  firstSequence: number = Number.MAX_SAFE_INTEGER;
  #highestTs = -1n;
  #isSorted = true;

  constructor(kind: 'write' | 'update') {
    this.kind = kind;
  }

  get count(): number {
    return this.headers.length / 2;
  }

  get lastView(): BlockView | undefined {
    return this.#runs.at(-1)?.view;
  }

  /** Whether a record of this length has to go into another batch. */
  isFull(limits: BatchLimits, lengthBytes: number): boolean {
    const { headers, bytes } = this;
    return (
      headers.length >= limits.maxRecords * 2 ||
      bytes >= limits.maxBytes ||
      this.headerBytes >= limits.maxHeaderBytes ||
      (headers.length > 0 && lengthBytes > limits.maxBytes)
    );
  }

  /** Adds the header of a record. */
  addHeader(name: string, value: string): void {
    this.headers.push(name, value);
    this.headerBytes += name.length + value.length + HEADER_LINE_BYTES;
  }

  /** Says that the headers added last are those of records [from, to), which are ascending in time. */
  endRun(view: BlockView, from: number, to: number): void {
    if (from === to) return;
    const last = this.#runs.at(-1);
    if (last !== undefined && last.view === view && last.to === from) {
      this.#runs[this.#runs.length - 1] = { view, from: last.from, to };
    } else {
      this.#runs.push({ view, from, to });
    }
    if (view.ts(from) <= this.#highestTs) this.#isSorted = false;
    const highest = view.ts(to - 1);
    if (highest > this.#highestTs) this.#highestTs = highest;
    this.firstSequence = Math.min(this.firstSequence, view.sequence);
  }

  /** Whether a record with the timestamp of one of [from, to) is in the batch. */
  sharesTimestamp(view: BlockView, from: number, to: number): boolean {
    if (view.ts(from) > this.#highestTs) return false;
    const known = new Set<bigint>();
    for (const run of this.#runs) {
      for (let i = run.from; i < run.to; i++) known.add(run.view.ts(i));
    }
    for (let i = from; i < to; i++) {
      if (known.has(view.ts(i))) return true;
    }
    return false;
  }

  /** Targets slice the body in ascending order of time, whatever the order of the headers. */
  sort(): void {
    if (this.#isSorted) return;
    const records = this.#runs.flatMap(({ view, from, to }) =>
      Array.from({ length: to - from }, (_, at) => ({ view, at: from + at })),
    );
    const sorted = records.map(({ view, at }, index) => ({ view, at, index, ts: view.ts(at) }));
    sorted.sort((a, b) => (a.ts < b.ts ? -1 : 1));
    this.headers = sorted.flatMap(({ index }) => this.headers.slice(index * 2, index * 2 + 2));
    this.#runs = sorted.map(({ view, at }) => ({ view, from: at, to: at + 1 }));
    this.#isSorted = true;
  }

  /**
   * The contents one after the other.
   * @returns also the block that they share memory with, or undefined when they are a copy. They are shared when they are
   *   one piece of it and a good part of what this keeps alive.
   */
  body(): { readonly content: Buffer; readonly shared: BlockView | undefined } {
    const [only] = this.#runs;
    if (this.bytes === 0 || only === undefined) return { content: EMPTY, shared: undefined };
    if (this.#runs.length > 1) {
      return { content: Buffer.concat(this.#runs.map(contentOf), this.bytes), shared: undefined };
    }
    const content = contentOf(only);
    return this.bytes * 4 < only.view.bytes.length
      ? { content: Buffer.from(content), shared: undefined }
      : { content, shared: only.view };
  }
}

function contentOf({ view, from, to }: Run): Buffer {
  const end = to === view.recordCount ? view.bytes.length : view.payloadOffset(to);
  return view.bytes.subarray(view.payloadOffset(from), end);
}

/** `x-reduct-time-<ts>` of a record. Timestamps below 2^53 (the year 2255) need no bigint. */
export function timeHeader({ bytes }: BlockView, index: number): string {
  const at = BLOCK.headerBytes + index * BLOCK_ROW.bytes + BLOCK_ROW.timestamp;
  const high = bytes.readUInt32BE(at);
  if (high >= 0x20_0000) return `${TIME_HEADER}${bytes.readBigUInt64BE(at)}`;
  return `${TIME_HEADER}${high * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)}`;
}
