/** Encodes the record headers of a batch, once for all tasks that send it. */
import { BLOCK, BLOCK_ROW } from '../../store/format.ts';
import type { BlockView } from '../../store/block.ts';
import type { MetaCache } from './meta-cache.ts';

/** Consecutive records of one block. */
export interface Run {
  readonly view: BlockView;
  readonly from: number;
  readonly to: number;
}

/**
 * Record headers as undici sends them in one piece: the name of the first, and its value followed by the lines of all
 * others, `<value>\r\n<name>: <value>\r\n…`. Visible ASCII only.
 */
export interface RecordHeaders {
  readonly headerName: string;
  readonly headerValue: string;
}

export const TIME_HEADER = 'x-reduct-time-';

const PREFIX = Buffer.from(TIME_HEADER);
const COLON = 0x3a;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const ZERO = 0x30;

/** Name, timestamp, colon, length and line end of one header, at most. */
export const MAX_LINE_BYTES: number = TIME_HEADER.length + 20 + 2 + 15 + 2;

/** Where headers are put together; grows to the largest batch. */
let scratch: Buffer = Buffer.allocUnsafeSlow(32 * 1024);

/** Headers of inline records, in the order of the runs. */
export function encodeRecordHeaders(runs: readonly Run[], metas: MetaCache): RecordHeaders {
  let at = 0;
  let nameEnd = 0;
  for (const { view, from, to } of runs) {
    for (let i = from; i < to; i++) {
      const { tail } = metas.of(view, view.metaIndex(i));
      ensure(at + MAX_LINE_BYTES + tail.length);
      if (at > 0) {
        scratch[at++] = CARRIAGE_RETURN;
        scratch[at++] = LINE_FEED;
      }
      at += PREFIX.copy(scratch, at);
      at = writeTimestamp(at, view, i);
      if (nameEnd === 0) nameEnd = at;
      scratch[at++] = COLON;
      scratch[at++] = SPACE;
      at = writeNumber(at, view.length(i));
      at += tail.copy(scratch, at);
    }
  }
  return {
    headerName: scratch.toString('latin1', 0, nameEnd),
    headerValue: scratch.toString('latin1', nameEnd + 2, at),
  };
}

/** Headers from whole lines. */
export function joinRecordHeaders(lines: readonly string[]): RecordHeaders {
  const text = lines.join('\r\n');
  const nameEnd = text.indexOf(':');
  return { headerName: text.slice(0, nameEnd), headerValue: text.slice(nameEnd + 2) };
}

/** `x-reduct-time-<ts>` of a record. */
export function timeHeader(view: BlockView, index: number): string {
  return `${TIME_HEADER}${view.ts(index)}`;
}

function ensure(bytes: number): void {
  if (bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes, scratch.length * 2));
  scratch.copy(larger);
  scratch = larger;
}

/** Timestamps below 2^53 (the year 2255) need no bigint. */
function writeTimestamp(at: number, { bytes }: BlockView, index: number): number {
  const place = BLOCK.headerBytes + index * BLOCK_ROW.bytes + BLOCK_ROW.timestamp;
  const high = bytes.readUInt32BE(place);
  if (high < 0x20_0000) {
    return writeNumber(at, high * 0x1_0000_0000 + bytes.readUInt32BE(place + 4));
  }
  return at + scratch.write(bytes.readBigUInt64BE(place).toString(), at, 'latin1');
}

/** In two halves, so that all digits come from small integers. @param value a safe integer from 0. */
function writeNumber(at: number, value: number): number {
  if (value < 1e8) return writeDigits(at, value, digitsOf(value));
  const high = Math.floor(value / 1e8);
  const end = writeDigits(at, high, digitsOf(high));
  return writeDigits(end, value - high * 1e8, 8);
}

function writeDigits(at: number, value: number, digits: number): number {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    const tenth = Math.floor(rest / 10);
    scratch[place] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return at + digits;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}
