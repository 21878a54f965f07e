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

/** Name, timestamp, colon, length and line end of one header, at most. */
export const MAX_LINE_BYTES: number = TIME_HEADER.length + 20 + 2 + 15 + 2;

/** Numbers below 1000 with three digits. */
const THREE_DIGITS: readonly string[] = Array.from({ length: 1000 }, (_, value) =>
  String(value).padStart(3, '0'),
);
const US_PER_S = 1e6;
const COLON_BLANK = ': ';

/** What `pushName` wrote last. */
let lastSecond = -1;
let lastSecondName = '';

/** Headers of inline records, in the order of the runs. */
export function encodeRecordHeaders(runs: readonly Run[], metas: MetaCache): RecordHeaders {
  // Joined once: pieces that are added up would be as many objects until the request is written.
  const parts: string[] = [];
  let headerName = '';
  for (const { view, from, to } of runs) {
    for (let i = from; i < to; i++) {
      const end = metas.of(view, view.metaIndex(i)).lineEnd.of(view.length(i));
      if (headerName === '') {
        headerName = timeHeader(view, i);
        parts.push(end.slice(COLON_BLANK.length));
      } else {
        pushName(parts, view, i);
        parts.push(end);
      }
    }
  }
  return { headerName, headerValue: parts.join('') };
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

/** Line end and name. The second is mostly that of the record before. */
function pushName(parts: string[], { bytes }: BlockView, index: number): void {
  const place = BLOCK.headerBytes + index * BLOCK_ROW.bytes + BLOCK_ROW.timestamp;
  const high = bytes.readUInt32BE(place);
  // Timestamps below 2^53 (the year 2255) need no bigint.
  const us = high * 0x1_0000_0000 + bytes.readUInt32BE(place + 4);
  if (high >= 0x20_0000 || us < US_PER_S) {
    parts.push(`\r\n${TIME_HEADER}${bytes.readBigUInt64BE(place)}`);
    return;
  }
  const second = Math.floor(us / US_PER_S);
  if (second !== lastSecond) {
    lastSecond = second;
    lastSecondName = `\r\n${TIME_HEADER}${second}`;
  }
  const restUs = us - second * US_PER_S;
  const restMs = Math.floor(restUs / 1000);
  parts.push(lastSecondName, digits(restMs), digits(restUs - restMs * 1000));
}

/** @param value below 1000. */
function digits(value: number): string {
  return THREE_DIGITS[value] ?? '';
}
