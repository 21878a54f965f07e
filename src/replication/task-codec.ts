/** Rows of tasks, cursors and dead letters in the store. Versioned; see docs/FORMATS.md. */
import { deserialize, serialize } from 'node:v8';
import { StoreFormatError } from '../errors/errors.ts';
import type { Position } from '../catalog/positions.ts';
import type { FilterState } from './filter-state.ts';
import type { TokenOwner, TokenVault } from '../secrets/token-vault.ts';
import type { DayUse } from './budget/budget-plan.ts';
import type { PastFilters } from './past-filters.ts';
import { targetPlace } from './settings-checks.ts';
import type { TokenSettings } from './settings.ts';
import type { LossCounts } from './source-losses.ts';
import type { DeadLetter, LogGap, StoredTask, TaskCursor } from './types.ts';

/** First byte of rows of cursors and dead letters. */
const VERSION = 1;
/** First byte of rows of tasks. Rows of version 1 hold the token in clear text. */
const TASK_VERSION = 2;

/**
 * Rows are the version byte and JSON. State of filters holds maps and 64-bit integers; it is Node's own serialisation,
 * which later versions of Node read, in base64.
 */
function encode(value: unknown, version: number = VERSION): Buffer {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? member.toString() : member,
  );
  return Buffer.concat([Buffer.from([version]), Buffer.from(text)]);
}

function decode(row: Buffer, what: string, versions: readonly number[] = [VERSION]): unknown {
  if (!versions.includes(row[0] ?? 0))
    throw new StoreFormatError(`A ${what} has the unknown version ${row[0]}`);
  try {
    return JSON.parse(row.toString('utf8', 1));
  } catch (cause) {
    throw new StoreFormatError(`A ${what} cannot be decoded`, { cause });
  }
}

/**
 * The token as it lies in the store, bound to the task and the place it is for; `null`: there is none.
 * @throws UnavailableError when it cannot be sealed.
 */
function sealToken(task: StoredTask, vault: TokenVault): string | null {
  const { dstToken, lockedToken } = task.settings;
  return dstToken === null ? (lockedToken?.sealed ?? null) : vault.seal(dstToken, ownerOf(task));
}

/**
 * The task's token for another place: locked, unless it was once sealed for that one.
 * @throws UnavailableError when it cannot be sealed.
 */
export function tokenForHost(task: StoredTask, dstHost: string, vault: TokenVault): TokenSettings {
  const sealed = sealToken(task, vault);
  if (sealed === null) return { dstToken: null, lockedToken: null };
  const settings = { ...task.settings, dstHost };
  return openToken(sealed, { ...task, settings }, vault).token;
}

interface Opened {
  readonly token: TokenSettings;
  /** It is sealed under an older key. */
  readonly isOld: boolean;
}

function openToken(sealed: string, task: StoredTask, vault: TokenVault): Opened {
  const opened = vault.open(sealed, ownerOf(task));
  if (opened.kind === 'open') {
    return { token: { dstToken: opened.token, lockedToken: null }, isOld: opened.isOld };
  }
  const lockedToken = { sealed, problem: opened.problem };
  return { token: { dstToken: null, lockedToken }, isOld: false };
}

function ownerOf({ id, name, settings }: StoredTask): TokenOwner {
  return { id, name, place: targetPlace(settings.dstHost) };
}

/** @throws UnavailableError when the token cannot be sealed. */
export function encodeTask({ id, name, settings }: StoredTask, vault: TokenVault): Buffer {
  const sealedToken = sealToken({ id, name, settings }, vault);
  // Undefined members are left out of the JSON.
  const others = { ...settings, dstToken: undefined, lockedToken: undefined };
  return encode({ id, name, settings: others, sealedToken }, TASK_VERSION);
}

export interface DecodedTask {
  readonly task: StoredTask;
  /** The row holds the token in clear text, or under an older key: it has to be written again. */
  readonly isStale: boolean;
}

interface TaskRow extends StoredTask {
  readonly sealedToken?: string | null;
}

/** @throws StoreFormatError. */
export function decodeTask(row: Buffer, vault: TokenVault): DecodedTask {
  const { id, name, settings, sealedToken } = decode(row, 'task', [1, TASK_VERSION]) as TaskRow;
  // Rows are written by `encodeTask` only; members that later versions add get their defaults here.
  const known = { ...DEFAULTS, ...settings };
  if (sealedToken === null || sealedToken === undefined) {
    return { task: { id, name, settings: known }, isStale: row[0] !== TASK_VERSION };
  }
  const { token, isOld } = openToken(sealedToken, { id, name, settings: known }, vault);
  return { task: { id, name, settings: { ...known, ...token } }, isStale: isOld };
}

const DEFAULTS = {
  legacy: false,
  compression: 'none',
  dstToken: null,
  lockedToken: null,
  unknownMembers: [],
  order: null,
  budget: null,
} as const;

interface CursorRow {
  readonly position: Position;
  readonly bucketId: number | null;
  readonly gaps: readonly LogGap[];
  readonly removedAtSource: number;
  /** Missing in rows of former versions. */
  readonly removedByCause?: LossCounts;
  /** Missing in rows of former versions. */
  readonly droppedRecords?: number;
  /** Missing in rows of former versions. */
  readonly pastFilters?: readonly PastFilters[];
  readonly filterState: string | null;
}

export function encodeCursor(cursor: TaskCursor): Buffer {
  const { position, bucketId, gaps, removedAtSource, droppedRecords, pastFilters } = cursor;
  const { removedByCause = {} } = cursor;
  const filterState = encodeFilterState(cursor.filterState);
  const counts = { removedAtSource, removedByCause, droppedRecords };
  const row: CursorRow = { position, bucketId, gaps, ...counts, pastFilters, filterState };
  return encode(row);
}

/** @throws StoreFormatError. */
export function decodeCursor(bytes: Buffer): TaskCursor {
  const row = decode(bytes, 'cursor') as CursorRow;
  const { position, bucketId, gaps, removedAtSource, droppedRecords = 0, pastFilters = [] } = row;
  const { removedByCause = {} } = row;
  const filterState = decodeFilterState(row.filterState);
  const counts = { removedAtSource, removedByCause, droppedRecords };
  return { position, bucketId, gaps, ...counts, pastFilters, filterState };
}

/** Text of a state of filters within a row. */
export function encodeFilterState(state: FilterState | null): string | null {
  return state === null ? null : serialize(state).toString('base64');
}

export function decodeFilterState(text: string | null): FilterState | null {
  if (text === null) return null;
  // Written by `encodeFilterState` only.
  return deserialize(Buffer.from(text, 'base64')) as FilterState;
}

/** Members that rows of former versions lack. Entry ids begin at 1: 0 stands for one that is only known by name. */
const LETTER_DEFAULTS = {
  entryId: 0,
  kind: 'write',
  reason: 'refused',
  lengthBytes: 0,
  attempts: 1,
} as const;

export function encodeDayUse(use: DayUse): Buffer {
  return encode(use);
}

/** @throws StoreFormatError. */
export function decodeDayUse(row: Buffer): DayUse {
  return decode(row, 'day of a link budget') as DayUse;
}

export function encodeDeadLetter(letter: DeadLetter): Buffer {
  return encode(letter);
}

/** @throws StoreFormatError. */
export function decodeDeadLetter(row: Buffer): DeadLetter {
  const letter = decode(row, 'dead letter') as Omit<DeadLetter, 'ts'> & { readonly ts: string };
  return { ...LETTER_DEFAULTS, ...letter, ts: BigInt(letter.ts) };
}

export { decode as decodeRow, encode as encodeRow };
