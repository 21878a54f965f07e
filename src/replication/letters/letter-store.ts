/**
 * Dead letters in the `meta` family. New ones go into the commit of the cursor that passes them; every other change is a
 * commit of its own. Main thread only; nothing here takes longer than for a page of letters.
 */
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import { crashPoint } from '../../crash/crash-points.ts';
import type { RowCommitter } from '../../catalog/ports.ts';
import { COLUMN_META, META } from '../../store/format.ts';
import { metaIdRange, metaKey64, metaRange } from '../../store/keys.ts';
import type { RocksReader } from '../../store/rocks.ts';
import type { RowChange } from '../../store/row-change.ts';
import { decodeDeadLetter, encodeDeadLetter } from '../task-codec.ts';
import type { DeadLetter } from '../types.ts';
import type { LetterFigures, LetterOutcome, LetterSelection, StoredLetter } from './letter.ts';
import { LetterIndex } from './letter-index.ts';

/** Dead letters kept per task when nothing else is said; the oldest are given up beyond (policy `aged_out`, counted). */
export const DEFAULT_MAX_LETTERS = 10_000;

/** Letters read or written at once; the event loop turns between. */
const PAGE_LETTERS = 500;

/** New letters with the cursor that passes them. Exactly one of `done` and `failed` has to be called. */
export interface LetterAddition {
  readonly rows: readonly RowChange[];
  done(): void;
  failed(): void;
}

export class LetterStore {
  readonly #db: RocksReader;
  readonly #commits: Pick<RowCommitter, 'commitRows'>;
  readonly #maxLetters: number;
  readonly #indexes: Map<number, LetterIndex> = new Map();
  /** Changes of letters of one task come one after the other. */
  readonly #changing: Map<number, Promise<unknown>> = new Map();

  /** @param maxLetters kept per task. */
  constructor(
    db: RocksReader,
    commits: Pick<RowCommitter, 'commitRows'>,
    maxLetters: number = DEFAULT_MAX_LETTERS,
  ) {
    this.#db = db;
    this.#commits = commits;
    this.#maxLetters = maxLetters;
  }

  /** Reads which letters there are; once, at the start. */
  load(): void {
    const iterator = this.#db.iterate(COLUMN_META, metaRange(META.deadLetter));
    try {
      for (;;) {
        const { rows, finished } = iterator.next(1000);
        for (let i = 0; i + 1 < rows.length; i += 2) {
          const key = rows[i];
          const value = rows[i + 1];
          if (key === undefined || value === undefined) continue;
          const { isQueued } = decodeDeadLetter(value);
          this.#indexOf(key.readUInt32BE(1)).load(idOfKey(key), isQueued === true);
        }
        if (finished) return;
      }
    } finally {
      iterator.close();
    }
  }

  figures(taskId: number): LetterFigures {
    const index = this.#indexOf(taskId);
    return { ...index.totals, current: index.size, queued: index.queuedSize };
  }

  queuedCount(taskId: number): number {
    return this.#indexes.get(taskId)?.queuedSize ?? 0;
  }

