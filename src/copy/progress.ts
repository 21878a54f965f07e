/** Figures of a copy while it runs. */
import type { EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';

/** What a copy has done so far; changes in place. */
export class CopyTally {
  /** Estimate from the entries' figures, before any filter but time and entries. */
  expectedRecords = 0;
  expectedBytes = 0;
  /** Records of the source that were looked at, whether they were copied or not. */
  seenRecords = 0;
  copiedRecords = 0;
  copiedBytes = 0;
  /** There already. */
  skippedRecords = 0;
  failedRecords = 0;
  entries = 0;
  finishedEntries = 0;
}

/** Records and bytes of an entry within a range, as if they were spread evenly over its time. */
export function expectedOf(
  { recordCount, sizeBytes, oldestUs, latestUs }: EntryFigures,
  { startUs, stopUs }: TimeRange,
): { readonly records: number; readonly bytes: number } {
  const from = oldestUs > startUs ? oldestUs : startUs;
  const to = latestUs + 1n < stopUs ? latestUs + 1n : stopUs;
  if (to <= from || recordCount === 0) return { records: 0, bytes: 0 };
  const share = Number(to - from) / Number(latestUs + 1n - oldestUs);
  return {
    records: Math.max(1, Math.round(recordCount * share)),
    bytes: Math.round(sizeBytes * share),
  };
}
