/** Replication tasks as text, to the letter of replication §9.4. */
import { isJsonObject, type JsonObject, type JsonValue, stringifyJson } from '../wire/json.ts';
import { countMember, flagMember, listMember, objectMember, textMember } from './api/members.ts';
import { provisionedText } from './bucket-text.ts';
import { prettyJson } from './output/json-text.ts';
import { grid, markdownTable } from './output/table.ts';

const MODE_TEXTS: ReadonlyMap<string, string> = new Map([
  ['enabled', '▶ Enabled'],
  ['paused', '⏸ Paused'],
  ['disabled', '⏹ Disabled'],
]);

export function replicaTable(replicas: readonly JsonObject[]): string {
  const rows = replicas.map((replica) => [
    textMember(replica, 'name'),
    statusText(replica),
    modeText(replica),
    countMember(replica, 'pending_records').toString(),
    provisionedText(replica),
  ]);
  return markdownTable(['Name', 'Status', 'Mode', 'Pending Records', 'Provisioned'], rows);
}

/** @param replica the document of `GET /replications/<name>`. */
export function replicaText(replica: JsonObject): string {
  const info = objectMember(replica, 'info');
  const settings = objectMember(replica, 'settings');
  const hourly = objectMember(objectMember(replica, 'diagnostics'), 'hourly');
  const table = grid([
    [`Name: ${textMember(info, 'name')}`, `Active: ${statusText(info)}`],
    [`Mode: ${modeText(info)}`, `Provisioned: ${provisionedText(info)}`],
    [
      `Ok Records (hourly): ${countMember(hourly, 'ok')}`,
      `Errors (hourly): ${countMember(hourly, 'errored')}`,
    ],
    [
      `Source Bucket: ${textMember(settings, 'src_bucket')}`,
      `Destination Bucket: ${textMember(settings, 'dst_bucket')}`,
    ],
    [
      `Destination Server: ${textMember(settings, 'dst_host')}`,
      `Compression: ${capitalized(textMember(settings, 'compression', 'none'))}`,
    ],
    [
      `Destination Prefix: ${textMember(settings, 'dst_prefix') || 'None'}`,
      `Entries: ${listText(listMember(settings, 'entries'))}`,
    ],
    [
      `When: ${conditionText(settings.get('when'))}`,
      `Pending Records: ${countMember(info, 'pending_records')}`,
    ],
    ...otherSettings(settings),
  ]);
  const errors = errorTable(objectMember(hourly, 'errors'));
  return errors === undefined ? table : `${table}\n\n${errors}`;
}

/** In the contract's own words and order; what is set beyond them follows. */
const SHOWN: ReadonlySet<string> = new Set([
  'src_bucket',
  'dst_bucket',
  'dst_host',
  'dst_token',
  'entries',
  'dst_prefix',
  'when',
  'mode',
  'compression',
]);

const LABELS: ReadonlyMap<string, string> = new Map([
  ['each_n', 'Each Nth'],
  ['each_s', 'Each Sec'],
]);

/** Members that are answered only when they are set: filters of the older era and settings of our own. */
function otherSettings(settings: JsonObject): string[][] {
  const cells = [...settings]
    .filter(([name, value]) => !SHOWN.has(name) && isSet(value))
    .map(([name, value]) => `${LABELS.get(name) ?? title(name)}: ${stringifyJson(value)}`);
  const rows: string[][] = [];
  for (let at = 0; at < cells.length; at += 2) rows.push(cells.slice(at, at + 2));
  return rows;
}

function isSet(value: JsonValue): boolean {
  return value !== null && !(isJsonObject(value) && value.size === 0);
}

function errorTable(errors: JsonObject): string | undefined {
  if (errors.size === 0) return undefined;
  const rows = [...errors]
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([code, error]) => {
      const facts = isJsonObject(error) ? error : new Map<string, JsonValue>();
      return [code, countMember(facts, 'count').toString(), textMember(facts, 'last_message')];
    });
  return markdownTable(['Error Code', 'Count', 'Last Message'], rows);
}

function statusText(info: JsonObject): string {
  return flagMember(info, 'is_active') ? '✅ Ok' : '❌ Error';
}

/** Servers before 1.18 have no modes: their tasks are enabled. */
function modeText(info: JsonObject): string {
  const mode = textMember(info, 'mode', 'enabled');
  return MODE_TEXTS.get(mode) ?? mode;
}

function listText(items: readonly JsonValue[]): string {
  return `[${items.map(stringifyJson).join(', ')}]`;
}

function conditionText(when: JsonValue | undefined): string {
  return when === undefined || when === null ? 'None' : prettyJson(when).replaceAll('\n', '\n  ');
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** `dst_prefix` as `Dst Prefix`. */
function title(name: string): string {
  return name.split('_').map(capitalized).join(' ');
}
