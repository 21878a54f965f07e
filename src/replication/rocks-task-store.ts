/** Tasks, cursors and dead letters in the `meta` family, written through the commit path. */
import type { Catalog } from '../catalog/catalog.ts';
import type { RowCommitter } from '../catalog/ports.ts';
import type { TokenVault } from '../secrets/token-vault.ts';
import { COLUMN_META, META } from '../store/format.ts';
import { metaIdRange, metaKey, metaKey64, metaRange } from '../store/keys.ts';
import type { RowChange } from '../store/row-change.ts';
import type { RangeOptions, RocksDatabase } from '../store/rocks.ts';
import { BugError } from '../errors/errors.ts';
import { DEFAULT_MAX_LETTERS, LetterStore } from './letters/letter-store.ts';
import { decodeRange, encodeRange } from './ranges/range-codec.ts';
import type { RangeChange } from './ranges/range-list.ts';
import type { StoredRange } from './ranges/range.ts';
import type { DayUse } from './budget/budget-plan.ts';
import type { TokenSettings } from './settings.ts';
import {
  decodeCursor,
  decodeDayUse,
  decodeTask,
  encodeCursor,
  encodeDayUse,
  encodeTask,
  tokenForHost,
} from './task-codec.ts';
import type { LoadedTask, StoredTask, TaskCursor, TaskProgress, TaskStore } from './types.ts';

export class RocksTaskStore implements TaskStore {
  readonly #db: RocksDatabase;
  readonly #commits: RowCommitter;
  readonly #catalog: Pick<Catalog, 'takeTaskId' | 'headerRow'>;
  readonly #vault: TokenVault;
  readonly letters: LetterStore;

  constructor(
    db: RocksDatabase,
    commits: RowCommitter,
    catalog: Pick<Catalog, 'takeTaskId' | 'headerRow'>,
    vault: TokenVault,
    maxLetters: number = DEFAULT_MAX_LETTERS,
  ) {
    this.#db = db;
    this.#commits = commits;
    this.#catalog = catalog;
    this.#vault = vault;
    this.letters = new LetterStore(db, commits, maxLetters);
  }

  load(): readonly LoadedTask[] {
    const loaded: LoadedTask[] = [];
    this.#forEachRow(metaRange(META.task), (_key, value) => {
      const { task, isStale } = decodeTask(value, this.#vault);
      const cursor = this.#db.get(COLUMN_META, metaKey(META.cursor, task.id));
      // Both rows are written by one commit; a task without cursor cannot come from this code.
      if (cursor === undefined) throw new BugError(`task ${task.id} '${task.name}' has no cursor`);
      const ranges = this.#rangesOf(task.id);
      const use = this.#db.get(COLUMN_META, metaKey(META.budgetUse, task.id));
      const budgetUse = use === undefined ? null : decodeDayUse(use);
      loaded.push({ task, cursor: decodeCursor(cursor), ranges, budgetUse, isStale });
    });
    this.letters.load();
    return loaded;
  }

  allocateId(): number {
    return this.#catalog.takeTaskId();
  }

  /** The header goes along, because it remembers the ids that were used. */
  async save(task: StoredTask, progress: TaskProgress): Promise<void> {
    await this.#write(task.id, progress, [...this.rowsOf(task), this.#catalog.headerRow()]);
  }

  saveProgress(taskId: number, progress: TaskProgress): Promise<void> {
    return this.#write(taskId, progress, []);
  }

  rowsOf(task: StoredTask): readonly RowChange[] {
    const value = encodeTask(task, this.#vault);
    return [{ column: COLUMN_META, key: metaKey(META.task, task.id), value }];
  }

  tokenForHost(task: StoredTask, dstHost: string): TokenSettings {
    return tokenForHost(task, dstHost, this.#vault);
  }

  async #write(
    taskId: number,
    { cursor, deadLetters, ranges }: TaskProgress,
    others: readonly RowChange[],
  ): Promise<void> {
    const rows = [cursorRow(taskId, cursor), ...ranges.map((change) => rangeRow(taskId, change))];
    const added = this.letters.add(taskId, deadLetters);
    try {
      await this.#commits.commitRows([...others, ...rows, ...added.rows]);
    } catch (error) {
      added.failed();
      throw error;
    }
    added.done();
  }

  async saveBudgetUse(taskId: number, use: DayUse): Promise<void> {
    const key = metaKey(META.budgetUse, taskId);
    await this.#commits.commitRows([{ column: COLUMN_META, key, value: encodeDayUse(use) }]);
  }

  async remove(taskId: number): Promise<void> {
    const rows: RowChange[] = [
      { column: COLUMN_META, key: metaKey(META.task, taskId), value: null },
      { column: COLUMN_META, key: metaKey(META.cursor, taskId), value: null },
      { column: COLUMN_META, key: metaKey(META.budgetUse, taskId), value: null },
    ];
    this.#forEachRow({ ...metaIdRange(META.taskRange, taskId), keysOnly: true }, (key) => {
      rows.push({ column: COLUMN_META, key, value: null });
    });
    await this.letters.removeAll(taskId, (letterRows) =>
      this.#commits.commitRows([...rows, ...letterRows]),
    );
  }

  #rangesOf(taskId: number): StoredRange[] {
    const ranges: StoredRange[] = [];
    this.#forEachRow(metaIdRange(META.taskRange, taskId), (_key, value) => {
      ranges.push(decodeRange(value));
    });
    return ranges;
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

function rangeRow(taskId: number, { id, range }: RangeChange): RowChange {
  const key = metaKey64(META.taskRange, taskId, BigInt(id));
  return { column: COLUMN_META, key, value: range === null ? null : encodeRange(range) };
}

function cursorRow(taskId: number, cursor: TaskCursor): RowChange {
  return { column: COLUMN_META, key: metaKey(META.cursor, taskId), value: encodeCursor(cursor) };
}
