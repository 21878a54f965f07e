/** Dead letters of a task for people: the list, and what they decide. Main thread only. */
import type { ReplicationPool } from '../messages.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Task } from '../task.ts';
import type { LetterSelection, StoredLetter } from './letter.ts';
import type { LetterStore, NameOf } from './letter-store.ts';

export interface LetterPageRequest {
  /** Id of the last letter of the page before; 0 for the first page. */
  readonly afterId: number;
  readonly limit: number;
  /** Only letters of this entry, as it is called now. */
  readonly entryName: string | undefined;
}

/** Management of dead letters as the front uses it. Everything throws ApiError 404 when there is no such task. */
export interface DeadLetters {
  /** The page as JSON, oldest first. */
  list(taskName: string, request: LetterPageRequest): Promise<string>;
  /** Marks letters to be sent again as soon as the task sends. @returns how many were not marked before. */
  retry(taskName: string, selection: LetterSelection): Promise<number>;
  /** Gives letters up for good. @returns how many. */
  discard(taskName: string, selection: LetterSelection): Promise<number>;
}

export interface LetterServiceOptions {
  readonly pool: ReplicationPool;
  readonly scheduler: Scheduler;
  readonly store: LetterStore;
  /** @throws ApiError 404. */
  readonly existing: (taskName: string) => Task;
}

export class LetterService implements DeadLetters {
  readonly #options: LetterServiceOptions;

  constructor(options: LetterServiceOptions) {
    this.#options = options;
  }

  async list(taskName: string, request: LetterPageRequest): Promise<string> {
    const { existing, store } = this.#options;
    const { afterId, limit, entryName } = request;
    const task = existing(taskName);
    const nameOf = this.#nameOf(task);
    const isWanted = (letter: StoredLetter): boolean =>
      entryName === undefined || nameOf(letter) === entryName;
    const found = await store.read(task.id, afterId, limit + 1, isWanted);
    const page = found.slice(0, limit);
    const isThere = await this.#inspect(task, page);
    const items = page.map((letter, at) => toJson(letter, nameOf(letter), isThere[at] ?? false));
    const next = found.length > limit ? (page.at(-1)?.id ?? null) : null;
    const { current, queued } = store.figures(task.id);
    const counts = `"total":${current},"queued":${queued}`;
    return `{"dead_letters":[${items.join(',')}],"next":${next},${counts}}`;
  }

  async retry(taskName: string, selection: LetterSelection): Promise<number> {
    const { existing, store, scheduler } = this.#options;
    const task = existing(taskName);
    const queued = await store.queue(task.id, selection, this.#nameOf(task));
    scheduler.letters.reset(task);
    await scheduler.letters.dropGone(task);
    scheduler.recheck(task);
    return queued;
  }

  async discard(taskName: string, selection: LetterSelection): Promise<number> {
    const task = this.#options.existing(taskName);
    return this.#options.store.discard(task.id, selection, this.#nameOf(task));
  }

  #nameOf(task: Task): NameOf {
    const { letters } = this.#options.scheduler;
    return (letter) => letters.entryOf(task, letter)?.name ?? letter.entryName;
  }

  /** Whether the records are still there. */
  async #inspect(task: Task, letters: readonly StoredLetter[]): Promise<readonly boolean[]> {
    const { pool, scheduler } = this.#options;
    if (letters.length === 0) return [];
    // Entry ids begin at 1: nothing is found under 0.
    const places = letters.map((letter) => ({
      entryId: scheduler.letters.entryOf(task, letter)?.id ?? 0,
      ts: letter.ts,
    }));
    const result = await pool.run({ kind: 'inspect', places });
    return result.kind === 'inspect' ? result.isThere : [];
  }
}

function toJson(letter: StoredLetter, entryName: string, isThere: boolean): string {
  const { id, ts, kind, reason, status, message, lengthBytes, refusedAtMs, attempts } = letter;
  const members = JSON.stringify({
    kind,
    reason,
    status,
    message,
    size: lengthBytes,
    refused_at: new Date(refusedAtMs).toISOString(),
    attempts,
    queued: letter.isQueued,
    is_at_source: isThere,
  });
  // Timestamps may be longer than what a double holds.
  return `{"id":${id},"entry":${JSON.stringify(entryName)},"ts":${ts},${members.slice(1)}`;
}
