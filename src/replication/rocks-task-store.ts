/** Tasks, cursors and dead letters in the `meta` family, written through the commit path. */
import type { Catalog } from '../catalog/catalog.ts';
import type { RowCommitter } from '../catalog/ports.ts';
import type { TokenVault } from '../secrets/token-vault.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { metaIdRange, metaKey, metaKey64, metaRange } from '../store/keys.ts';
import type { RowChange } from '../store/row-change.ts';
import type { RangeOptions, RocksDatabase } from '../store/rocks.ts';
import { BugError } from '../errors/errors.ts';
import {
  decodeCursor,
  decodeDeadLetter,
  decodeTask,
  encodeCursor,
  encodeDeadLetter,
  encodeTask,
  tokenForHost,
} from './task-codec.ts';
import { decodeRange, encodeRange } from './ranges/range-codec.ts';
import type { RangeChange } from './ranges/range-list.ts';
import type { StoredRange } from './ranges/range.ts';
import type { TokenSettings } from './settings.ts';
import type { DeadLetter, LoadedTask, StoredTask, TaskCursor, TaskStore } from './types.ts';

/** Dead letters kept per task; the oldest are given up beyond (policy `aged_out`, counted). */
export const MAX_DEAD_LETTERS = 10_000;

/** Numbers of a task's letters in the store: [first, next). */
interface LetterRange {
  first: number;
  next: number;
}

export class RocksTaskStore implements TaskStore {
  readonly #db: RocksDatabase;
  readonly #commits: RowCommitter;
  readonly #catalog: Pick<Catalog, 'takeTaskId' | 'headerRow'>;
  readonly #letters = new Map<number, LetterRange>();
  readonly #vault: TokenVault;
  /** Letters given up because a task had too many. */
  agedOutTotal = 0;

  constructor(
    db: RocksDatabase,
    commits: RowCommitter,
    catalog: Pick<Catalog, 'takeTaskId' | 'headerRow'>,
    vault: TokenVault,
  ) {
    this.#db = db;
    this.#commits = commits;
    this.#catalog = catalog;
    this.#vault = vault;
  }

  load(): readonly LoadedTask[] {
    const loaded: LoadedTask[] = [];
    this.#forEachRow(metaRange(META.task), (_key, value) => {
      const { task, isStale } = decodeTask(value, this.#vault);
      const cursor = this.#db.get(COLUMN_META, metaKey(META.cursor, task.id));
      // Both rows are written by one commit; a task without cursor cannot come from this code.
      if (cursor === undefined) throw new BugError(`task ${task.id} '${task.name}' has no cursor`);
      const ranges = this.#rangesOf(task.id);
      loaded.push({ task, cursor: decodeCursor(cursor), ranges, isStale });
    });
    this.#forEachRow({ ...metaRange(META.deadLetter), keysOnly: true }, (key) => {
      const taskId = key.readUInt32BE(1);
      const letter = Number(key.readBigUInt64BE(5));
      const range = this.#lettersOf(taskId);
      if (range.first === range.next) range.first = letter;
      range.next = letter + 1;
    });
    return loaded;
  }

  allocateId(): number {
    return this.#catalog.takeTaskId();
  }

  /** The header goes along, because it remembers the ids that were used. */
  async save(task: StoredTask, cursor: TaskCursor, ranges: readonly RangeChange[]): Promise<void> {
    await this.#commits.commitRows([
      ...this.rowsOf(task),
      cursorRow(task.id, cursor),
      ...ranges.map((change) => rangeRow(task.id, change)),
      this.#catalog.headerRow(),
    ]);
  }

  rowsOf(task: StoredTask): readonly RowChange[] {
    const value = encodeTask(task, this.#vault);
    return [{ column: COLUMN_META, key: metaKey(META.task, task.id), value }];
  }

  tokenForHost(task: StoredTask, dstHost: string): TokenSettings {
    return tokenForHost(task, dstHost, this.#vault);
  }

  async saveProgress(
    taskId: number,
    cursor: TaskCursor,
    deadLetters: readonly DeadLetter[],
    ranges: readonly RangeChange[],
  ): Promise<void> {
    const rows: RowChange[] = [cursorRow(taskId, cursor)];
    for (const change of ranges) rows.push(rangeRow(taskId, change));
    const range = this.#lettersOf(taskId);
    let next = range.next;
    for (const letter of deadLetters) {
      rows.push({
        column: COLUMN_META,
        key: letterKey(taskId, next++),
        value: encodeDeadLetter(letter),
      });
    }
    let first = range.first;
    for (; next - first > MAX_DEAD_LETTERS; first++) {
      rows.push({ column: COLUMN_META, key: letterKey(taskId, first), value: null });
    }
    // Taken before the commit, so that a progress saved meanwhile uses other numbers; a failed one leaves a gap.
    const agedOut = first - range.first;
    range.first = first;
    range.next = next;
    await this.#commits.commitRows(rows);
    this.agedOutTotal += agedOut;
  }

  async remove(taskId: number): Promise<void> {
    const rows: RowChange[] = [
      { column: COLUMN_META, key: metaKey(META.task, taskId), value: null },
      { column: COLUMN_META, key: metaKey(META.cursor, taskId), value: null },
    ];
    for (const kind of [META.deadLetter, META.taskRange]) {
      this.#forEachRow({ ...metaIdRange(kind, taskId), keysOnly: true }, (key) => {
        rows.push({ column: COLUMN_META, key, value: null });
      });
    }
    await this.#commits.commitRows(rows);
    this.#letters.delete(taskId);
  }

  /** Dead letters of a task, oldest first. */
  deadLetters(taskId: number): DeadLetter[] {
    const letters: DeadLetter[] = [];
    this.#forEachRow(metaIdRange(META.deadLetter, taskId), (_key, value) => {
      letters.push(decodeDeadLetter(value));
    });
    return letters;
  }

  #rangesOf(taskId: number): StoredRange[] {
    const ranges: StoredRange[] = [];
    this.#forEachRow(metaIdRange(META.taskRange, taskId), (_key, value) => {
      ranges.push(decodeRange(value));
    });
    return ranges;
  }

  #lettersOf(taskId: number): LetterRange {
    let range = this.#letters.get(taskId);
    if (range === undefined) {
      range = { first: 0, next: 0 };
      this.#letters.set(taskId, range);
    }
    return range;
  }

  #forEachRow(range: RangeOptions, visit: (key: Buffer, value: Buffer) => void): void {
    const iterator = this.#db.iterate(COLUMN_META, range);
    try {
      for (;;) {
        const { rows, finished } = iterator.next(1000);
        for (let i = 0; i < rows.length; i += 2) {
          const key = rows[i];
          if (key !== undefined) visit(key, rows[i + 1] ?? Buffer.alloc(0));
        }
        if (finished) return;
      }
    } finally {
      iterator.close();
    }
  }
}

function letterKey(taskId: number, letter: number): Buffer {
  return metaKey64(META.deadLetter, taskId, BigInt(letter));
}

function rangeRow(taskId: number, { id, range }: RangeChange): RowChange {
  const key = metaKey64(META.taskRange, taskId, BigInt(id));
  return { column: COLUMN_META, key, value: range === null ? null : encodeRange(range) };
}

function cursorRow(taskId: number, cursor: TaskCursor): RowChange {
  return { column: COLUMN_META, key: metaKey(META.cursor, taskId), value: encodeCursor(cursor) };
}
