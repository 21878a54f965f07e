import type { SignalReader } from '../../src/signal/signal-reader.ts';
import { LABEL_SETS, type RecordLabels } from './labels.ts';
import type { LoadShape, LoadTarget } from './load-job.ts';

/** Microseconds since 1970 have 16 digits from 2001 to 2286. */
const TIMESTAMP_DIGITS = 16;
const HALF_DIGITS = 8;
const HALF = 10 ** HALF_DIGITS;
const ZERO = 0x30;
const CONTENT_TYPE = 'application/octet-stream';

/**
 * The timestamps of one entry: unique and increasing. Numbers, not `bigint`: they stay below 2^53 until 2255, and the
 * generator shares the cores with the server.
 */
export class EntryClock {
  #nextUs: number;

  constructor(firstTimestampUs: number) {
    this.#nextUs = firstTimestampUs;
  }

  /** The first of `count` consecutive timestamps. */
  take(count: number): number {
    const first = this.#nextUs;
    this.#nextUs += count;
    return first;
  }
}

/** What a connection of the load generator sends. */
export interface RequestSource {
  /** The next request. The bytes are valid until the next call, which must come after the answer. */
  next(): Buffer;
}

/** A request with the places where timestamps and payloads go. */
interface Template {
  readonly bytes: Buffer;
  readonly timestampOffsets: readonly number[];
  readonly bodyOffset: number;
}

/**
 * Prepared requests of one connection. `next` patches timestamps and payloads into bytes made beforehand: a generator
 * that built each request anew would be the limit of every measurement on two cores.
 */
export class RequestWriter implements RequestSource {
  readonly #templates: readonly Template[];
  readonly #recordsPerRequest: number;
  readonly #timestampsPerRequest: number;
  readonly #clock: EntryClock;
  readonly #payloads: SignalReader;
  /** Timestamp of the last record of the last request. */
  lastTimestampUs = 0;
  #turn = 0;
  #payloadIndex: number;

  /**
   * @param entries that every request writes to: one, or with batch protocol v2 several
   * @param firstPayload index of the first payload: connections send different parts of the signal
   */
  constructor(
    shape: LoadShape,
    target: LoadTarget,
    entries: readonly string[],
    clock: EntryClock,
    payloads: SignalReader,
    firstPayload: number,
  ) {
    this.#recordsPerRequest = shape.recordsPerRequest;
    this.#timestampsPerRequest = shape.recordsPerRequest / entries.length;
    this.#clock = clock;
    this.#payloads = payloads;
    this.#payloadIndex = firstPayload;
    this.#templates = templatesOf(shape, target, entries);
  }

  next(): Buffer {
    const template = this.#templates[this.#turn++ % this.#templates.length];
    if (template === undefined) throw new Error('no template');
    const { bytes, timestampOffsets, bodyOffset } = template;
    const count = this.#recordsPerRequest;
    const firstUs = this.#clock.take(this.#timestampsPerRequest);
    for (const [index, offset] of timestampOffsets.entries()) {
      writeTimestamp(bytes, offset, firstUs + index);
    }
    this.lastTimestampUs = firstUs + this.#timestampsPerRequest - 1;
    this.#payloads.spanAt(this.#payloadIndex, count).copy(bytes, bodyOffset);
    this.#payloadIndex += count;
    return bytes;
  }
}

/** Name of entry `index`. */
export function entryName(index: number): string {
  return `sensor-${String(index).padStart(2, '0')}`;
}

/** Asks for the latest record of an entry, again and again. */
export function latestRecordReader(
  { port, token, bucket }: LoadTarget,
  entry: string,
  method: 'GET' | 'HEAD',
): RequestSource {
  const bytes = Buffer.from(
    `${method} /api/v1/b/${bucket}/${entry} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n` +
      `authorization: Bearer ${token}\r\n\r\n`,
  );
  return { next: () => bytes };
}

function templatesOf(
  shape: LoadShape,
  target: LoadTarget,
  entries: readonly string[],
): readonly Template[] {
  const [entry = ''] = entries;
  if (entries.length > 1) return [multiTemplate(target, entries, shape)];
  if (shape.recordsPerRequest > 1) return [batchTemplate(target, entry, shape)];
  return LABEL_SETS.map((labels) => singleTemplate(target, entry, labels, shape.payloadBytes));
}

