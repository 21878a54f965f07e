/**
 * Request headers of the multi-entry batch protocol v2 (http-api-records §6.1). Records name their entry by index and
 * carry only what differs from the previous record of the same entry, so they are parsed in (entry index, delta) order.
 */
import { ApiError } from '../errors/errors.ts';
import { NO_LABELS } from '../store/labels.ts';
import type { Labels } from '../store/labels.ts';
import { U64_MAX } from '../store/format.ts';
import { isPrintableAscii } from './header-text.ts';
import { invalidBatchedHeader, LabelDeltas } from './label-deltas.ts';
import type { EmptyValues } from './label-deltas.ts';
import { DEFAULT_CONTENT_TYPE } from './batch-v1.ts';
import { parseByteCount, parseU64 } from './numbers.ts';
import { percentDecode, PercentSyntaxError } from './percent.ts';

export const BATCH_V2_PREFIX = 'x-reduct-';

/** The headers of one request as they arrived; names in lower case. */
export interface BatchV2Headers {
  /** `x-reduct-entries`, undefined when absent. */
  readonly entries: string | undefined;
  /** `x-reduct-start-ts`. */
  readonly startTs: string | undefined;
  /** `x-reduct-labels`. */
  readonly labels: string | undefined;
  /** Every other header whose name begins with `x-reduct-`: name, value, name, value, … */
  readonly others: readonly string[];
}

export interface BatchV2Record {
  readonly entryIndex: number;
  readonly deltaUs: bigint;
  readonly ts: bigint;
  readonly lengthBytes: number;
  readonly contentType: string;
  readonly labels: Labels;
}

export interface BatchV2Request {
  readonly entryNames: readonly string[];
  readonly startTs: bigint;
  /** By (entry index, delta), the order of contents in the body. */
  readonly records: readonly BatchV2Record[];
}

interface RecordHeader {
  readonly entryIndex: number;
  readonly deltaUs: bigint;
  readonly name: string;
  readonly value: string;
}

/**
 * Checks in the order of §6.4: entries, start-ts, record headers.
 * @throws ApiError 422 with the texts of §6.1.
 */
export function parseBatchV2(headers: BatchV2Headers): BatchV2Request {
  return parseRequest(headers, 'absent');
}

/**
 * Updates of labels (§6.5): the labels of a record are its operations, where an empty value removes a label. They hold
 * those of the records of the same entry before it.
 * @throws ApiError 422 with the texts of §6.1.
 */
export function parseBatchV2Updates(headers: BatchV2Headers): BatchV2Request {
  return parseRequest(headers, 'removed');
}

/** A record that a request only names. */
export type BatchV2Key = Pick<BatchV2Record, 'entryIndex' | 'deltaUs' | 'ts'>;

export interface BatchV2Keys {
  readonly entryNames: readonly string[];
  readonly startTs: bigint;
  /** By (entry index, delta). */
  readonly records: readonly BatchV2Key[];
}

/**
 * Names of records to be removed (§6.6); values of their headers are not looked at. Checks start-ts, entries, record
 * headers in this order.
 * @param checkEntries called before the record headers are looked at.
 * @throws ApiError 422 with the texts of §6.1.
 */
export function parseBatchV2Keys(
  headers: BatchV2Headers,
  checkEntries: (entryNames: readonly string[]) => void,
): BatchV2Keys {
  const startTs = parseStartTs(headers.startTs);
  const entryNames = parseEntryNames(headers.entries);
  checkEntries(entryNames);
  const found = recordHeaders(headers.others, entryNames.length, startTs);
  const records = found.map(({ entryIndex, deltaUs }) => {
    return { entryIndex, deltaUs, ts: startTs + deltaUs };
  });
  return { entryNames, startTs, records };
}

function parseRequest(headers: BatchV2Headers, emptyValues: EmptyValues): BatchV2Request {
  const entryNames = parseEntryNames(headers.entries);
  const startTs = parseStartTs(headers.startTs);
  const labelNames = parseLabelNames(headers.labels);
  const found = recordHeaders(headers.others, entryNames.length, startTs);
  const records = decodeValues(found, startTs, labelNames, emptyValues);
  return { entryNames, startTs, records };
}

function parseEntryNames(value: string | undefined): string[] {
  if (value === undefined) return [];
  if (value.trim() === '') throw new ApiError(422, 'x-reduct-entries header is required');
  return value.split(',').map((part) => {
    const item = part.trim();
    if (item === '') {
      throw new ApiError(422, 'x-reduct-entries header must not contain empty entry names');
    }
    const name = decodeItem(item, `Invalid entry encoding in header name: '${item}'`);
    if (name !== undefined) return name;
    throw new ApiError(422, `Entry name is not valid UTF-8 in header '${item}'`);
  });
}

function parseLabelNames(value: string | undefined): string[] | undefined {
  if (value === undefined) return undefined;
  if (value.trim() === '') throw new ApiError(422, 'x-reduct-labels header is empty');
  return value.split(',').map((part) => {
    const item = part.trim();
    const text = `Invalid label encoding in header value: '${item}'`;
    const name = decodeItem(item, text);
    if (name !== undefined) return name;
    throw new ApiError(422, text);
  });
}

