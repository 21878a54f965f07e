/** Findings of `replica check` and `replica preview` as text (docs/http-extensions.md). */
import { isJsonObject, type JsonObject, stringifyJson } from '../wire/json.ts';
import { countMember, flagMember, objectMember, objectsMember, textMember } from './api/members.ts';
import { markdownTable } from './output/table.ts';
import { formatSize } from './sizes.ts';
import { formatTime, type TimeStyle } from './times.ts';

const MARKS: ReadonlyMap<string, string> = new Map([
  ['ok', '✅'],
  ['warning', '⚠'],
  ['error', '❌'],
  ['skipped', '-'],
]);

/** One line a finding, its hint below it, and the summary last. */
export function checkText(result: JsonObject): string {
  const lines = objectsMember(result, 'checks').flatMap((check) => {
    const mark = MARKS.get(textMember(check, 'status')) ?? '?';
    const hint = textMember(check, 'hint');
    const line = `${mark} ${textMember(check, 'name')}: ${textMember(check, 'message')}`;
    return hint === '' ? [line] : [line, `  ${hint}`];
  });
  const status = MARKS.get(textMember(result, 'status')) ?? '?';
  return [...lines, '', `${status} ${textMember(result, 'summary')}`].join('\n');
}

export function previewText(result: JsonObject, style: TimeStyle): string {
  const considered = objectMember(result, 'considered');
  const parts = [
    [
      `Considered: ${amount(considered)}${rangeText(considered, style)}`,
      `Passed: ${amount(objectMember(result, 'passed'))}`,
      ...[...objectMember(result, 'refused')].map(
        ([filter, refused]) =>
          `Refused by ${filter}: ${isJsonObject(refused) ? amount(refused) : '0'}`,
      ),
      ...objectsMember(result, 'errors').map(
        (error) =>
          `Error: ${textMember(error, 'message')} (${countMember(error, 'records')} records)`,
      ),
      ...(flagMember(considered, 'is_complete') ? [] : ['Ended early: it took too long.']),
    ].join('\n'),
  ];
  const entries = objectsMember(result, 'entries');
  if (entries.length > 0) parts.push(entryTable(entries));
  const examples = exampleRows(objectMember(result, 'examples'), style);
  if (examples.length > 0)
    parts.push(markdownTable(['Example', 'Entry', 'Time', 'Size', 'Labels'], examples));
  return parts.join('\n\n');
}

function amount(object: JsonObject): string {
  return `${countMember(object, 'records')} records (${formatSize(countMember(object, 'bytes'))})`;
}

function rangeText(considered: JsonObject, style: TimeStyle): string {
  if ((considered.get('from') ?? null) === null) return '';
  const from = formatTime(countMember(considered, 'from'), style);
  return `, ${from} to ${formatTime(countMember(considered, 'to'), style)}`;
}

function entryTable(entries: readonly JsonObject[]): string {
  const rows = entries.map((entry) => [
    textMember(entry, 'entry'),
    countMember(entry, 'records').toString(),
    countMember(objectMember(entry, 'passed'), 'records').toString(),
    formatSize(countMember(objectMember(entry, 'passed'), 'bytes')),
  ]);
  return markdownTable(['Entry', 'Records', 'Passed', 'Size Passed'], rows);
}

function exampleRows(examples: JsonObject, style: TimeStyle): string[][] {
  const row = (example: JsonObject, verdict: string): string[] => [
    verdict,
    textMember(example, 'entry'),
    formatTime(countMember(example, 'ts'), style),
    formatSize(countMember(example, 'bytes')),
    stringifyJson(example.get('labels') ?? new Map()),
  ];
  return [
    ...objectsMember(examples, 'passed').map((example) => row(example, 'passed')),
    ...objectsMember(examples, 'refused').map((example) =>
      row(example, textMember(example, 'reason')),
    ),
  ];
}
