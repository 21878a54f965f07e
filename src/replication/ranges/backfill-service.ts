/** Management of back-fills (docs/http-extensions.md). Main thread only. */
import { ApiError } from '../../errors/errors.ts';
import type { Position } from '../../catalog/positions.ts';
import type { Scheduler } from '../scheduler.ts';
import { readObject, readRequiredVariant, readStringList } from '../settings-json.ts';
import type { Task } from '../task.ts';
import type { TaskLocks } from '../task-locks.ts';
import type { TaskWriter } from '../task-writer.ts';
import type { BackfillManagement } from '../types.ts';
import { backfillJson, type WaitReason } from './backfill-json.ts';
import type { RangeScope, StoredRange, TaskRange } from './range.ts';
import { readStart, readStop } from './range-times.ts';

/** Unfinished back-fills of a task. */
export const MAX_BACKFILLS = 16;

const ORIGIN: Position = { partition: 0, sequence: 0, bucketOrdinal: 0 };

export interface BackfillServiceOptions {
  readonly scheduler: Pick<Scheduler, 'headOf' | 'recheck'>;
  readonly writer: TaskWriter;
  readonly locks: TaskLocks;
  /** @throws ApiError 404. */
  readonly existing: (name: string) => Task;
  /** Monotonic clock in ms. */
  readonly nowMs: () => number;
}

export class BackfillService implements BackfillManagement {
  readonly #options: BackfillServiceOptions;

  constructor(options: BackfillServiceOptions) {
    this.#options = options;
  }

  list(taskName: string): string {
    const task = this.#options.existing(taskName);
    const backfills = task.ranges.backfills().map((range) => this.#json(task, range));
    return JSON.stringify({ backfills });
  }

  detail(taskName: string, id: string): string {
    const task = this.#options.existing(taskName);
    return JSON.stringify(this.#json(task, existingRange(task, id)));
  }

  async create(taskName: string, bodyText: string): Promise<string> {
    const members = readObject(parseBody(bodyText), 'struct Backfill');
    const scope: RangeScope = {
      startUs: readStart(members),
      stopUs: readStop(members, Date.now()),
      entries: readStringList(members, 'entries'),
    };
    checkScope(scope);
    return this.#options.locks.one(taskName, async () => {
      const { scheduler, existing, writer } = this.#options;
      const task = existing(taskName);
      if (
        task.ranges.backfills().filter(({ isUnfinished }) => isUnfinished).length >= MAX_BACKFILLS
      ) {
        const text = `Replication '${taskName}' has ${MAX_BACKFILLS} unfinished back-fills; cancel one or wait`;
        throw new ApiError(409, text);
      }
      const head = scheduler.headOf(task.settings.srcBucket);
      if (head.bucketId === null || head.bucketId !== task.bucketId) {
        const text = `Source bucket '${task.settings.srcBucket}' for replication '${taskName}' does not exist`;
        throw new ApiError(404, text);
      }
      const { bucketId } = head;
      // A place of its own: the live cursor may leave something behind meanwhile.
      const id = task.ranges.takeId();
      let stored = newBackfill(id, bucketId, scope, head.position);
      await writer.change(
        task,
        () => {
          // What live sending has not looked at yet is its business, unless some of that is not for it.
          if (task.gaps.length === 0) stored = { ...stored, end: task.position };
          return { ranges: [{ id, range: stored }] };
        },
        () => task.ranges.add(stored),
      );
      scheduler.recheck(task);
      return JSON.stringify(this.#json(task, existingRange(task, `${id}`)));
    });
  }

  async setState(taskName: string, id: string, bodyText: string): Promise<string> {
    const members = readObject(parseBody(bodyText), 'struct BackfillState');
    const state = readRequiredVariant(members, 'state', ['running', 'paused']);
    return this.#change(taskName, id, state);
  }

  cancel(taskName: string, id: string): Promise<string> {
    return this.#change(taskName, id, 'cancelled');
  }

  #change(
    taskName: string,
    id: string,
    state: 'running' | 'paused' | 'cancelled',
  ): Promise<string> {
    return this.#options.locks.one(taskName, async () => {
      const { scheduler, existing, writer } = this.#options;
      const task = existing(taskName);
      const range = existingRange(task, id);
      if (range.stored.state === state) return JSON.stringify(this.#json(task, range));
      const nowMs = Date.now();
      await writer.change(
        task,
        () => {
          checkUnfinished(range);
          return { ranges: [task.ranges.rowAfter(range, { state }, nowMs)] };
        },
        () => {
          // It may have come to its end meanwhile.
          if (range.isUnfinished) task.ranges.change(range, { state }, nowMs);
          range.rate.reset();
          range.waitingSinceMs = null;
          // What is under way ends, with its answers; a task that is idle is looked at.
          task.rangeLine.makeWay();
        },
      );
      scheduler.recheck(task);
      return JSON.stringify(this.#json(task, range));
    });
  }

  #json(task: Task, range: TaskRange): object {
    const monotonicMs = this.#options.nowMs();
    const waitsFor = this.#waitsFor(task, range);
    return backfillJson({ task, range, waitsFor, monotonicMs, nowMs: Date.now() });
  }

  #waitsFor(task: Task, range: TaskRange): WaitReason | null {
    if (range.stored.state !== 'running') return null;
    if (task.mode !== 'enabled') return 'task_mode';
    if (!range.stored.isPlanned) return 'planning';
    if (task.isSourceMissing) return 'source_bucket';
    if (!task.isAvailable) return 'target';
    if (task.ranges.next() !== range) return 'other_ranges';
    return range.waitingSinceMs === null ? null : 'live_records';
  }
}

/** Extent and size are found out before it is sent. @param end of what it may send. */
export function newBackfill(
  id: number,
  bucketId: number,
  scope: RangeScope,
  end: Position,
): StoredRange {
  return {
    id,
    kind: 'backfill',
    bucketId,
    scope,
    state: 'running',
    reason: null,
    isPlanned: false,
    position: ORIGIN,
    end,
    filterState: null,
    totalRecords: 0,
    totalBytes: 0,
    doneRecords: 0,
    doneBytes: 0,
    sentRecords: 0,
    sentBytes: 0,
    duplicates: 0,
    deadLetters: 0,
    createdAtMs: Date.now(),
    finishedAtMs: null,
  };
}

function checkScope({ startUs, stopUs }: RangeScope): void {
  if (startUs !== null && stopUs !== null && startUs >= stopUs) {
    throw new ApiError(422, 'Invalid JSON: `start` must be before `stop`');
  }
}

/** @throws ApiError 409. */
function checkUnfinished({ stored, isUnfinished }: TaskRange): void {
  if (!isUnfinished) throw new ApiError(409, `Back-fill ${stored.id} is ${stored.state} already`);
}

function existingRange(task: Task, id: string): TaskRange {
  const range = /^\d{1,15}$/.test(id) ? task.ranges.backfill(Number(id)) : undefined;
  if (range === undefined) {
    throw new ApiError(404, `Replication '${task.name}' has no back-fill '${id}'`);
  }
  return range;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch (error) {
    throw new ApiError(
      422,
      `Invalid JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
