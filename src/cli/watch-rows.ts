/** What `watch` shows of a replication task. */
import { isJsonObject, type JsonObject } from '../wire/json.ts';
import type { AdminClient } from './api/admin-client.ts';
import { countMember, flagMember, objectMember, objectOf, textMember } from './api/members.ts';
import type { Plain } from './output/json-text.ts';
import { cutText, fitRows, markdownTable } from './output/table.ts';

/** A task at one moment. */
export interface TaskLook {
  readonly name: string;
  readonly mode: string;
  readonly isActive: boolean;
  readonly pendingRecords: bigint;
  /** Records since the server's start; `null` where only the last hour is known. */
  readonly sentRecords: bigint | null;
  /** Of the last hour, interpolated in the first. */
  readonly hourlyRecords: bigint;
  readonly lagSeconds: number | null;
  readonly lastError: string;
  /** ms of a monotonic clock. */
  readonly atMs: number;
}

export interface TaskRow {
  readonly name: string;
  readonly state: string;
  /** `120/s`. */
  readonly rate: string;
  readonly lag: string;
  readonly pending: string;
  readonly lastError: string;
  readonly look: TaskLook;
  readonly recordsPerSecond: number | null;
}

/** Millrace tells everything in the list; of ReductStore each task is asked for its diagnostics. */
export async function readTask(
  client: AdminClient,
  item: JsonObject,
  atMs: number,
): Promise<TaskLook> {
  const name = textMember(item, 'name');
  const common = {
    name,
    mode: textMember(item, 'mode', 'enabled'),
    isActive: flagMember(item, 'is_active'),
    pendingRecords: countMember(item, 'pending_records'),
    atMs,
  };
  if (item.has('extended')) {
    const extended = objectMember(item, 'extended');
    const { code, message } = errorOf(objectMember(extended, 'last_error'));
    return {
      ...common,
      sentRecords: countMember(extended, 'sent_records'),
      hourlyRecords: 0n,
      lagSeconds: numberMember(extended, 'lag_seconds'),
      lastError: message === '' ? '' : `${code} ${message}`,
    };
  }
  const path = `replications/${encodeURIComponent(name)}`;
  const detail = objectOf(await client.get(path), 'task');
  const hourly = objectMember(objectMember(detail, 'diagnostics'), 'hourly');
  return {
    ...common,
    sentRecords: null,
    hourlyRecords: countMember(hourly, 'ok'),
    lagSeconds: null,
    lastError: mostFrequent(objectMember(hourly, 'errors')),
  };
}

/** @param before the look before, for the rate between both. */
export function toRow(look: TaskLook, before: TaskLook | undefined): TaskRow {
  const { name, lagSeconds, pendingRecords, lastError } = look;
  const recordsPerSecond = rateOf(look, before);
  return {
    name,
    state: stateOf(look),
    rate: recordsPerSecond === null ? '-' : `${Math.round(recordsPerSecond)}/s`,
    lag: lagSeconds === null ? '-' : `${lagSeconds.toFixed(1)}s`,
    pending: pendingRecords.toString(),
    lastError,
    look,
    recordsPerSecond,
  };
}

/** What a terminal shows at once. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
}

const HEAD = ['Name', 'State', 'Rate', 'Lag', 'Pending', 'Last Error'];
/** The last error gives way first, then the name. */
const CUT_COLUMNS = [5, 0];
/** Head, rule, the line about the others, and the one with the cursor. */
const OTHER_LINES = 4;

/** A table that fits on a screen: where there is no room for all tasks, it shows those in trouble and counts the others. */
export function watchScreen(rows: readonly TaskRow[], screen: Screen): string {
  const room = Math.max(1, screen.rows - OTHER_LINES);
  const shown = rows.length <= room ? rows : rows.toSorted(byTrouble).slice(0, room);
  const lines = watchTable(shown, screen.columns).split('\n');
  if (shown.length < rows.length) lines.push(othersText(rows, shown));
  return lines.map((line) => cutText(line, screen.columns)).join('\n');
}

/** Unreachable targets, then errors, then what is pending. */
function byTrouble(a: TaskRow, b: TaskRow): number {
  const weight = ({ look, lastError }: TaskRow): number =>
    (look.mode === 'enabled' && !look.isActive ? 2 : 0) + (lastError === '' ? 0 : 1);
  return weight(b) - weight(a) || Number(b.look.pendingRecords - a.look.pendingRecords);
}

/** `… and 90 more: 80 Running, 10 Paused` */
function othersText(rows: readonly TaskRow[], shown: readonly TaskRow[]): string {
  const isShown = new Set(shown);
  const others = rows.filter((row) => !isShown.has(row));
  const counts = new Map<string, number>();
  for (const { state } of others) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  return `… and ${others.length} more: ${states}`;
}

function watchTable(rows: readonly TaskRow[], columns: number): string {
  const cells = rows.map(({ name, state, rate, lag, pending, lastError }) => [
    name,
    state,
    rate,
    lag,
    pending,
    lastError === '' ? '-' : lastError,
  ]);
  return markdownTable(HEAD, fitRows(HEAD, cells, columns, CUT_COLUMNS));
}

export function taskJson({ look, recordsPerSecond }: TaskRow): { readonly [name: string]: Plain } {
  return {
    name: look.name,
    mode: look.mode,
    is_active: look.isActive,
    pending_records: look.pendingRecords,
    records_per_second: recordsPerSecond,
    lag_seconds: look.lagSeconds,
    last_error: look.lastError === '' ? null : look.lastError,
  };
}

/** In the words of the console (replication §10). */
function stateOf({ mode, isActive }: TaskLook): string {
  if (mode === 'disabled') return 'Disabled';
  if (mode === 'paused') return 'Paused';
  return isActive ? 'Running' : 'Target Unreachable';
}

function rateOf(look: TaskLook, before: TaskLook | undefined): number | null {
  if (look.sentRecords === null) return Number(look.hourlyRecords) / 3600;
  if (before?.sentRecords === undefined || before.sentRecords === null) return null;
  const seconds = (look.atMs - before.atMs) / 1000;
  // A server that was started again counts from 0.
  const records = Number(look.sentRecords - before.sentRecords);
  return seconds > 0 && records >= 0 ? records / seconds : null;
}

function errorOf(error: JsonObject): { readonly code: string; readonly message: string } {
  return {
    code: numberMember(error, 'code')?.toString() ?? '',
    message: textMember(error, 'message'),
  };
}

function mostFrequent(errors: JsonObject): string {
  let most = -1n;
  let text = '';
  for (const [code, error] of errors) {
    if (!isJsonObject(error)) continue;
    const count = countMember(error, 'count');
    if (count > most) text = `${code} ${textMember(error, 'last_message')}`;
    if (count > most) most = count;
  }
  return text;
}

function numberMember(object: JsonObject, name: string): number | null {
  const value = object.get(name);
  if (typeof value === 'number') return value;
  return typeof value === 'object' &&
    value !== null &&
    'value' in value &&
    typeof value.value === 'number'
    ? value.value
    : null;
}
