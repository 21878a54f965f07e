/** Answers about comparisons as JSON texts (docs/http-extensions.md). */
import type { Comparison } from './comparison.ts';
import type { CompareCounts, Difference } from './types.ts';

export function comparisonJson(comparison: Comparison): string {
  const { request, state, error, current } = comparison;
  const members = JSON.stringify({
    state,
    error,
    repair: request.repair,
    hashes: request.hashes,
    is_exact: comparison.isExact,
    pending_records: comparison.pendingRecords,
    started_at: isoTime(comparison.startedMs),
    finished_at: comparison.finishedMs === null ? null : isoTime(comparison.finishedMs),
    progress: {
      entries_done: comparison.entriesDone,
      entries_total: comparison.entriesTotal,
      entry: current,
    },
    totals: countsJson(comparison.totals),
    entries: comparison.entries.map(({ name, counts }) => ({ entry: name, ...countsJson(counts) })),
    entries_left_out: comparison.entriesLeftOut,
  });
  const differences = comparison.differences.map(differenceJson).join(',');
  const total = Object.values(comparison.totals.differences).reduce((sum, count) => sum + count, 0);
  // Timestamps may be longer than what a double holds.
  const times = `"start":${request.startUs},"stop":${request.stopUs}`;
  return `{${times},${members.slice(1, -1)},"differences":[${differences}],"differences_total":${total}}`;
}

function countsJson(counts: CompareCounts): object {
  const { sourceRecords, sourceBytes, targetRecords, targetBytes } = counts;
  return {
    source_records: sourceRecords,
    source_bytes: sourceBytes,
    target_records: targetRecords,
    target_bytes: targetBytes,
    equal: counts.equal,
    ...counts.differences,
    undecided: counts.undecided,
    repaired: counts.repaired,
    repair_failed: counts.repairFailed,
  };
}

function differenceJson({ entryName, ts, kind, detail, repaired }: Difference): string {
  const members = JSON.stringify({ kind, detail, repaired });
  return `{"entry":${JSON.stringify(entryName)},"ts":${ts},${members.slice(1)}`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
