/**
 * Sends queued dead letters of tasks, in turn with their live records and never at the same time: what was read of a record
 * must not arrive behind a later change of it. Main thread only.
 */
import { crashPoint } from '../../crash/crash-points.ts';
import type { Logger } from '../../logging/logger.ts';
import { rateLimited } from '../../logging/rate-limit.ts';
import { type BackoffState, backOff, NO_BACKOFF } from '../backoff.ts';
import type { LetterPlace, ReplicationPool, ResendResult, SliceFailure } from '../messages.ts';
import { countTraffic } from '../slice-report.ts';
import type { Task } from '../task.ts';
import type { DeadLetter, ReplicationSource } from '../types.ts';
import type { LetterOutcome, StoredLetter } from './letter.ts';
import type { LetterStore } from './letter-store.ts';

/** Letters of one job. */
const MAX_LETTERS = 256;

const LOG_INTERVAL_MS = 30_000;

export interface LetterRetryOptions {
  readonly pool: ReplicationPool;
  readonly source: ReplicationSource;
  readonly store: LetterStore;
  readonly logger: Logger;
  /** Monotonic clock in ms. */
  readonly nowMs: () => number;
  readonly random: () => number;
  /** Called when letters of a task may be sent. */
  readonly wake: (task: Task) => void;
}

/** Failures of letters say nothing about live records, and the other way round. */
interface Turn {
  backoff: BackoffState;
  notBeforeMs: number;
  timer: NodeJS.Timeout | undefined;
  /** The last turn was that of the letters. */
  wasLast: boolean;
}

export class LetterRetry {
  readonly #options: LetterRetryOptions;
  readonly #turns: WeakMap<Task, Turn> = new WeakMap();

  constructor(options: LetterRetryOptions) {
    this.#options = options;
  }

  /** Whether letters go now. @param hasWork live records wait, too: they get every other turn. */
  takesTurn(task: Task, hasWork: boolean): boolean {
    const { store, nowMs } = this.#options;
    if (store.queuedCount(task.id) === 0) return false;
    const turn = this.#turnOf(task);
    if (nowMs() < turn.notBeforeMs || (turn.wasLast && hasWork)) {
      turn.wasLast = false;
      return false;
    }
    turn.wasLast = true;
    return true;
  }

  /** New settings, or somebody asks: there is nothing to wait for. */
  reset(task: Task): void {
    clearTimeout(this.#turns.get(task)?.timer);
    this.#turns.delete(task);
  }

  /** Name and id of a letter's entry as they are now; undefined when it was removed. */
  entryOf(
    task: Task,
    letter: DeadLetter,
  ): { readonly id: number; readonly name: string } | undefined {
    const { source } = this.#options;
    const { entryId, entryName: name } = letter;
    if (entryId !== 0) return source.entry(entryId);
    const entry = source.findEntry(task.settings.srcBucket, name);
    return entry && { id: entry.id, name };
  }

  /** Settles queued letters whose entries were removed: for these nobody has to be asked. */
  async dropGone(task: Task): Promise<void> {
    const { store } = this.#options;
    for (;;) {
      const letters = store.queued(task.id, MAX_LETTERS);
      const gone = letters.filter((letter) => this.entryOf(task, letter) === undefined);
      if (gone.length === 0) return;
      await store.settle(task.id, gone.map(goneWithEntry));
    }
  }

  /** One job. Never rejects. */
  async run(task: Task): Promise<void> {
    const { version } = task;
    let failure: SliceFailure | null;
    try {
      await this.dropGone(task);
      const letters = this.#places(task, this.#options.store.queued(task.id, MAX_LETTERS));
      failure = letters.length === 0 ? null : await this.#send(task, letters);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failure = { kind: 'bug', key: -1, message, retryAfterMs: null };
    }
    if (failure !== null && version === task.version) this.#defer(task, failure);
    else if (failure === null) this.#turnOf(task).backoff = NO_BACKOFF;
  }

  async #send(task: Task, letters: readonly LetterPlace[]): Promise<SliceFailure | null> {
    const { pool, store } = this.#options;
    const { version } = task;
    const { spec, bucketId, line } = task;
    const { budget } = task.settings;
    const allowanceBytes = budget && task.budget.sliceBudget(budget).allowanceBytes;
    const buffers = { line: line.buffer, letters, allowanceBytes };
    const job = { kind: 'resend', task: spec, bucketId, ...buffers } as const;
    const result = await pool.run(job);
    if (result.kind !== 'resend') throw new Error(`job resend answered with ${result.kind}`);
    task.budget.used(task.settings.budget, result.counts.wireBytes, null, Date.now());
    if (version === task.version) this.#count(task, result);
    crashPoint('letters-answered');
    if (!task.isRemoved) await store.settle(task.id, result.outcomes);
    return result.failure;
  }

  #count(task: Task, { counts, failure }: ResendResult): void {
    const nowMs = Date.now();
    countTraffic(task, counts, nowMs);
    if (failure !== null) task.fail(failure.key, failure.message, nowMs);
  }

  #places(task: Task, letters: readonly StoredLetter[]): LetterPlace[] {
    return letters.flatMap((letter) => {
      const entry = this.entryOf(task, letter);
      if (entry === undefined) return [];
      const { id, ts, kind } = letter;
      return [{ id, ts, kind, entryId: entry.id, entryName: entry.name }];
    });
  }

  #defer(task: Task, failure: SliceFailure): void {
    const { nowMs, random, logger, wake } = this.#options;
    if (failure.kind === 'stopped') return;
    const turn = this.#turnOf(task);
    const isTransport = failure.kind === 'lost' || failure.kind === 'unreachable';
    const kind = isTransport ? failure.kind : 'refused';
    const { retryAfterMs } = failure;
    const { state, waitMs } = backOff(turn.backoff, { kind, retryAfterMs }, random);
    turn.backoff = state;
    turn.notBeforeMs = nowMs() + waitMs;
    clearTimeout(turn.timer);
    turn.timer = setTimeout(() => wake(task), waitMs + 1);
    turn.timer.unref();
    const fields = { task: task.name, kind: failure.kind, key: failure.key, waitMs };
    const limited = rateLimited(logger, `letters ${task.id}`, LOG_INTERVAL_MS);
    limited.warn(fields, `dead letters cannot be sent again: ${failure.message}`);
  }

  #turnOf(task: Task): Turn {
    let turn = this.#turns.get(task);
    if (turn === undefined) {
      turn = { backoff: NO_BACKOFF, notBeforeMs: 0, timer: undefined, wasLast: false };
      this.#turns.set(task, turn);
    }
    return turn;
  }
}

function goneWithEntry({ id }: StoredLetter): LetterOutcome {
  return { id, fate: 'gone', cause: 'entry_removed' };
}