/** @returns undefined when the bytes are not UTF-8. */
function decodeItem(item: string, syntaxText: string): string | undefined {
  try {
    return percentDecode(item, 'reject');
  } catch (error) {
    if (error instanceof PercentSyntaxError) throw new ApiError(422, syntaxText);
    throw error;
  }
}

function parseStartTs(value: string | undefined): bigint {
  if (value === undefined) throw new ApiError(422, 'x-reduct-start-ts header is required');
  const startTs = parseU64(value.trim());
  if (startTs === undefined) throw new ApiError(422, 'Invalid x-reduct-start-ts header');
  return startTs;
}

/** Splits `x-reduct-<i>-<d>`. @returns undefined when the header is no record. */
function parseRecordName(name: string): { middle: string; last: string } | undefined {
  const rest = name.slice(BATCH_V2_PREFIX.length);
  const dash = rest.lastIndexOf('-');
  const last = rest.slice(dash + 1);
  if (!/^[0-9]*$/.test(last)) return undefined;
  if (dash === -1) {
    if (last === '') return undefined;
    throw new ApiError(422, `Invalid batched header '${name}'`);
  }
  return { middle: rest.slice(0, dash), last };
}

/** Record headers by (entry index, delta), each record once. */
function recordHeaders(
  others: readonly string[],
  entryCount: number,
  startTs: bigint,
): RecordHeader[] {
  const found: RecordHeader[] = [];
  for (let i = 0; i + 1 < others.length; i += 2) {
    const name = others[i] ?? '';
    const parts = parseRecordName(name);
    if (parts === undefined) continue;
    const entryIndex = parseByteCount(parts.middle);
    if (entryIndex === undefined) {
      throw new ApiError(422, `Invalid header '${name}': entry index must be a number`);
    }
    const deltaUs = parseU64(parts.last);
    if (deltaUs === undefined || startTs + deltaUs > U64_MAX) {
      throw new ApiError(
        422,
        `Invalid header '${name}': must be an unix timestamp in microseconds`,
      );
    }
    if (entryIndex >= entryCount) {
      throw new ApiError(422, `Invalid header '${name}': entry index out of range`);
    }
    found.push({ entryIndex, deltaUs, name, value: others[i + 1] ?? '' });
  }
  found.sort(byEntryThenDelta);
  // A name cannot occur twice; of two spellings of one number (`1`, `01`) the first counts.
  return found.filter((header, i) => {
    const before = found[i - 1];
    return before === undefined || byEntryThenDelta(before, header) !== 0;
  });
}

function byEntryThenDelta(a: RecordHeader, b: RecordHeader): number {
  if (a.entryIndex !== b.entryIndex) return a.entryIndex - b.entryIndex;
  return a.deltaUs < b.deltaUs ? -1 : a.deltaUs > b.deltaUs ? 1 : 0;
}

function decodeValues(
  found: readonly RecordHeader[],
  startTs: bigint,
  labelNames: readonly string[] | undefined,
  emptyValues: EmptyValues,
): BatchV2Record[] {
  const records: BatchV2Record[] = [];
  const deltas = new LabelDeltas(labelNames, emptyValues);
  for (const header of found) {
    const last = records.at(-1);
    const previous = last?.entryIndex === header.entryIndex ? last : undefined;
    const value = parseBatchV2Value(header.value, previous, deltas);
    const { entryIndex, deltaUs } = header;
    records.push({ entryIndex, deltaUs, ts: startTs + deltaUs, ...value });
  }
  return records;
}

/**
 * Parses the value of one record header.
 * @param previous the record before it in the same entry and request, undefined for the first one.
 * @throws ApiError 422.
 */
function parseBatchV2Value(
  value: string,
  previous: Pick<BatchV2Record, 'contentType' | 'labels'> | undefined,
  deltas: LabelDeltas,
): Pick<BatchV2Record, 'lengthBytes' | 'contentType' | 'labels'> {
  if (!isPrintableAscii(value)) {
    throw new ApiError(422, 'Malformed header received: failed to convert header to a str');
  }
  const typeAt = value.indexOf(',');
  const lengthBytes = parseByteCount((typeAt === -1 ? value : value.slice(0, typeAt)).trim());
  if (lengthBytes === undefined) throw invalidBatchedHeader();
  if (typeAt === -1) {
    if (previous === undefined) {
      throw new ApiError(
        422,
        'Content-type and labels must be provided for the first record of an entry',
      );
    }
    return { lengthBytes, contentType: previous.contentType, labels: previous.labels };
  }
  const deltaAt = value.indexOf(',', typeAt + 1);
  const type = value.slice(typeAt + 1, deltaAt === -1 ? undefined : deltaAt).trim();
  const contentType = type === '' ? (previous?.contentType ?? DEFAULT_CONTENT_TYPE) : type;
  const before = previous?.labels ?? NO_LABELS;
  const labels = deltaAt === -1 ? before : deltas.apply(before, value.slice(deltaAt + 1));
  return { lengthBytes, contentType, labels };
}
