/** What a thread keeps of tasks between their slices: compiled filters and memory of refusals. Never decides anything. */
import type { TaskSpec } from './messages.ts';
import { type BatchLimits, MAX_BATCH_RECORDS } from './scan/batch.ts';
import type { LogReader } from './scan/log-reader.ts';
import type { MetaCache } from './scan/meta-cache.ts';
import { readBlock } from '../store/run-index.ts';
import { TaskFilter } from './scan/task-filter.ts';
import { RefusalMemory } from './transfer/refusal-memory.ts';

/** Tasks remembered per thread; policy when full: `forget_oldest`. */
const MAX_SESSIONS = 1024;

export interface TaskSession {
  readonly version: number;
  readonly filtersUntil: number | null;
  readonly filter: TaskFilter;
  readonly limits: BatchLimits;
  /** One for all tasks whose windows are equal; `null` when they depend on the task's own state. */
  readonly signature: Signature | null;
  readonly memory: RefusalMemory;
}

/** Settings that windows depend on. */
export interface Signature {
  readonly text: string;
  /** A short name, which becomes part of keys. */
  readonly name: string;
  /** Tasks of this thread that have it; removed ones count until they are forgotten. */
  tasks: number;
}

/** Under which name the task shares its windows; `null`: with nobody, so that keeping them would be for nothing. */
export function sharedName({ signature }: TaskSession): string | null {
  return signature !== null && signature.tasks > 1 ? signature.name : null;
}

export class TaskSessions {
  readonly #log: LogReader;
  readonly #metas: MetaCache;
  readonly #limits: BatchLimits;
  readonly #sessions: Map<number, TaskSession> = new Map();
  readonly #signatures: Map<string, Signature> = new Map();
  #nextSignature = 0;

  /** @param limits of batches, unless a task's condition has directives for them. */
  constructor(log: LogReader, metas: MetaCache, limits: BatchLimits) {
    this.#log = log;
    this.#metas = metas;
    this.#limits = limits;
  }

  /** @throws ApiError 422 or JsonSyntaxError when the stored condition cannot be compiled. */
  sessionOf(task: TaskSpec): TaskSession {
    const known = this.#sessions.get(task.id);
    const { version, filtersUntil } = task;
    if (known?.version === version && known.filtersUntil === filtersUntil) return known;
    const session = this.#open(task);
    this.#forget(task.id);
    this.#sessions.set(task.id, session);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= MAX_SESSIONS) break;
      this.#forget(oldest);
    }
    return session;
  }

  /** A filter of its own, for a scan beside the task's. */
  newFilter(task: TaskSpec): TaskFilter {
    const read = (sequence: number): ReturnType<typeof readBlock> =>
      readBlock(this.#log.store, sequence);
    return new TaskFilter(task.settings, this.#metas, read);
  }

  #open(task: TaskSpec): TaskSession {
    const filter = this.newFilter(task);
    const { records, bytes } = filter.batchLimits;
    const { maxRecords, maxBytes, maxHeaderBytes } = this.#limits;
    const limits: BatchLimits = {
      maxRecords: Math.max(1, Math.min(records ?? maxRecords, MAX_BATCH_RECORDS)),
      maxBytes: bytes ?? maxBytes,
      maxHeaderBytes,
    };
    const signature = filter.isStateless ? this.#signatureOf(task, limits) : null;
    const { version, filtersUntil } = task;
    return { version, filtersUntil, filter, limits, signature, memory: new RefusalMemory() };
  }

  #signatureOf({ settings }: TaskSpec, limits: BatchLimits): Signature {
    const { srcBucket, entries, include, exclude, dstPrefix } = settings;
    const text = JSON.stringify([srcBucket, entries, include, exclude, dstPrefix, limits]);
    let signature = this.#signatures.get(text);
    if (signature === undefined) {
      signature = { text, name: `s${this.#nextSignature++}`, tasks: 0 };
      this.#signatures.set(text, signature);
    }
    signature.tasks++;
    return signature;
  }

  #forget(taskId: number): void {
    const signature = this.#sessions.get(taskId)?.signature ?? null;
    this.#sessions.delete(taskId);
    if (signature !== null && --signature.tasks === 0) this.#signatures.delete(signature.text);
  }
}
