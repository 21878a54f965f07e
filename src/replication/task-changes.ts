/**
 * Changes of tasks that somebody asks for (replication §1.4, §1.6, §1.7, §3): checked, stored, and then in effect. Changes of
 * one task come one after the other, and their rows go the way of its cursors (`TaskWriter`). Main thread only.
 */
import { ApiError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import type { RowChange } from '../store/row-change.ts';
import type { CompareService } from './compare/compare-service.ts';
import { parseDestinationUrl } from './destination-url.ts';
import { closeGap, openGap } from './log-ranges.ts';
import { withPastFilters } from './past-filters.ts';
import { newBackfill } from './ranges/backfill-service.ts';
import type { RangeChange } from './ranges/range-list.ts';
import { readTaskStart, type Start } from './ranges/range-times.ts';
import type { Scheduler } from './scheduler.ts';
import { parseBody } from './settings-body.ts';
import {
  checkCondition,
  checkKeptToken,
  checkReplicationName,
  isSameBucket,
  SAME_BUCKET_TEXT,
  type ServerIdentity,
} from './settings-checks.ts';
import { readObject } from './settings-json.ts';
import { problemOf } from './settings-problems.ts';
import { givesToken, parseModeBody, parseSettings, type ReplicationSettings } from './settings.ts';
import { Task } from './task.ts';
import type { TaskLocks } from './task-locks.ts';
import type { TaskWriter } from './task-writer.ts';
import type { LogGap, ReplicationSource, TaskCursor, TaskStore } from './types.ts';

/** Why ranges of the former source bucket ended. */
export const MOVED_TEXT = 'The replication reads another source bucket now';

export interface TaskChangesOptions {
  /** By name. */
  readonly tasks: Map<string, Task>;
  readonly locks: TaskLocks;
  readonly scheduler: Pick<
    Scheduler,
    'add' | 'bucketEnd' | 'changed' | 'headOf' | 'hold' | 'recheck' | 'remove'
  >;
  readonly writer: TaskWriter;
  readonly store: Pick<TaskStore, 'allocateId' | 'remove' | 'rowsOf' | 'save'>;
  readonly source: Pick<ReplicationSource, 'bucket'>;
  readonly identity: ServerIdentity;
  readonly comparisons: Pick<CompareService, 'interrupt'>;
  readonly logger: Logger;
  /** @throws ApiError 404. */
  readonly existing: (name: string) => Task;
  /** Why the files with certificates for targets cannot be used as they are; `null`: they can. */
  readonly certificateProblem: (() => Promise<string | null>) | undefined;
}

export class TaskChanges {
  readonly #options: TaskChangesOptions;

  constructor(options: TaskChangesOptions) {
    this.#options = options;
  }

  async create(name: string, bodyText: string): Promise<void> {
    const { body, whenText } = parseBody(bodyText);
    const settings = parseSettings(body, 'create', whenText);
    const start = readTaskStart(readObject(body, 'struct ReplicationSettings'));
    const { locks, tasks, store, scheduler } = this.#options;
    await locks.one(name, async () => {
      if (tasks.has(name)) throw new ApiError(409, `Replication '${name}' already exists`);
      checkReplicationName(name);
      this.check(name, settings);
      await this.#checkCertificates();
      const stored = { id: store.allocateId(), name, settings };
      const cursor = this.cursorAtHead(settings);
      const ranges = rangesBefore(start, cursor);
      await store.save(stored, { cursor, deadLetters: [], ranges });
      const known = ranges.flatMap(({ range }) => range ?? []);
      const task = new Task(stored, cursor, Date.now, known);
      this.stopIfUnusable(task);
      tasks.set(name, task);
      scheduler.add(task);
    });
  }

  async update(name: string, bodyText: string): Promise<void> {
    const { body, whenText } = parseBody(bodyText);
    parseSettings(body, 'create', whenText);
    refuseStart(readObject(body, 'struct ReplicationSettings'));
    const { locks, existing, comparisons } = this.#options;
    await locks.one(name, async () => {
      const task = existing(name);
      if (task.isProvisioned) {
        throw new ApiError(409, `Can't update provisioned replication '${name}'`);
      }
      const settings = parseSettings(body, 'update', whenText, task.settings);
      this.check(name, settings);
      await this.#checkCertificates();
      if (!givesToken(body)) checkKeptToken(task.settings, settings.dstHost);
      await this.#replace(task, settings);
      await comparisons.interrupt(task);
    });
  }

  async setMode(name: string, bodyText: string): Promise<void> {
    const mode = parseModeBody(parseBody(bodyText).body);
    const { locks, existing, writer, scheduler } = this.#options;
    await locks.one(name, async () => {
      const task = existing(name);
      if (task.mode === mode) return;
      const settings = { ...task.settings, mode };
      const gapsOf = this.#gapsFor(task.settings.srcBucket, mode);
      await writer.change(
        task,
        () => ({ settings, cursor: { ...task.cursor, gaps: gapsOf(task) } }),
        () => {
          task.settings = settings;
          task.gaps = gapsOf(task);
          scheduler.changed(task);
        },
      );
    });
  }

  async remove(name: string): Promise<void> {
    const { locks, existing, scheduler, store, comparisons, tasks } = this.#options;
    await locks.one(name, async () => {
      const task = existing(name);
      if (task.isProvisioned) {
        throw new ApiError(409, `Can't remove provisioned replication '${name}'`);
      }
      await comparisons.interrupt(task);
      await scheduler.remove(task);
      try {
        await store.remove(task.id);
      } catch (error) {
        task.isRemoved = false;
        scheduler.add(task);
        throw error;
      }
      tasks.delete(name);
    });
  }

  /** Renames a bucket, and in the same commit the source of the tasks that read it. Rejects as `commit` does. */
  renameSource(
    bucketName: string,
    newName: string,
    commit: (rows: readonly RowChange[]) => Promise<void>,
  ): Promise<void> {
    const { locks, tasks, scheduler, store } = this.#options;
    // A change under way, or one that came meanwhile, would bring the old name back.
    return locks.all(async () => {
      const moved = [...tasks.values()]
        .filter(({ settings }) => settings.srcBucket === bucketName)
        .map((task) => ({ task, settings: { ...task.settings, srcBucket: newName } }));
      await commit(
        moved.flatMap(({ task: { id, name }, settings }) => store.rowsOf({ id, name, settings })),
      );
      for (const { task, settings } of moved) {
        task.settings = settings;
        scheduler.recheck(task);
      }
    });
  }

  /** Other settings; with another source bucket the task goes on at its head. */
  async #replace(task: Task, settings: ReplicationSettings): Promise<void> {
    const { scheduler, writer } = this.#options;
    const isMoved = settings.srcBucket !== task.settings.srcBucket;
    // Nothing is sent under the old settings any more, and nothing goes on under the new ones before they are stored.
    await scheduler.hold(task);
    let cursor = task.cursor;
    const nowMs = Date.now();
    try {
      await writer.change(
        task,
        () => {
          cursor = isMoved ? this.cursorAtHead(settings) : this.cursorUnder(task, settings);
          const { ranges } = task;
          const rows = isMoved ? ranges.abandonedRows(MOVED_TEXT, nowMs) : ranges.statelessRows();
          return { settings, cursor, ranges: rows };
        },
        () => {
          task.changeSettings(settings, Date.now, cursor.pastFilters);
          this.stopIfUnusable(task);
          if (isMoved) {
            task.moveTo(cursor);
            task.ranges.abandon(MOVED_TEXT, nowMs);
          } else task.gaps = cursor.gaps;
        },
      );
    } finally {
      scheduler.changed(task);
    }
  }

  stopIfUnusable(task: Task): void {
    task.loadError = problemOf(task.settings);
    if (task.loadError === null) return;
    task.isAvailable = false;
    this.#options.logger.error({ task: task.name, reason: task.loadError }, 'a task cannot run');
  }

  /** Checks 3 to 7 of replication §1.4, in this order. @throws ApiError. */
  check(name: string, settings: ReplicationSettings): void {
    const { source, identity } = this.#options;
    const { srcBucket, dstHost, whenText } = settings;
    parseDestinationUrl(dstHost);
    if (source.bucket(srcBucket) === undefined) {
      const text = `Source bucket '${srcBucket}' for replication '${name}' does not exist`;
      throw new ApiError(404, text);
    }
    if (isSameBucket(settings, identity)) throw new ApiError(422, SAME_BUCKET_TEXT);
    checkCondition(whenText);
  }

  /** Check 8 of replication §1.4. */
  async #checkCertificates(): Promise<void> {
    const problem = (await this.#options.certificateProblem?.()) ?? null;
    if (problem !== null) throw new ApiError(422, problem);
  }

  cursorAtHead({ srcBucket, mode }: ReplicationSettings): TaskCursor {
    const { bucketId, position } = this.#options.scheduler.headOf(srcBucket);
    const gaps = mode === 'disabled' ? openGap([], position) : [];
    const counts = { removedAtSource: 0, droppedRecords: 0 };
    return { bucketId, position, gaps, pastFilters: [], filterState: null, ...counts };
  }

  /** The same place under new settings of the same bucket. While nothing of the task runs. @throws ApiError 409. */
  cursorUnder(task: Task, settings: ReplicationSettings): TaskCursor {
    const { scheduler } = this.#options;
    task.settlePlace();
    const pastFilters = withPastFilters(task.pastFilters, task.settings, settings, {
      position: task.position.sequence,
      end: scheduler.bucketEnd(task).sequence,
      head: scheduler.headOf(task.settings.srcBucket).position.sequence,
    });
    const filterState = pastFilters.length === 0 ? null : task.filterState;
    const gaps = this.#gapsFor(settings.srcBucket, settings.mode)(task);
    return { ...task.cursor, gaps, pastFilters, filterState };
  }

  /**
   * Which gaps a task has once it is in this mode from the present head of the log on. What is written while a task is
   * disabled is not for it; what it had not sent before stays (replication §3).
   */
  #gapsFor(
    bucketName: string,
    mode: ReplicationSettings['mode'],
  ): (task: Task) => readonly LogGap[] {
    const { position } = this.#options.scheduler.headOf(bucketName);
    const change = mode === 'disabled' ? openGap : closeGap;
    return ({ gaps }) => change(gaps, position);
  }
}

/** The records written before a task was created, if it is to send them. */
export function rangesBefore(
  start: Start,
  { bucketId, position }: TaskCursor,
): readonly RangeChange[] {
  if (start === 'now' || bucketId === null) return [];
  const scope = { startUs: start, stopUs: null, entries: [] };
  return [{ id: 1, range: newBackfill(1, bucketId, scope, position) }];
}

/** @throws ApiError 422: silently starting anew, or not, would both be wrong. */
function refuseStart(members: Readonly<Record<string, unknown>>): void {
  if ((members['start'] ?? null) === null) return;
  throw new ApiError(
    422,
    'Invalid JSON: `start` is for new replications only; use POST /replications/<name>/backfills',
  );
}
