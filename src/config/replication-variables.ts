/**
 * Replication tasks that the environment asks for, `RS_REPLICATION_<ID>_…` (replication §7). Nothing of a task falls back to
 * a default: one with anything that is not understood is left out, or stands still, because what is missing may be a filter.
 */
import { SETTINGS_MEMBERS } from '../replication/settings-members.ts';
import { COMPRESSIONS, REPLICATION_MODES, type ReplicationMode } from '../replication/settings.ts';
import { onePerName } from './one-per-name.ts';
import { JsonSyntaxError, parseJson, stringifyJson } from '../wire/json.ts';

export interface ProvisionedReplication {
  readonly name: string;
  /** The settings as the body of a POST, without token and mode. */
  readonly bodyText: string;
  /** Empty: requests go out without one. Undefined: as it was. */
  readonly token: string | undefined;
  /** Undefined: as it was, or enabled. */
  readonly mode: ReplicationMode | undefined;
}

export interface ReplicationVariables {
  readonly replications: readonly ProvisionedReplication[];
  /** Tasks that are left out, one line each. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** Names of variables that are part of a task. */
  readonly used: ReadonlySet<string>;
}

const PREFIX = 'RS_REPLICATION_';
const NAME_PATTERN = /^RS_REPLICATION_(.+)_NAME$/;
/** `1_INCLUDE`, or `1_INCLUDE_camera`: with `_NAME` behind it this may be a label of task 1 whose name ends in `NAME`. */
const LABEL_ID_PATTERN = /^(.+?)_(?:INCLUDE|EXCLUDE)(?:_.+)?$/;
const LABEL_PATTERN = /^(INCLUDE|EXCLUDE)_(.+)$/;

/** Fields with a rule of their own; other members of settings take JSON, or text where it is none. */
const TEXT_FIELDS = ['SRC_BUCKET', 'DST_BUCKET', 'DST_HOST', 'DST_TOKEN', 'DST_PREFIX'] as const;
const REQUIRED_FIELDS = ['SRC_BUCKET', 'DST_BUCKET', 'DST_HOST'];
const OTHER_FIELDS = ['ENTRIES', 'WHEN', 'EACH_N', 'EACH_S', 'COMPRESSION', 'MODE'] as const;
const CONTRACT_FIELDS: readonly string[] = [...TEXT_FIELDS, ...OTHER_FIELDS];
const OWN_FIELDS: readonly string[] = SETTINGS_MEMBERS.map((name) => name.toUpperCase()).filter(
  (name) => !CONTRACT_FIELDS.includes(name) && name !== 'INCLUDE' && name !== 'EXCLUDE',
);
const ORPHAN_PATTERN = new RegExp(
  `^RS_REPLICATION_(.+?)_(${CONTRACT_FIELDS.join('|')}|INCLUDE_.+|EXCLUDE_.+)$`,
);

/** Why a task is left out; the text is that of the contract, without the name. */
class Dropped extends Error {}

export function loadReplications(env: NodeJS.ProcessEnv): ReplicationVariables {
  const names = Object.keys(env).toSorted();
  const ids = taskIds(names);
  const byId = new Map(ids.map((id) => [id, new Map<string, string>()]));
  const used = new Set<string>();
  const orphans = new Set<string>();
  for (const name of names) {
    const id = ids.find((known) => name.startsWith(`${PREFIX}${known}_`));
    if (id !== undefined) {
      byId.get(id)?.set(name.slice(PREFIX.length + id.length + 1), env[name] ?? '');
      used.add(name);
      continue;
    }
    const orphan = ORPHAN_PATTERN.exec(name)?.[1];
    if (orphan === undefined) continue;
    orphans.add(orphan);
    used.add(name);
  }
  const errors: string[] = [];
  const tasks = [...byId].map(([id, fields]) => toTask(id, fields, errors));
  const warnings = [...orphans].map(
    (id) => `${PREFIX}${id}_*: no replication is provisioned; ${PREFIX}${id}_NAME is not set`,
  );
  const replications = onePerName(
    tasks.filter((task) => task !== undefined),
    'replication',
    warnings,
  );
  return { replications, errors, warnings, used };
}

/** The longest first, so that a variable belongs to the most special id. */
function taskIds(names: readonly string[]): readonly string[] {
  const found = names.flatMap((name) => NAME_PATTERN.exec(name)?.[1] ?? []);
  const isTask = (id: string): boolean => {
    const parent = LABEL_ID_PATTERN.exec(id)?.[1];
    if (parent === undefined) return true;
    return REQUIRED_FIELDS.some((field) => names.includes(`${PREFIX}${id}_${field}`));
  };
  return found.filter(isTask).toSorted((a, b) => b.length - a.length || (a < b ? -1 : 1));
}

type Fields = ReadonlyMap<string, string>;

