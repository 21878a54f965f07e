import type { Signal } from '../signal/signal.ts';
import { formatCount, formatDuration, formatMegabytes, percentile } from './figures.ts';
import type { WriteTotals } from './sensor-writer.ts';
import type { Tally } from './comparison.ts';
import type { Verification } from './verification.ts';

/** Everything that the run measured. */
export interface DemoFigures {
  readonly signal: Signal;
  readonly totals: Readonly<WriteTotals>;
  readonly writeMs: number;
  /** From SIGKILL until the cloud answered `/ready` again. */
  readonly outageMs: number;
  readonly peakPendingRecords: number;
  /** From then until less than `caughtUpMs` of records was pending. */
  readonly catchUpMs: number | undefined;
  readonly caughtUpMs: number;
  /** From the last write until nothing was pending. */
  readonly drainMs: number;
  /** Times from acknowledgement to presence in the cloud, outside the outage. */
  readonly deliveryMs: readonly number[];
  readonly sender: SenderFigures;
  readonly verification: Verification;
}

/** What the edge says about its sender; `undefined` where it does not. */
export interface SenderFigures {
  readonly batches: number | undefined;
  /** Batches that were sent again after a failure. */
  readonly retries: number | undefined;
  /** Of the task's hourly diagnostics. */
  readonly erroredRecords: number;
}

const NAME_WIDTH = 16;

/** The summary, one line a figure, ending in a line feed. */
export function formatSummary(figures: DemoFigures): string {
  const { signal, verification } = figures;
  const kind = signal.synthetic ? 'synthetic' : 'recorded';
  const rows: [string, string][] = [
    ['signal', `${signal.name} (${kind}, ${formatCount(signal.samples.length)} samples)`],
    ['written', writtenText(figures)],
    ['edge', tallyText(verification.edge, 'acknowledged records')],
    ['cloud', tallyText(verification.cloud, 'matching records')],
    ['outage', outageText(figures)],
    ['catch-up', catchUpText(figures)],
    ['delivery', deliveryText(figures.deliveryMs)],
    ['sender', senderText(figures.sender)],
    ['comparison', `took ${formatDuration(verification.durationMs)}`],
  ];
  const findings = [
    ...verification.edge.examples,
    ...verification.cloud.examples,
    ...verification.surplus,
  ];
  const verdict = verification.holds
    ? 'The comparison HOLDS: every acknowledged record is in the edge, every matching one in the cloud,\n' +
      'byte for byte and label for label, and nothing else is.'
    : 'The comparison FAILS.';
  const lines = [
    '',
    ...rows.map(([name, text]) => `  ${name.padEnd(NAME_WIDTH)}${text}`),
    '',
    verdict,
    ...findings.map((finding) => `  ${finding}`),
  ];
  return `${lines.join('\n')}\n`;
}

function writtenText({ totals, writeMs }: DemoFigures): string {
  const seconds = writeMs / 1000;
  const rates = `${formatCount(totals.records / seconds)} records/s, ${formatMegabytes(totals.bytes / seconds)}/s`;
  const requests = `${formatCount(totals.batches)} batches and ${formatCount(totals.singles)} single writes`;
  const repeats = totals.repeats === 0 ? '' : `, ${formatCount(totals.repeats)} requests repeated`;
  const amount = `${formatCount(totals.records)} records, ${formatMegabytes(totals.bytes)}`;
  return `${amount} in ${formatDuration(writeMs)}: ${rates}; ${requests}${repeats}`;
}

function tallyText(tally: Tally, what: string): string {
  const expected = tally.equal + tally.missing + tally.different;
  const found = `${formatCount(tally.equal)} of ${formatCount(expected)} ${what} found equal`;
  const { missing, unexpected, different } = tally;
  return `${found}; ${missing} missing, ${different} different, ${unexpected} unexpected`;
}

function outageText({ outageMs, peakPendingRecords }: DemoFigures): string {
  const peak = `up to ${formatCount(peakPendingRecords)} records pending`;
  return `${formatDuration(outageMs)} from SIGKILL to ready again; ${peak}`;
}

function catchUpText({ catchUpMs, caughtUpMs, drainMs }: DemoFigures): string {
  const drained = `${formatDuration(drainMs)} from the last write to nothing pending`;
  if (catchUpMs === undefined) return `not before the last write; ${drained}`;
  const backlog = `until less than ${formatDuration(caughtUpMs)} of records was pending`;
  return `${formatDuration(catchUpMs)} ${backlog}; ${drained}`;
}

function deliveryText(samplesMs: readonly number[]): string {
  const p50 = percentile(samplesMs, 0.5);
  const p99 = percentile(samplesMs, 0.99);
  if (p50 === undefined || p99 === undefined) return 'not measured';
  const count = `${formatCount(samplesMs.length)} records followed, outside the outage`;
  return `p50 ${formatDuration(p50)}, p99 ${formatDuration(p99)} from acknowledged to in the cloud (${count})`;
}

function senderText({ batches, retries, erroredRecords }: SenderFigures): string {
  const parts = [
    batches === undefined ? 'batches not reported' : `${formatCount(batches)} batches delivered`,
    retries === undefined ? 'repeats not reported' : `${formatCount(retries)} sent again`,
    `${formatCount(erroredRecords)} records errored in the diagnostics`,
  ];
  return parts.join(', ');
}
