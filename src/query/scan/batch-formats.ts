/** The header lines of both batch protocols, built record by record. */
import type { Labels } from '../../store/labels.ts';
import { formatBatchV1Line, formatBatchV1Tail } from '../../wire/batch-v1.ts';
import { formatBatchV2 } from '../../wire/batch-v2-format.ts';
import { encodeHeaderName } from '../../wire/percent.ts';
import type { BatchFormat, BatchHeaders, PickedRecord } from './batch-collector.ts';

const CRLF_BYTES = 2;

/** Single reads have no header lines of a batch. */
export class SingleRecordFormat implements BatchFormat {
  canFollow(): boolean {
    return false;
  }

  measure(): number {
    return 0;
  }

  add(): void {}

  finish(records: readonly PickedRecord[]): BatchHeaders {
    return { headerLines: '', records };
  }
}

/** What follows the length in the line of a record. */
interface Tail {
  readonly contentType: string;
  readonly text: string;
}

/** Protocol v1: one line per record, ascending timestamps. */
export class BatchV1Format implements BatchFormat {
  readonly #lines: string[] = [];
  #line = '';
  /** By the labels, which records share with others that have equal ones. */
  readonly #tails = new Map<Labels, Tail>();

  canFollow(): boolean {
    return true;
  }

  measure(record: PickedRecord): number {
    const { contentType, labels } = record;
    let tail = this.#tails.get(labels);
    if (tail?.contentType !== contentType) {
      tail = { contentType, text: formatBatchV1Tail(contentType, labels) };
      this.#tails.set(labels, tail);
    }
    this.#line = formatBatchV1Line(record.ts, record.lengthBytes, tail.text);
    return this.#line.length + CRLF_BYTES;
  }

  add(): void {
    this.#lines.push(this.#line);
  }

  finish(records: readonly PickedRecord[]): BatchHeaders {
    return { headerLines: this.#lines.join('\r\n'), records };
  }
}

/** `x-reduct-entries: `, `x-reduct-start-ts: <20 digits>`, `x-reduct-labels: ` with their ends. */
const V2_HEAD_BYTES = 100;
/** `x-reduct-<entry>-<delta>: <length>,,` and CRLF with the longest numbers. */
const V2_LINE_BYTES = 64;
/** Index, `=`, two quotes and a comma of a label; and a comma behind a name. */
const V2_LABEL_BYTES = 8;
const V2_NAME_BYTES = 1;

/** Protocol v2: records are delivered by time, and written by (entry, time). */
export class BatchV2Format implements BatchFormat {
  readonly #names: readonly string[];
  readonly #isInterleavingSafe: boolean;
  /** Entries of the batch in order of their first record, with their latest labels. */
  readonly #entries = new Map<number, Labels>();
  readonly #labelNames = new Set<string>();
  #latestOrdinal = -1;

  /** @param names of the plan, by ordinal. */
  constructor(names: readonly string[], isInterleavingSafe: boolean) {
    this.#names = names;
    this.#isInterleavingSafe = isInterleavingSafe;
  }

  canFollow({ ordinal }: PickedRecord): boolean {
    return (
      this.#isInterleavingSafe || ordinal === this.#latestOrdinal || !this.#entries.has(ordinal)
    );
  }

  /** An upper bound: all labels count whenever they are not the very ones of the entry's previous record. */
  measure({ ordinal, contentType, labels }: PickedRecord): number {
    const before = this.#entries.get(ordinal);
    let bytes = this.#entries.size === 0 ? V2_HEAD_BYTES : 0;
    if (before === undefined) {
      bytes += encodeHeaderName(this.#names[ordinal] ?? '').length + V2_NAME_BYTES;
    }
    bytes += V2_LINE_BYTES + contentType.length;
    if (labels === before) return bytes;
    for (let i = 0; i + 1 < labels.length; i += 2) {
      const name = labels[i] ?? '';
      bytes += V2_LABEL_BYTES + (labels[i + 1]?.length ?? 0);
      if (!this.#labelNames.has(name)) bytes += encodeHeaderName(name).length + V2_NAME_BYTES;
    }
    // Labels that the previous record had are removed one by one.
    return bytes + ((before?.length ?? 0) >> 1) * V2_LABEL_BYTES;
  }

  add({ ordinal, labels }: PickedRecord): void {
    this.#entries.set(ordinal, labels);
    this.#latestOrdinal = ordinal;
    for (let i = 0; i + 1 < labels.length; i += 2) this.#labelNames.add(labels[i] ?? '');
  }

  finish(records: readonly PickedRecord[]): BatchHeaders {
    const ordinals = [...this.#entries.keys()];
    const entryIndexes = new Map(ordinals.map((ordinal, index) => [ordinal, index]));
    const groups: PickedRecord[][] = ordinals.map(() => []);
    for (const record of records) groups[entryIndexes.get(record.ordinal) ?? 0]?.push(record);
    const ordered = groups.flat();
    const items = ordered.map(({ ordinal, ts, lengthBytes, contentType, labels }) => {
      const entryIndex = entryIndexes.get(ordinal) ?? 0;
      return { entryIndex, ts, lengthBytes, contentType, labels };
    });
    const names = ordinals.map((ordinal) => this.#names[ordinal] ?? '');
    return { headerLines: formatBatchV2(names, records[0]?.ts ?? 0n, items), records: ordered };
  }
}
