/** A comparison of source and target as text (docs/http-extensions.md). */
import type { JsonObject } from '../wire/json.ts';
import { countMember, flagMember, objectMember, objectsMember, textMember } from './api/members.ts';
import { grid, markdownTable } from './output/table.ts';
import { formatSize } from './sizes.ts';
import { formatTime, type TimeStyle } from './times.ts';

/** The others are in the JSON. */
const SHOWN_DIFFERENCES = 20;

/** Of the entries with differences. */
const SHOWN_ENTRIES = 50;

/** Members of totals that are differences; what is only at the target or undecided is none to mend. */
const DIFFERENCES = ['missing', 'other_size', 'other_labels', 'other_content'] as const;

/** How many differences the target still has. */
export function differencesLeft(comparison: JsonObject): bigint {
  const totals = objectMember(comparison, 'totals');
  return differenceCount(totals) - countMember(totals, 'repaired');
}

export function compareText(comparison: JsonObject, style: TimeStyle): string {
  const parts = [summary(comparison, objectMember(comparison, 'totals'))];
  const entries = objectsMember(comparison, 'entries').filter(
    (entry) => differenceCount(entry) > 0n,
  );
  if (entries.length > 0) parts.push(entryTable(entries.slice(0, SHOWN_ENTRIES)));
  const differences = objectsMember(comparison, 'differences').slice(0, SHOWN_DIFFERENCES);
  if (differences.length > 0) {
    parts.push(differenceTable(differences, style));
    const more = countMember(comparison, 'differences_total') - BigInt(differences.length);
    if (more > 0n) parts.push(`${more} more; --json shows the first 1000`);
  }
  return parts.join('\n\n');
}

function summary(comparison: JsonObject, totals: JsonObject): string {
  const amount = (side: string): string =>
    `${countMember(totals, `${side}_records`)} records (${formatSize(countMember(totals, `${side}_bytes`))})`;
  const count = (name: string): string => countMember(totals, name).toString();
  const notes = flagMember(comparison, 'is_exact')
    ? []
    : ['The filters count records: what only the source has is undecided.'];
  const pending = countMember(comparison, 'pending_records');
  if (pending > 0n) notes.push(`${pending} records were still waiting to be sent at the start.`);
  return [
    grid([
      [`State: ${textMember(comparison, 'state')}`, `Equal: ${count('equal')}`],
      [`Source: ${amount('source')}`, `Missing: ${count('missing')}`],
      [`Target: ${amount('target')}`, `Other Size: ${count('other_size')}`],
      [`Only at Target: ${count('extra')}`, `Other Labels: ${count('other_labels')}`],
      [`Undecided: ${count('undecided')}`, `Other Content: ${count('other_content')}`],
      [`Repaired: ${count('repaired')}`, `Not Repaired: ${count('repair_failed')}`],
    ]),
    ...notes,
  ].join('\n');
}

function entryTable(entries: readonly JsonObject[]): string {
  const head = [
    'Entry',
    'Source',
    'Target',
    'Equal',
    'Missing',
    'Other Size',
    'Other Labels',
    'Other Content',
  ];
  const rows = entries.map((entry) => [
    textMember(entry, 'entry'),
    ...['source_records', 'target_records', 'equal', ...DIFFERENCES].map((name) =>
      countMember(entry, name).toString(),
    ),
  ]);
  return markdownTable(head, rows);
}

function differenceTable(differences: readonly JsonObject[], style: TimeStyle): string {
  const rows = differences.map((difference) => [
    textMember(difference, 'entry'),
    formatTime(countMember(difference, 'ts'), style),
    textMember(difference, 'kind'),
    textMember(difference, 'detail'),
    textMember(difference, 'repaired'),
  ]);
  return markdownTable(['Entry', 'Time', 'Difference', 'Detail', 'Repaired'], rows);
}

function differenceCount(totals: JsonObject): bigint {
  return DIFFERENCES.reduce((sum, name) => sum + countMember(totals, name), 0n);
}