  /** Rows for new letters, and for those that have to go for them. */
  add(taskId: number, letters: readonly DeadLetter[]): LetterAddition {
    const index = this.#indexOf(taskId);
    const ids = index.add(letters.length, Date.now() * 1000);
    const rows: RowChange[] = letters.map((letter, at) => letterRow(taskId, ids[at] ?? 0, letter));
    const agedOut = index.oldest(this.#maxLetters);
    const queued = agedOut.filter((id) => index.isQueued(id));
    index.delete(agedOut);
    for (const id of agedOut) rows.push(letterRow(taskId, id, null));
    return {
      rows,
      done: () => {
        index.totals.added += letters.length;
        index.totals.agedOut += agedOut.length;
      },
      failed: () => {
        const before = agedOut.filter((id) => !ids.includes(id));
        index.delete(ids);
        index.restore(before, queued);
      },
    };
  }

  /**
   * At most `limit` letters behind `afterId`, oldest first.
   * @param isWanted looks at more letters than it takes, a page at a time.
   */
  async read(
    taskId: number,
    afterId: number,
    limit: number,
    isWanted: (letter: StoredLetter) => boolean = () => true,
  ): Promise<StoredLetter[]> {
    const found: StoredLetter[] = [];
    let at = afterId;
    for (;;) {
      const page = this.#page(taskId, at);
      for (const letter of page) {
        at = letter.id;
        if (isWanted(letter)) found.push(letter);
        if (found.length >= limit) return found;
      }
      if (page.length < PAGE_LETTERS) return found;
      await yieldToLoop();
    }
  }

  /** The first letters that are to be sent again. */
  queued(taskId: number, max: number): StoredLetter[] {
    return this.#existing(taskId, this.#indexOf(taskId).queued(max));
  }

  /** Marks letters to be sent again, also after a restart. @returns how many were not marked before. */
  queue(taskId: number, selection: LetterSelection, nameOf: NameOf): Promise<number> {
    const index = this.#indexOf(taskId);
    return this.#forSelected(taskId, selection, nameOf, async (letters) => {
      const idle = letters.filter(({ id }) => index.has(id) && !index.isQueued(id));
      await this.#write(taskId, idle, (letter) => ({ ...letter, isQueued: true }));
      // Some may have aged out meanwhile.
      index.setQueued(
        idle.map(({ id }) => id),
        true,
      );
      return idle.length;
    });
  }

  /** Gives letters up for good. @returns how many. */
  discard(taskId: number, selection: LetterSelection, nameOf: NameOf): Promise<number> {
    return this.#forSelected(taskId, selection, nameOf, async (letters) => {
      const discarded = await this.#delete(
        taskId,
        letters.map(({ id }) => id),
      );
      this.#indexOf(taskId).totals.discarded += discarded;
      return discarded;
    });
  }

  /** Takes in what became of letters that were sent again, in one commit. */
  settle(taskId: number, outcomes: readonly LetterOutcome[]): Promise<void> {
    return this.#exclusively(taskId, async () => {
      const index = this.#indexOf(taskId);
      const known = outcomes.filter(({ id }) => index.has(id));
      const left = known.filter(({ fate }) => fate !== 'refused');
      const refused = new Map<number, DeadLetter>();
      for (const outcome of known) {
        if (outcome.fate === 'refused') refused.set(outcome.id, outcome.letter);
      }
      const letters = this.#existing(taskId, [...refused.keys()]);
      const rows = letters.map(({ attempts, ...letter }) => {
        const again = { ...letter, ...refused.get(letter.id), attempts: attempts + 1 };
        return letterRow(taskId, letter.id, { ...again, id: letter.id, isQueued: false });
      });
      await this.#delete(
        taskId,
        left.map(({ id }) => id),
        rows,
      );
      crashPoint('letters-settled');
      for (const outcome of left) {
        if (outcome.fate === 'gone') index.totals.gone[outcome.cause]++;
        else index.totals.delivered++;
      }
      index.setQueued([...refused.keys()], false);
      index.totals.refusedAgain += letters.length;
    });
  }

  /**
   * Removes all letters of a task.
   * @param commit of the rows that do so. No change of these letters is under way meanwhile.
   */
  removeAll(taskId: number, commit: (rows: readonly RowChange[]) => Promise<void>): Promise<void> {
    return this.#exclusively(taskId, async () => {
      await commit(this.#removalRows(taskId));
      this.#indexes.delete(taskId);
    });
  }

  #removalRows(taskId: number): RowChange[] {
    const rows: RowChange[] = [];
    const range = { ...metaIdRange(META.deadLetter, taskId), keysOnly: true };
    const iterator = this.#db.iterate(COLUMN_META, range);
    try {
      for (;;) {
        const page = iterator.next(1000);
        for (let i = 0; i < page.rows.length; i += 2) {
          const key = page.rows[i];
          if (key !== undefined) rows.push({ column: COLUMN_META, key, value: null });
        }
        if (page.finished) return rows;
      }
    } finally {
      iterator.close();
    }
  }

  #indexOf(taskId: number): LetterIndex {
    let index = this.#indexes.get(taskId);
    if (index === undefined) {
      index = new LetterIndex();
      this.#indexes.set(taskId, index);
    }
    return index;
  }

  #page(taskId: number, afterId: number): StoredLetter[] {
    const { lt } = metaIdRange(META.deadLetter, taskId);
    const gt = letterKey(taskId, afterId);
    const iterator = this.#db.iterate(COLUMN_META, { gt, lt, limit: PAGE_LETTERS });
    try {
      const { rows } = iterator.next(PAGE_LETTERS);
      const letters: StoredLetter[] = [];
      for (let i = 0; i + 1 < rows.length; i += 2) {
        const key = rows[i];
        const value = rows[i + 1];
        if (key !== undefined && value !== undefined) letters.push(toStored(idOfKey(key), value));
      }
      return letters;
    } finally {
      iterator.close();
    }
  }

  #existing(taskId: number, ids: readonly number[]): StoredLetter[] {
    return ids.flatMap((id) => {
      const value = this.#db.get(COLUMN_META, letterKey(taskId, id));
      return value === undefined ? [] : [toStored(id, value)];
    });
  }

  /** Page by page, so that no commit and no turn is long. @returns the sum of what `change` returns. */
  #forSelected(
    taskId: number,
    selection: LetterSelection,
    nameOf: NameOf,
    change: (letters: readonly StoredLetter[]) => Promise<number>,
  ): Promise<number> {
    return this.#exclusively(taskId, async () => {
      let changed = 0;
      if (selection.kind === 'ids') {
        for (let at = 0; at < selection.ids.length; at += PAGE_LETTERS) {
          const ids = selection.ids.slice(at, at + PAGE_LETTERS);
          changed += await change(this.#existing(taskId, ids));
        }
        return changed;
      }
      const isWanted = (letter: StoredLetter): boolean =>
        selection.kind === 'all' || nameOf(letter) === selection.entryName;
      for (let after = 0; ;) {
        const page = this.#page(taskId, after);
        const last = page.at(-1);
        if (last === undefined) return changed;
        changed += await change(page.filter(isWanted));
        after = last.id;
        await yieldToLoop();
      }
    });
  }

  async #write(
    taskId: number,
    letters: readonly StoredLetter[],
    changed: (letter: StoredLetter) => StoredLetter,
  ): Promise<void> {
    if (letters.length === 0) return;
    await this.#commits.commitRows(
      letters.map((letter) => letterRow(taskId, letter.id, changed(letter))),
    );
  }

  /** @param others rows of the same commit. */
  async #delete(
    taskId: number,
    ids: readonly number[],
    others: readonly RowChange[] = [],
  ): Promise<number> {
    const index = this.#indexOf(taskId);
    const known = [...new Set(ids)].filter((id) => index.has(id));
    if (known.length + others.length === 0) return 0;
    const queued = known.filter((id) => index.isQueued(id));
    index.delete(known);
    try {
      const removed = known.map((id) => letterRow(taskId, id, null));
      await this.#commits.commitRows([...removed, ...others]);
    } catch (error) {
      index.restore(known, queued);
      throw error;
    }
    return known.length;
  }

  async #exclusively<T>(taskId: number, change: () => Promise<T>): Promise<T> {
    const before = this.#changing.get(taskId) ?? Promise.resolve();
    const mine = before.then(change, change);
    this.#changing.set(taskId, mine);
    try {
      return await mine;
    } finally {
      if (this.#changing.get(taskId) === mine) this.#changing.delete(taskId);
    }
  }
}

/** Name of the entry of a letter as it is called now. */
export type NameOf = (letter: DeadLetter) => string;

function toStored(id: number, value: Buffer): StoredLetter {
  const letter = decodeDeadLetter(value);
  return { ...letter, id, isQueued: letter.isQueued === true };
}

function letterRow(
  taskId: number,
  id: number,
  letter: (DeadLetter & Partial<StoredLetter>) | null,
): RowChange {
  const key = letterKey(taskId, id);
  if (letter === null) return { column: COLUMN_META, key, value: null };
  const { id: _, ...row } = letter;
  return { column: COLUMN_META, key, value: encodeDeadLetter(row) };
}

function letterKey(taskId: number, id: number): Buffer {
  return metaKey64(META.deadLetter, taskId, BigInt(id));
}

function idOfKey(key: Buffer): number {
  return Number(key.readBigUInt64BE(5));
}
