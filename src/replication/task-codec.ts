/** Rows of tasks, cursors and dead letters in the store. Versioned; see docs/FORMATS.md. */
import { deserialize, serialize } from 'node:v8';
import { StoreFormatError } from '../errors/errors.ts';
import type { Position } from '../catalog/positions.ts';
import type { FilterState } from './filter-state.ts';
import type { ReplicationSettings } from './settings.ts';
import type { DeadLetter, LogGap, StoredTask, TaskCursor } from './types.ts';

/** First byte of every row. */
const VERSION = 1;

/**
 * Rows are the version byte and JSON. State of filters holds maps and 64-bit integers; it is Node's own serialisation,
 * which later versions of Node read, in base64.
 */
function encode(value: unknown): Buffer {
  const text = JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? member.toString() : member,
  );
  return Buffer.concat([Buffer.from([VERSION]), Buffer.from(text)]);
}

function decode(row: Buffer, what: string): unknown {
  if (row[0] !== VERSION) throw new StoreFormatError(`A ${what} has the unknown version ${row[0]}`);
  try {
    return JSON.parse(row.toString('utf8', 1));
  } catch (cause) {
    throw new StoreFormatError(`A ${what} cannot be decoded`, { cause });
  }
}

/** Holds the token in clear text, as does the wire. */
export function encodeTask({ id, name, settings }: StoredTask): Buffer {
  return encode({ id, name, settings });
}

/** @throws StoreFormatError. */
export function decodeTask(row: Buffer): StoredTask {
  const { id, name, settings } = decode(row, 'task') as StoredTask;
  // Rows are written by `encodeTask` only; members that later versions add get their defaults here.
  return { id, name, settings: { ...DEFAULTS, ...settings } };
}

const DEFAULTS: Partial<ReplicationSettings> = { legacy: false, compression: 'none' };

interface CursorRow {
  readonly position: Position;
  readonly bucketId: number | null;
  readonly gaps: readonly LogGap[];
  readonly removedAtSource: number;
  readonly filterState: string | null;
}

export function encodeCursor(cursor: TaskCursor): Buffer {
  const { position, bucketId, gaps, removedAtSource } = cursor;
  const state = cursor.filterState;
  const filterState = state === null ? null : serialize(state).toString('base64');
  const row: CursorRow = { position, bucketId, gaps, removedAtSource, filterState };
  return encode(row);
}

/** @throws StoreFormatError. */
export function decodeCursor(bytes: Buffer): TaskCursor {
  const row = decode(bytes, 'cursor') as CursorRow;
  const { position, bucketId, gaps, removedAtSource } = row;
  const state: unknown =
    row.filterState === null ? null : deserialize(Buffer.from(row.filterState, 'base64'));
  return { position, bucketId, gaps, removedAtSource, filterState: state as FilterState | null };
}

export function encodeDeadLetter(letter: DeadLetter): Buffer {
  return encode(letter);
}

/** @throws StoreFormatError. */
export function decodeDeadLetter(row: Buffer): DeadLetter {
  const letter = decode(row, 'dead letter') as Omit<DeadLetter, 'ts'> & { readonly ts: string };
  return { ...letter, ts: BigInt(letter.ts) };
}
