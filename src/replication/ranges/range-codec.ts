/** Row of a range in the store; see docs/FORMATS.md. */
import { decodeFilterState, decodeRow, encodeFilterState, encodeRow } from '../task-codec.ts';
import type { StoredRange } from './range.ts';

/** 64-bit integers are decimal texts, state of filters is text as in a cursor. */
type RangeRow = Omit<StoredRange, 'scope' | 'filterState'> & {
  readonly scope: {
    readonly startUs: string | null;
    readonly stopUs: string | null;
    readonly entries: readonly string[];
  };
  readonly filterState: string | null;
};

export function encodeRange(range: StoredRange): Buffer {
  const { startUs, stopUs, entries } = range.scope;
  const row: RangeRow = {
    ...range,
    scope: {
      startUs: startUs === null ? null : String(startUs),
      stopUs: stopUs === null ? null : String(stopUs),
      entries,
    },
    filterState: encodeFilterState(range.filterState),
  };
  return encodeRow(row);
}

/** @throws StoreFormatError. */
export function decodeRange(bytes: Buffer): StoredRange {
  const row = decodeRow(bytes, 'range of a task') as RangeRow;
  const { startUs, stopUs, entries } = row.scope;
  return {
    ...row,
    scope: {
      startUs: startUs === null ? null : BigInt(startUs),
      stopUs: stopUs === null ? null : BigInt(stopUs),
      entries,
    },
    filterState: decodeFilterState(row.filterState),
  };
}
