/** A batch of one entry that still takes records (see `batch-builder.ts`). */
import type { BlockView } from '../../store/block.ts';
import type { BatchLimits } from './batch.ts';
import type { MetaCache, MetaInfo } from './meta-cache.ts';
import {
  encodeRecordHeaders,
  joinRecordHeaders,
  MAX_LINE_BYTES,
  type RecordHeaders,
  type Run,
} from './record-headers.ts';

const EMPTY = Buffer.alloc(0);

export class OpenBatch {
  readonly kind: 'write' | 'update';
  readonly path: string;
  /** Header lines of updates; those of records are written when the batch is closed. */
  readonly lines: string[] = [];
  #runs: Run[] = [];
  count = 0;
  bytes = 0;
  /** Length of all record headers, at most. */
  headerBytes = 0;
  firstSequence: number = Number.MAX_SAFE_INTEGER;
  /** All contents so far are compressed already. */
  isCompressed = true;
  #highestTs = -1n;
  #isSorted = true;

  /** @param path by which all of it came here. */
  constructor(kind: 'write' | 'update', path: string) {
    this.kind = kind;
    this.path = path;
  }

  get lastView(): BlockView | undefined {
    return this.#runs.at(-1)?.view;
  }

  /** Whether a record of this length has to go into another batch. */
  isFull(limits: BatchLimits, lengthBytes: number): boolean {
    const { count, bytes } = this;
    return (
      count >= limits.maxRecords ||
      bytes >= limits.maxBytes ||
      this.headerBytes >= limits.maxHeaderBytes ||
      (count > 0 && lengthBytes > limits.maxBytes)
    );
  }

  /** Takes one more record of the run that `endRun` will name. */
  addRecord(lengthBytes: number, { tail, isCompressed }: MetaInfo): void {
    this.count++;
    this.bytes += lengthBytes;
    this.headerBytes += MAX_LINE_BYTES + tail.length;
    this.isCompressed &&= isCompressed;
  }

  addUpdate(line: string, sequence: number): void {
    this.count++;
    this.lines.push(line);
    this.headerBytes += line.length + 2;
    this.firstSequence = Math.min(this.firstSequence, sequence);
  }

  /** Says that the records added last are [from, to) of a block, which are ascending in time. */
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

  /** Targets slice the body in ascending order of time. Before `headers` and `body`. */
  sort(): void {
    if (this.#isSorted) return;
    const records = this.#runs.flatMap(({ view, from, to }) =>
      Array.from({ length: to - from }, (_, at) => ({
        view,
        at: from + at,
        ts: view.ts(from + at),
      })),
    );
    records.sort((a, b) => (a.ts < b.ts ? -1 : 1));
    this.#runs = records.map(({ view, at }) => ({ view, from: at, to: at + 1 }));
    this.#isSorted = true;
  }

  headers(metas: MetaCache): RecordHeaders {
    return this.kind === 'write'
      ? encodeRecordHeaders(this.#runs, metas)
      : joinRecordHeaders(this.lines);
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
