import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './machine.ts';
import { isMissed, type BenchSettings, type Figure, type Row, type RowResult } from './row.ts';

/** A row that ran, or the reason why it did not. */
export interface Outcome {
  readonly row: Row;
  readonly result: RowResult | undefined;
  readonly error: string | undefined;
  /** Why goals were missed; empty when none was. */
  readonly reasons: readonly string[];
  readonly elapsedMs: number;
}

const RESULTS_FOLDER = 'bench-results';

export function hasMiss({ result, error }: Outcome): boolean {
  return error !== undefined || (result?.figures.some(isMissed) ?? false);
}

/** Markdown, so that it can go into a README as it is. */
export function table(outcomes: readonly Outcome[]): string {
  const lines = [
    '| row | figure | median (low – high) | goal | |',
    '| --- | --- | --- | --- | --- |',
  ];
  for (const { row, result, error } of outcomes) {
    if (result === undefined) {
      lines.push(`| ${row.title} | failed: ${error?.split('\n')[0] ?? ''} | | | **missed** |`);
      continue;
    }
    for (const [index, figure] of result.figures.entries()) {
      lines.push(figureLine(index === 0 ? row.title : '', figure));
    }
  }
  return lines.join('\n');
}

/** The notes of each row, then the missed goals with their reasons. */
export function details(outcomes: readonly Outcome[]): string {
  const lines: string[] = [];
  for (const { row, result } of outcomes) {
    for (const note of result?.notes ?? []) lines.push(`${row.id}: ${note}`);
  }
  const missed = outcomes.filter(hasMiss);
  lines.push('', missed.length === 0 ? 'No goal was missed.' : 'Missed goals:');
  for (const { row, result, error, reasons } of missed) {
    for (const figure of result?.figures.filter(isMissed) ?? []) {
      lines.push(`- ${row.id}: ${figure.label} is ${valueText(figure)}, goal ${goalText(figure)}`);
    }
    if (error !== undefined) lines.push(`- ${row.id} failed: ${error}`);
    for (const reason of reasons) lines.push(`    ${reason}`);
  }
  return lines.join('\n');
}

/** Writes everything to `bench-results/<time>.json` below the current folder. Returns the path. */
export function writeJson(
  machine: Machine,
  settings: BenchSettings,
  outcomes: readonly Outcome[],
): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const finished = new Date().toISOString();
  const path = join(RESULTS_FOLDER, `${finished.replaceAll(':', '-')}.json`);
  const rows = outcomes.map(({ row, result, error, reasons, elapsedMs }) => ({
    id: row.id,
    title: row.title,
    elapsedMs: Math.round(elapsedMs),
    error,
    reasons,
    figures: result?.figures.map((figure) => ({ ...figure, missed: isMissed(figure) })),
    notes: result?.notes,
    raw: result?.raw,
  }));
  writeFileSync(path, `${JSON.stringify({ finished, machine, settings, rows }, null, 2)}\n`);
  return path;
}

function figureLine(title: string, figure: Figure): string {
  const { spread, unit } = figure;
  const range =
    spread === undefined ? '' : ` (${numberText(spread.low)} – ${numberText(spread.high)})`;
  const verdict = figure.goal === undefined ? '' : isMissed(figure) ? '**missed**' : 'met';
  return `| ${title} | ${figure.label} | ${numberText(figure.value)}${range} ${unit} | ${goalText(figure)} | ${verdict} |`;
}

function valueText({ value, unit }: Figure): string {
  return `${numberText(value)} ${unit}`;
}

function goalText({ goal, unit }: Figure): string {
  if (goal === undefined) return '';
  return `${goal.bound === 'at most' ? '≤' : '≥'} ${goal.limit} ${unit}`;
}

/** Three significant figures, whole numbers from 100 on. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 100) return String(Math.round(value));
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}