function toTask(id: string, fields: Fields, errors: string[]): ProvisionedReplication | undefined {
  const name = text(fields, 'NAME');
  if (name === undefined) {
    errors.push(`${PREFIX}${id}_NAME is empty: no replication is provisioned`);
    return undefined;
  }
  try {
    const mode = variant(fields, 'MODE', REPLICATION_MODES);
    const bodyText = toBody(id, fields);
    return { name, bodyText, token: fields.get('DST_TOKEN')?.trim(), mode };
  } catch (error) {
    if (!(error instanceof Dropped)) throw error;
    errors.push(`Replication '${name}' has ${error.message}. Drop it.`);
    return undefined;
  }
}

function toBody(id: string, fields: Fields): string {
  const members = new Map<string, string>();
  const set = (member: string, value: unknown): void => {
    if (value !== undefined) members.set(member, JSON.stringify(value));
  };
  set('src_bucket', required(fields, 'SRC_BUCKET', 'source bucket'));
  set('dst_bucket', required(fields, 'DST_BUCKET', 'destination bucket'));
  set('dst_host', hostOf(required(fields, 'DST_HOST', 'remote host')));
  set('entries', entriesOf(fields));
  set('dst_prefix', fields.get('DST_PREFIX'));
  set('compression', variant(fields, 'COMPRESSION', COMPRESSIONS));
  set(
    'each_n',
    number(fields, 'EACH_N', (value) => Number.isSafeInteger(value) && value > 0),
  );
  set(
    'each_s',
    number(fields, 'EACH_S', (value) => Number.isFinite(value) && value >= 0),
  );
  for (const kind of ['INCLUDE', 'EXCLUDE']) {
    const labels = labelsOf(fields, kind);
    if (labels.length > 0) set(kind.toLowerCase(), Object.fromEntries(labels));
  }
  const when = text(fields, 'WHEN');
  if (when !== undefined) members.set('when', conditionOf(when));
  for (const [field, value] of fields) addOther(id, members, field, value);
  return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

/** Own members, and what nobody knows: under its own name it makes the task stand still. */
function addOther(id: string, members: Map<string, string>, field: string, value: string): void {
  if (field === 'NAME' || CONTRACT_FIELDS.includes(field) || LABEL_PATTERN.test(field)) return;
  if (!OWN_FIELDS.includes(field)) members.set(`${PREFIX}${id}_${field}`, 'true');
  else if (value.trim() !== '') members.set(field.toLowerCase(), jsonOrText(value.trim()));
}

/** A list of nothing is no list: it would select every entry. */
function entriesOf(fields: Fields): readonly string[] | undefined {
  const value = text(fields, 'ENTRIES');
  const items = value
    ?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (value !== undefined && items?.length === 0) throw invalid('ENTRIES', value);
  return items;
}

/** Without surrounding spaces; undefined when it is empty. */
function text(fields: Fields, field: string): string | undefined {
  const value = fields.get(field)?.trim();
  return value === '' ? undefined : value;
}

function required(fields: Fields, field: string, what: string): string {
  const value = text(fields, field);
  if (value === undefined) throw new Dropped(`no ${what}`);
  return value;
}

/** Normalised, as the contract stores it. */
function hostOf(value: string): string {
  if (!URL.canParse(value)) throw new Dropped('invalid remote host: it is not an absolute URL');
  const url = new URL(value);
  if (!/^https?:$/.test(url.protocol)) {
    throw new Dropped(`invalid remote host: its scheme is not http or https`);
  }
  return url.href;
}

function variant<T extends string>(
  fields: Fields,
  field: string,
  variants: readonly T[],
): T | undefined {
  const value = text(fields, field);
  const found = variants.find((known) => known === value?.toLowerCase());
  if (value !== undefined && found === undefined) throw invalid(field, value);
  return found;
}

function number(
  fields: Fields,
  field: string,
  isValid: (value: number) => boolean,
): number | undefined {
  const value = text(fields, field);
  if (value === undefined) return undefined;
  const parsed = /^[0-9.]+(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
  if (!isValid(parsed)) throw invalid(field, value);
  return parsed;
}

function invalid(field: string, value: string): Dropped {
  return new Dropped(`invalid ${field.toLowerCase()} '${value}'`);
}

/** The case of a label is kept, and its value as it is. */
function labelsOf(fields: Fields, kind: string): [string, string][] {
  const labels: [string, string][] = [];
  for (const [field, value] of fields) {
    const [, fieldKind, label] = LABEL_PATTERN.exec(field) ?? [];
    if (fieldKind === kind && label !== undefined) labels.push([label, value]);
  }
  return labels;
}

/** Compact, with the order of members and the numbers as they are written. */
function conditionOf(value: string): string {
  try {
    return stringifyJson(parseJson(value, { keepFloats: true }));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new Dropped(`invalid condition: ${error.message}`);
  }
}

function jsonOrText(value: string): string {
  try {
    return stringifyJson(parseJson(value, { keepFloats: true }));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return JSON.stringify(value);
  }
}
