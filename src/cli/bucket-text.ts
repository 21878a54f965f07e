/** Buckets and entries as text (replication §9.3). */
import type { JsonObject } from '../wire/json.ts';
import { countMember, flagMember, objectMember, textMember } from './api/members.ts';
import { grid, markdownTable } from './output/table.ts';
import { formatSize } from './sizes.ts';
import { formatTime, type TimeStyle, zoneName } from './times.ts';

/** Stands where there is no record whose time could be told. */
const NO_TIME = '---';

export function bucketTable(buckets: readonly JsonObject[], style: TimeStyle): string {
  const zone = zoneName(style);
  const head = [
    'Name',
    'Entries',
    'Size',
    'Status',
    'Provisioned',
    `Oldest Record (${zone})`,
    `Latest Record (${zone})`,
  ];
  const rows = buckets.map((bucket) => [
    textMember(bucket, 'name'),
    countMember(bucket, 'entry_count').toString(),
    formatSize(countMember(bucket, 'size')),
    statusText(bucket),
    provisionedText(bucket),
    ...timeTexts(bucket, countMember(bucket, 'size') === 0n, style),
  ]);
  return markdownTable(head, rows);
}

/** @param bucket the document of `GET /b/<bucket>`. */
export function bucketGrid(bucket: JsonObject, style: TimeStyle): string {
  const info = objectMember(bucket, 'info');
  const settings = objectMember(bucket, 'settings');
  const [oldest = '', latest = ''] = timeTexts(info, countMember(info, 'size') === 0n, style);
  const zone = zoneName(style);
  return grid([
    [`Name: ${textMember(info, 'name')}`, `Quota Type: ${textMember(settings, 'quota_type')}`],
    [
      `Entries: ${countMember(info, 'entry_count')}`,
      `Quota Size: ${formatSize(countMember(settings, 'quota_size'))}`,
    ],
    [
      `Size: ${formatSize(countMember(info, 'size'))}`,
      `Max. Block Size: ${formatSize(countMember(settings, 'max_block_size'))}`,
    ],
    [
      `Status: ${statusText(info)}`,
      `Max. Block Records: ${countMember(settings, 'max_block_records')}`,
    ],
    [`Provisioned: ${provisionedText(info)}`],
    [`Oldest Record (${zone}): ${oldest}`],
    [`Latest Record (${zone}): ${latest}`],
  ]);
}

export function entryTable(entries: readonly JsonObject[], style: TimeStyle): string {
  const zone = zoneName(style);
  const head = [
    'Name',
    'Records',
    'Blocks',
    'Size',
    'Status',
    `Oldest Record (${zone})`,
    `Latest Record (${zone})`,
  ];
  const rows = entries.map((entry) => [
    textMember(entry, 'name'),
    countMember(entry, 'record_count').toString(),
    countMember(entry, 'block_count').toString(),
    formatSize(countMember(entry, 'size')),
    statusText(entry),
    ...timeTexts(entry, countMember(entry, 'record_count') === 0n, style),
  ]);
  return markdownTable(head, rows);
}

/** Oldest and latest record. */
function timeTexts(object: JsonObject, isEmpty: boolean, style: TimeStyle): readonly string[] {
  if (isEmpty) return [NO_TIME, NO_TIME];
  return ['oldest_record', 'latest_record'].map((name) =>
    formatTime(countMember(object, name), style),
  );
}

/** Servers without the member have nothing else than ready (http-api-extras §4). */
function statusText(object: JsonObject): string {
  return textMember(object, 'status', 'READY') === 'DELETING' ? 'Deleting' : 'Ready';
}

export function provisionedText(object: JsonObject): string {
  return flagMember(object, 'is_provisioned') ? '✓' : '-';
}