function singleTemplate(
  { port, token, bucket }: LoadTarget,
  entry: string,
  labels: RecordLabels,
  payloadBytes: number,
): Template {
  const start = `POST /api/v1/b/${bucket}/${entry}?ts=`;
  const rest =
    ` HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\n` +
    `content-type: ${CONTENT_TYPE}\r\ncontent-length: ${payloadBytes}\r\n` +
    `x-reduct-label-engine_status: ${labels.engine_status}\r\n` +
    `x-reduct-label-sensor_status: ${labels.sensor_status}\r\n\r\n`;
  const head = start + '0'.repeat(TIMESTAMP_DIGITS) + rest;
  return {
    bytes: withBody(head, payloadBytes),
    timestampOffsets: [start.length],
    bodyOffset: head.length,
  };
}

function batchTemplate(
  { port, token, bucket }: LoadTarget,
  entry: string,
  shape: LoadShape,
): Template {
  const { payloadBytes, recordsPerRequest } = shape;
  const bodyBytes = payloadBytes * recordsPerRequest;
  const timestampOffsets: number[] = [];
  let head =
    `POST /api/v1/b/${bucket}/${entry}/batch HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n` +
    `authorization: Bearer ${token}\r\ncontent-type: ${CONTENT_TYPE}\r\n` +
    `content-length: ${bodyBytes}\r\n`;
  for (let index = 0; index < recordsPerRequest; index++) {
    head += 'x-reduct-time-';
    timestampOffsets.push(head.length);
    head += `${'0'.repeat(TIMESTAMP_DIGITS)}: ${payloadBytes},${CONTENT_TYPE}`;
    const labels = LABEL_SETS[index % LABEL_SETS.length];
    for (const [name, value] of Object.entries(labels ?? {})) head += `,${name}=${value}`;
    head += '\r\n';
  }
  head += '\r\n';
  return { bytes: withBody(head, bodyBytes), timestampOffsets, bodyOffset: head.length };
}

/** Batch protocol v2, as the contract has it: the labels of a record are differences to the one before. */
function multiTemplate(
  { port, token, bucket }: LoadTarget,
  entries: readonly string[],
  shape: LoadShape,
): Template {
  const { payloadBytes, recordsPerRequest } = shape;
  const bodyBytes = payloadBytes * recordsPerRequest;
  const names = Object.keys(LABEL_SETS[0] ?? {});
  const start =
    `POST /api/v1/io/${bucket}/write HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n` +
    `authorization: Bearer ${token}\r\ncontent-type: ${CONTENT_TYPE}\r\n` +
    `content-length: ${bodyBytes}\r\nx-reduct-entries: ${entries.join(',')}\r\n` +
    `x-reduct-labels: ${names.join(',')}\r\nx-reduct-start-ts: `;
  let head = `${start}${'0'.repeat(TIMESTAMP_DIGITS)}\r\n`;
  for (const index of entries.keys()) {
    let before: Readonly<Record<string, string>> = {};
    for (let delta = 0; delta < recordsPerRequest / entries.length; delta++) {
      const labels: Readonly<Record<string, string>> = {
        ...LABEL_SETS[delta % LABEL_SETS.length],
      };
      const changed = names.flatMap((name, key) =>
        labels[name] === before[name] ? [] : [`${key}=${labels[name]}`],
      );
      const contentType = delta === 0 ? CONTENT_TYPE : '';
      const rest = [contentType, ...changed];
      const value = rest.every((part) => part === '') ? '' : `,${rest.join(',')}`;
      head += `x-reduct-${index}-${delta}: ${payloadBytes}${value}\r\n`;
      before = labels;
    }
  }
  head += '\r\n';
  return {
    bytes: withBody(head, bodyBytes),
    timestampOffsets: [start.length],
    bodyOffset: head.length,
  };
}

function withBody(head: string, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(head.length + bodyBytes);
  bytes.write(head, 'latin1');
  return bytes;
}

/** In two halves, so that the digits come from 32-bit integers. */
function writeTimestamp(bytes: Buffer, offset: number, timestampUs: number): void {
  const high = Math.floor(timestampUs / HALF);
  writeHalf(bytes, offset, high);
  writeHalf(bytes, offset + HALF_DIGITS, timestampUs - high * HALF);
}

function writeHalf(bytes: Buffer, offset: number, value: number): void {
  let rest = value | 0;
  for (let at = offset + HALF_DIGITS - 1; at >= offset; at--) {
    const shorter = (rest / 10) | 0;
    bytes[at] = ZERO + rest - shorter * 10;
    rest = shorter;
  }
}
