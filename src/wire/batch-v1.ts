/** Record headers of batch protocol v1 (http-api-records §3.1): `x-reduct-time-<ts>: <length>,<type>[,<k>=<v>…]`. */
import { ApiError } from '../errors/errors.ts';
import { NO_LABELS } from '../store/labels.ts';
import type { Labels } from '../store/labels.ts';
import { isPrintableAscii, printableText } from './header-text.ts';
import { appendLabel, LabelCollector } from './label-list.ts';
import { parseByteCount, parseU64 } from './numbers.ts';

/** Prefix of a record header in requests and answers. */
export const BATCH_V1_PREFIX = 'x-reduct-time-';

export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** What the value of a record header says. */
export interface BatchV1Value {
  readonly lengthBytes: number;
  readonly contentType: string;
  readonly labels: Labels;
}

/**
 * Timestamp in µs from the name of a record header.
 * @param name lower-case, beginning with `BATCH_V1_PREFIX`.
 * @throws ApiError 422.
 */
export function parseBatchV1Name(name: string): bigint {
  const ts = parseU64(name.slice(BATCH_V1_PREFIX.length));
  if (ts !== undefined) return ts;
  throw new ApiError(422, `Invalid header '${name}': must be an unix timestamp in microseconds`);
}

/** A value that was parsed. */
interface KnownValue {
  readonly text: string;
  /** Behind the length. */
  readonly tail: string;
  readonly value: BatchV1Value;
}

/** Values that a parser remembers: machines go to and fro between a few states. */
const KNOWN_VALUES = 4;

/**
 * Parses values of one request. Sensors repeat their values, or all of them but the length, so what is behind the length is
 * decoded once per distinct neighbour, and equal neighbours share one `Labels` array.
 */
export class BatchV1Parser {
  readonly #known: KnownValue[] = [];
  /** Of `#known`: the one that is replaced next. */
  #oldest = 0;

  /** @throws ApiError 422 `Malformed header received: …`, `Invalid batched header`, `Invalid content length`. */
  parse(text: string): BatchV1Value {
    for (const known of this.#known) if (known.text === text) return known.value;
    if (!isPrintableAscii(text)) {
      throw new ApiError(422, 'Malformed header received: failed to convert header to a str');
    }
    const comma = text.indexOf(',');
    if (comma === -1) throw invalidHeader();
    const lengthBytes = parseByteCount(text.slice(0, comma).trim());
    if (lengthBytes === undefined) throw new ApiError(422, 'Invalid content length');
    const tail = text.slice(comma + 1);
    const similar = this.#known.find((known) => known.tail === tail);
    const { contentType, labels } = similar?.value ?? parseTail(tail);
    const value = { lengthBytes, contentType, labels };
    const at = similar === undefined ? this.#oldest : this.#known.indexOf(similar);
    if (similar === undefined) this.#oldest = (this.#oldest + 1) % KNOWN_VALUES;
    this.#known[at] = { text, tail, value };
    return value;
  }
}

function parseTail(text: string): Omit<BatchV1Value, 'lengthBytes'> {
  const comma = text.indexOf(',');
  const type = (comma === -1 ? text : text.slice(0, comma)).trim();
  return {
    contentType: type === '' ? DEFAULT_CONTENT_TYPE : type,
    labels: comma === -1 ? NO_LABELS : parseLabels(text, comma + 1),
  };
}

function parseLabels(text: string, from: number): Labels {
  const labels = new LabelCollector();
  let at = from;
  for (;;) {
    const equals = text.indexOf('=', at);
    if (equals === -1) return labels.finish();
    const name = text.slice(at, equals).trim();
    at = equals + 1;
    if (text[at] === '"') {
      const quote = text.indexOf('"', at + 1);
      if (quote === -1) throw invalidHeader();
      labels.set(name, text.slice(at + 1, quote).trim());
      at = quote + 1;
      while (text[at] === ',' || text[at] === ' ' || text[at] === '\t') at++;
    } else {
      const comma = text.indexOf(',', at);
      labels.set(name, text.slice(at, comma === -1 ? undefined : comma).trim());
      at = comma === -1 ? text.length : comma + 1;
    }
  }
}

function invalidHeader(): ApiError {
  return new ApiError(422, 'Invalid batched header');
}

/**
 * The part of a record header's value behind the length, with its leading comma: `,<type>[,<k>=<v>…]`, labels sorted
 * as text. Equal for all records with equal content type and labels, so a caller can keep it. Values that the format
 * cannot represent are emitted as they are; what cannot stand in a header at all becomes `?`.
 */
export function formatBatchV1Tail(contentType: string, labels: Labels): string {
  const pairs: string[] = [];
  for (let i = 0; i + 1 < labels.length; i += 2) {
    appendLabel(pairs, labels[i] ?? '', labels[i + 1] ?? '');
  }
  pairs.sort();
  return printableText(`,${contentType}${pairs.length === 0 ? '' : `,${pairs.join(',')}`}`);
}

/** A whole record header line, without CRLF. @param tail from `formatBatchV1Tail`. */
export function formatBatchV1Line(ts: bigint, lengthBytes: number, tail: string): string {
  return `${BATCH_V1_PREFIX}${ts}: ${lengthBytes}${tail}`;
}

/**
 * Whether a tail says without doubt what the record's content type and labels are. The format has no escapes, so a value
 * that begins with a quote, one that holds both a comma and a quote, and a content type with a comma read as something
 * else, or are cut; such a tail can only be told by its marks. A type like `a/b,c=d`, which no standard allows, has none.
 * @param tail as in `formatBatchV1Line`.
 */
export function isExactTail(tail: string): boolean {
  const comma = tail.indexOf(',', 1);
  if (comma === -1) return true;
  const labels = tail.slice(comma);
  // Quotes inside of one value can look like the end of that and the beginning of another: each has to have its use.
  const quoted = labels.split('="').length - 1;
  const quotes = quoted === 0 ? 0 : labels.split('"').length - 1;
  return quotes === 2 * quoted && EXACT_LABELS.test(labels);
}

/**
 * `,<name>=<value>` to the end: a name holds nothing that belongs into a content type; a value without quotes begins with
 * something else than a blank or a quote; one in quotes holds a comma, which is what it was quoted for, and no `=` behind
 * one, which would be the next label.
 */
const EXACT_LABELS =
  /^(?:,[^\s",=;][^",=;]*=(?:|[^\s",](?:[^,]*[^\s,])?|"(?=[^"]*,)(?![^"]*,[^"]*=)[^"\s](?:[^"]*[^"\s])?"))*$/;
