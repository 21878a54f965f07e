/** What `cp` prints about a copy (replication §9.5). */
import type { CopyReport } from '../../copy/copy.ts';
import type { FailedRecord } from '../../copy/types.ts';
import { statusName } from '../errors.ts';
import type { Plain } from '../output/json-text.ts';
import { formatSize } from '../sizes.ts';

/** Failed records told on the terminal; all are in the file. */
const MAX_TOLD = 20;

/** `Copied 12 (skipped 3) records (1.2 KB) from bucket 'data'` */
export function finalLine(report: CopyReport, from: string, isDryRun: boolean): string {
  const { copiedRecords, copiedBytes, skippedRecords } = report.tally;
  const skipped = skippedRecords > 0 ? ` (skipped ${skippedRecords})` : '';
  const verb = isDryRun ? 'Would copy' : 'Copied';
  return `${verb} ${copiedRecords}${skipped} records (${formatSize(copiedBytes)}) from ${from}`;
}

/** Lines about everything that did not go well; none when all did. */
export function problemLines(report: CopyReport, from: string): string[] {
  const { failures, failedEntries, stoppedBecause, tally } = report;
  const lines = failures.first.slice(0, MAX_TOLD).map(recordLine);
  const more = failures.count - lines.length;
  if (more > 0) lines.push(`… and ${more} more records`);
  if (failures.path !== null) lines.push(`All records that failed: ${failures.path}`);
  for (const { entry, reason } of failedEntries)
    lines.push(`Failed to copy entry '${entry}': ${reason}`);
  if (failedEntries.length > 0 && failedEntries.length >= tally.entries) {
    lines.push(`Failed to copy any entries from ${from}`);
  }
  if (stoppedBecause !== null) lines.push(`Stopped: ${stoppedBecause}`);
  return lines;
}

export function isFailure({ failures, failedEntries, stoppedBecause }: CopyReport): boolean {
  return failures.count > 0 || failedEntries.length > 0 || stoppedBecause !== null;
}

/** Of one bucket or folder. */
export function reportJson(report: CopyReport, name: string): Plain {
  const { tally, failures, failedEntries } = report;
  return {
    source: name,
    copied_records: tally.copiedRecords,
    copied_bytes: tally.copiedBytes,
    skipped_records: tally.skippedRecords,
    failed_records: tally.failedRecords,
    failed: failures.first.map(({ entry, ts, status, reason }) => ({ entry, ts, status, reason })),
    failures_file: failures.path,
    failed_entries: failedEntries.map(({ entry, reason }) => ({ entry, reason })),
    stopped_because: report.stoppedBecause,
    verified_records: report.verifiedRecords ?? undefined,
    created_bucket: report.createdBucket,
    interrupted: report.isInterrupted,
    elapsed_ms: Math.round(report.elapsedMs),
  };
}

function recordLine({ entry, ts, status, reason }: FailedRecord): string {
  const kind = status > 0 ? `[${statusName(status)}] ` : '';
  return `Record ${ts} of entry '${entry}': ${kind}${reason}`;
}
