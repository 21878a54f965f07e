/** Records of a batch read as its headers describe them (http-api-records §4). */
import { ApiError } from '../errors/errors.ts';
import type { AnswerHeaders } from '../replication/answer-headers.ts';
import { isCompressedType } from '../replication/content-types.ts';
import {
  type Carrier,
  carrierOf,
  isRemovalOf,
  type MetaInfo,
} from '../replication/scan/meta-cache.ts';
import { LineEnd } from '../replication/scan/line-end.ts';
import { BATCH_V1_PREFIX, BatchV1Parser, isExactTail } from '../wire/batch-v1.ts';
import { parseByteCount } from '../wire/numbers.ts';

/** Content type and labels, shared by the records that have them in common. */
export interface HeadMeta extends MetaInfo {
  /** False: the header does not say for sure what type and labels are, because the format cannot express all values. */
  readonly isExact: boolean;
}

/** Everything of a record but its content. */
export interface RecordHead {
  /** µs. */
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly meta: HeadMeta;
}

/** Distinct metas kept; policy when full: `forget_all`. */
const MAX_METAS = 1024;

/** Reads headers of any number of answers; equal content types and labels give the identical meta, mostly. */
export class HeadParser {
  readonly #parser: BatchV1Parser = new BatchV1Parser();
  readonly #known: Map<string, HeadMeta> = new Map();
  #lastTail: string | undefined;
  #lastMeta: HeadMeta = toHeadMeta('', []);

  /** In ascending order of time, which is that of the body. @throws ApiError 422 for headers that cannot be read. */
  parse(headers: AnswerHeaders): RecordHead[] {
    const heads: RecordHead[] = [];
    let isSorted = true;
    let last = -1n;
    for (const name in headers) {
      if (!name.startsWith(BATCH_V1_PREFIX)) continue;
      const value = headers[name];
      const head = this.#parseLine(name, typeof value === 'string' ? value : (value?.[0] ?? ''));
      if (head.ts <= last) isSorted = false;
      last = head.ts;
      heads.push(head);
    }
    return isSorted ? heads : heads.toSorted((a, b) => (a.ts < b.ts ? -1 : 1));
  }

  #parseLine(name: string, value: string): RecordHead {
    const ts = BigInt(name.slice(BATCH_V1_PREFIX.length));
    const comma = value.indexOf(',');
    if (comma === -1) throw new ApiError(422, 'Invalid batched header');
    const lengthBytes = parseByteCount(value.slice(0, comma).trim());
    if (lengthBytes === undefined) throw new ApiError(422, 'Invalid content length');
    const tail = value.slice(comma);
    if (tail !== this.#lastTail) {
      this.#lastMeta = this.#metaOf(tail, value);
      this.#lastTail = tail;
    }
    return { ts, lengthBytes, meta: this.#lastMeta };
  }

  #metaOf(tail: string, value: string): HeadMeta {
    let meta = this.#known.get(tail);
    if (meta === undefined) {
      if (isExactTail(tail)) {
        const { contentType, labels } = this.#parser.parse(value);
        meta = toHeadMeta(contentType, withoutComputed(labels));
      } else {
        meta = UNKNOWN_META;
      }
      if (this.#known.size >= MAX_METAS) this.#known.clear();
      this.#known.set(tail, meta);
    }
    return meta;
  }
}

/** Of content type and labels that are known for sure. */
export function toHeadMeta(contentType: string, labels: readonly string[]): HeadMeta {
  return newHeadMeta(contentType, labels, true);
}

/** @param isExact see `HeadMeta`. */
export function newHeadMeta(
  contentType: string,
  labels: readonly string[],
  isExact: boolean,
): HeadMeta {
  return new OwnMeta(contentType, labels, isExact);
}

/** Some sources give each record labels of its own, so it is small, and what only tasks need is found out when they ask. */
class OwnMeta implements HeadMeta {
  readonly contentType: string;
  readonly labels: readonly string[];
  readonly isExact: boolean;
  readonly carrier: Carrier;
  readonly tail: string;
  readonly lineEnd: LineEnd;
  readonly refusal: string;

  constructor(contentType: string, labels: readonly string[], isExact: boolean) {
    const { carrier, tail, refusal } = carrierOf(contentType, labels);
    this.contentType = contentType;
    this.labels = labels;
    this.isExact = isExact;
    this.carrier = carrier;
    this.tail = tail;
    this.lineEnd = new LineEnd(tail);
    this.refusal = refusal;
  }

  get writtenLabels(): readonly string[] {
    return this.labels;
  }

  get isRemoval(): boolean {
    return isRemovalOf(this.labels);
  }

  get isCompressed(): boolean {
    return isCompressedType(this.contentType);
  }

  /** Copies tell no path. */
  get path(): string {
    return '';
  }
}

const UNKNOWN_META: HeadMeta = newHeadMeta('', [], false);

/** Labels that the query computed (`@name`) are no part of the record. */
function withoutComputed(labels: readonly string[]): readonly string[] {
  if (!labels.some((text, at) => at % 2 === 0 && text.startsWith('@'))) return labels;
  return labels.filter((_, at) => !(labels[at - (at % 2)] ?? '').startsWith('@'));
}
