/** Rows of tasks, cursors and dead letters in the store. Versioned; see docs/FORMATS.md. */
import { deserialize, serialize } from 'node:v8';
import { StoreFormatError } from '../errors/errors.ts';
import type { Position } from '../catalog/positions.ts';
import type { FilterState } from './filter-state.ts';
import type { TokenVault } from '../secrets/token-vault.ts';
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

/** @throws UnavailableError when the token cannot be sealed. */
export function encodeTask({ id, name, settings }: StoredTask, vault: TokenVault): Buffer {
  const { dstToken, lockedToken, ...others } = settings;
  const sealedToken =
    dstToken === null ? (lockedToken?.sealed ?? null) : vault.seal(dstToken, { id, name });
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
  const opened = vault.open(sealedToken, { id, name });
  if (opened.kind === 'open') {
    const settingsOpened = { ...known, dstToken: opened.token };
    return { task: { id, name, settings: settingsOpened }, isStale: opened.isOld };
  }
  const lockedToken = { sealed: sealedToken, problem: opened.problem };
  return { task: { id, name, settings: { ...known, lockedToken } }, isStale: false };
}

const DEFAULTS = {
  legacy: false,
  compression: 'none',
  dstToken: null,
  lockedToken: null,
  unknownMembers: [],
  order: null,
} as const;

interface CursorRow {
  readonly position: Position;
  readonly bucketId: number | null;
  readonly gaps: readonly LogGap[];
  readonly removedAtSource: number;
  readonly filterState: string | null;
}

export function encodeCursor(cursor: TaskCursor): Buffer {
  const { position, bucketId, gaps, removedAtSource } = cursor;
  const filterState = encodeFilterState(cursor.filterState);
  const row: CursorRow = { position, bucketId, gaps, removedAtSource, filterState };
  return encode(row);
}

/** @throws StoreFormatError. */
export function decodeCursor(bytes: Buffer): TaskCursor {
  const row = decode(bytes, 'cursor') as CursorRow;
  const { position, bucketId, gaps, removedAtSource } = row;
  const filterState = decodeFilterState(row.filterState);
  return { position, bucketId, gaps, removedAtSource, filterState };
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

export function encodeDeadLetter(letter: DeadLetter): Buffer {
  return encode(letter);
}

/** @throws StoreFormatError. */
export function decodeDeadLetter(row: Buffer): DeadLetter {
  const letter = decode(row, 'dead letter') as Omit<DeadLetter, 'ts'> & { readonly ts: string };
  return { ...LETTER_DEFAULTS, ...letter, ts: BigInt(letter.ts) };
}

export { decode as decodeRow, encode as encodeRow };
