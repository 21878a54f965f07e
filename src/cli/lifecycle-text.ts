/** Lifecycle policies as text. */
import { type JsonObject, stringifyJson } from '../wire/json.ts';
import { flagMember, listMember, objectMember, textMember } from './api/members.ts';
import { provisionedText } from './bucket-text.ts';
import { markdownTable } from './output/table.ts';
import type { TimeStyle } from './times.ts';
import { dateText } from './token-text.ts';

export function lifecycleTable(policies: readonly JsonObject[], style: TimeStyle): string {
  const rows = policies.map((policy) => [
    textMember(policy, 'name'),
    textMember(policy, 'type'),
    textMember(policy, 'mode'),
    flagMember(policy, 'is_running') ? '✓' : '-',
    dateText(textMember(policy, 'last_run'), style),
    provisionedText(policy),
  ]);
  return markdownTable(['Name', 'Type', 'Mode', 'Running', 'Last Run', 'Provisioned'], rows);
}

/** @param policy the document of `GET /lifecycles/<name>`. */
export function lifecycleText(policy: JsonObject, style: TimeStyle): string {
  const info = objectMember(policy, 'info');
  const settings = objectMember(policy, 'settings');
  const when = settings.get('when');
  return [
    `Name:                ${textMember(info, 'name')}`,
    `Type:                ${textMember(info, 'type')}`,
    `Mode:                ${textMember(info, 'mode')}`,
    `Running:             ${flagMember(info, 'is_running') ? '✓' : '-'}`,
    `Provisioned:         ${provisionedText(info)}`,
    `Last Run:            ${dateText(textMember(info, 'last_run'), style)}`,
    `Bucket:              ${textMember(settings, 'bucket')}`,
    `Entries:             [${listMember(settings, 'entries').map(stringifyJson).join(', ')}]`,
    `Older Than:          ${textMember(settings, 'older_than')}`,
    `Interval:            ${textMember(settings, 'interval')}`,
    `Processing Interval: ${textMember(settings, 'processing_interval', '-')}`,
    `When:                ${when === undefined || when === null ? 'None' : stringifyJson(when)}`,
  ].join('\n');
}
