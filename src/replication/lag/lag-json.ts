/** The member `lag` of the extended answers. */
import type { EntryLagFigures } from './entry-lag.ts';
import type { MinuteFigures } from './minute-rate.ts';

/** What the member needs of a task. */
export interface LagView {
  readonly pending: { readonly records: number; readonly bytes: number; readonly isExact: boolean };
  readonly lagMs: number;
  readonly rate: MinuteFigures;
  readonly catchUpS: number | null;
}

/** @param entries `null`: they were not looked at. */
export function lagJson(view: LagView, entries: EntryLagFigures | null): object {
  const { pending, lagMs, rate, catchUpS } = view;
  return {
    oldest_unsent_seconds: seconds(lagMs),
    pending_records: pending.records,
    pending_bytes: pending.bytes,
    is_exact: pending.isExact,
    records_per_second: rounded(rate.recordsPerS),
    bytes_per_second: rounded(rate.bytesPerS),
    catch_up_seconds: catchUpS === null ? null : rounded(catchUpS),
    ...(entries === null ? {} : entriesJson(entries)),
  };
}

function entriesJson(figures: EntryLagFigures): object {
  return {
    entries: figures.entries.map(({ name, records, bytes, ageMs }) => ({
      entry: name,
      pending_records: records,
      pending_bytes: bytes,
      oldest_unsent_seconds: seconds(ageMs),
    })),
    other_entries: {
      entries: figures.otherEntries,
      pending_records: figures.otherRecords,
      pending_bytes: figures.otherBytes,
    },
    entries_are_exact: figures.isExact,
  };
}

function seconds(ms: number): number {
  return rounded(ms / 1000);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
