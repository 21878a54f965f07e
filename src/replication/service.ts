/** Management of replication tasks (replication §1.3–1.8). Main thread only. */
import type { ProvisionedReplication } from '../config/replication-variables.ts';
import { ApiError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import type { RowChange } from '../store/row-change.ts';
import { CompareService } from './compare/compare-service.ts';
import type { LetterFigures } from './letters/letter.ts';
import { LetterService } from './letters/letter-service.ts';
import { closeGap, openGap } from './log-ranges.ts';
import type { ReplicationPool } from './messages.ts';
import type { EntryLags } from './lag/entry-lag.ts';
import type { MinuteFigures } from './lag/minute-rate.ts';
import { type PendingCounter, type PendingFigures } from './pending.ts';
import { withPastFilters } from './past-filters.ts';
import { provisionTask } from './provisioning.ts';
import { BackfillService, newBackfill } from './ranges/backfill-service.ts';
import type { RangeChange } from './ranges/range-list.ts';
import { readTaskStart, type Start } from './ranges/range-times.ts';
import type { Scheduler } from './scheduler.ts';
import { detailJson, listJson, type TaskView } from './service-json.ts';
import { parseDestinationUrl } from './destination-url.ts';
import {
  checkCondition,
  checkKeptToken,
  checkReplicationName,
  isSameBucket,
  SAME_BUCKET_TEXT,
  type ServerIdentity,
} from './settings-checks.ts';
import { readObject } from './settings-json.ts';
import { givesToken, parseModeBody, parseSettings, type ReplicationSettings } from './settings.ts';
import { parseBody } from './settings-body.ts';
import { problemOf } from './settings-problems.ts';
import { Task } from './task.ts';
import type { Trials } from './trials.ts';
import type {
  LogGap,
  ReplicationService,
  ReplicationSource,
  StoredTask,
  TaskCursor,
  TaskStore,
} from './types.ts';

/**
 * After a start, so many blocks behind the stored cursor may have been sent by the former process: cursors are stored after
 * each slice, and a slice does not get further. Labels of such records may be newer here than at the target: their update
 * follows in the log.
 */
const RESEND_SEQUENCES = 65_536;

/** Why ranges of the former source bucket ended. */
const MOVED_TEXT = 'The replication reads another source bucket now';

/** How long an answer waits for exact pending counts. */
const COUNT_LIMIT_MS = 1_000;

export interface ServiceOptions {
  readonly pool: ReplicationPool;
  readonly scheduler: Scheduler;
  readonly pending: PendingCounter;
  readonly entryLags: EntryLags;
  readonly source: ReplicationSource;
  readonly store: TaskStore;
  readonly logger: Logger;
  readonly identity: ServerIdentity;
  readonly trials: Trials;
  /** Why the files with certificates for targets cannot be used as they are; `null`: they can. */
  readonly certificateProblem?: (() => Promise<string | null>) | undefined;
}

/** Figures of one task for metrics; counters count since the task was started or its settings changed. */
export interface TaskFigures {
  readonly task: Task;
  readonly pending: PendingFigures;
  readonly lagMs: number;
  readonly rate: MinuteFigures;
  /** Seconds until the task has caught up; `null`: not foreseeable. */
  readonly catchUpS: number | null;
  /** Including the slice that runs now. */
  readonly sentRecords: number;
  readonly sentBytes: number;
  readonly letters: LetterFigures;
}

export class TaskService implements ReplicationService {
  readonly deadLetters: LetterService;
  readonly comparisons: CompareService;
  readonly #options: ServiceOptions;
  readonly #tasks: Map<string, Task> = new Map();
  /** Names with a change that is not durable yet: changes of one name come one after the other. */
  readonly #changing: Map<string, Promise<unknown>> = new Map();
  readonly backfills: BackfillService;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { pool, scheduler, store, source, logger, pending } = options;
    const existing = (name: string): Task => this.#existing(name);
    this.deadLetters = new LetterService({ pool, scheduler, store: store.letters, existing });
    this.comparisons = new CompareService({
      pool,
      source,
      logger,
      existing,
      pendingRecords: (task) => pending.figures(task).records,
      random: Math.random,
    });
    this.backfills = new BackfillService({
      scheduler,
      store,
      existing,
      exclusively: (name, change) => this.#exclusively(name, change),
      nowMs: () => performance.now(),
    });
  }

  /**
   * Starts all stored tasks, and those of the environment. One whose settings cannot be used is loaded and stands still,
   * with its error shown. Resolves when the store has what the environment wants.
   */
  async start(provisioned: readonly ProvisionedReplication[] = []): Promise<void> {
    const { scheduler } = this.#options;
    this.#load();
    const provisioning = provisioned.map((wanted) => this.#provision(wanted));
    for (const task of this.#tasks.values()) {
      this.#stopIfUnusable(task);
      scheduler.add(task);
    }
    await Promise.all(provisioning);
  }

  #load(): void {
    const { store, source } = this.#options;
    for (const { task: stored, cursor, ranges, budgetUse, isStale } of store.load()) {
      const task = new Task(stored, cursor, Date.now, ranges, RESEND_SEQUENCES, budgetUse);
      const { sequence } = cursor.position;
      task.resendSequence = Math.min(source.headSequence(), sequence + RESEND_SEQUENCES);
      this.#tasks.set(task.name, task);
      if (isStale) this.#saveAgain(stored, cursor);
    }
  }

  #provision(wanted: ProvisionedReplication): Promise<void> {
    const { store, logger } = this.#options;
    const deps = {
      tasks: this.#tasks,
      store,
      logger,
      check: (name: string, settings: ReplicationSettings) => {
        if (!this.#tasks.has(name)) checkReplicationName(name);
        this.#check(name, settings);
      },
      cursorAtHead: (settings: ReplicationSettings) => this.#cursorAtHead(settings),
      cursorUnder: (task: Task, settings: ReplicationSettings) => this.#cursorUnder(task, settings),
      rangesBefore,
      movedText: MOVED_TEXT,
    };
    return provisionTask(deps, wanted);
  }

  #stopIfUnusable(task: Task): void {
    task.loadError = problemOf(task.settings);
    if (task.loadError === null) return;
    task.isAvailable = false;
    this.#options.logger.error({ task: task.name, reason: task.loadError }, 'a task cannot run');
  }

  #saveAgain(stored: StoredTask, cursor: TaskCursor): void {
    const { store, logger } = this.#options;
    store.save(stored, cursor, []).then(
      () =>
        logger.info({ task: stored.name }, 'the token of a task is encrypted with the present key'),
      (err: unknown) => {
        const text = 'the token of a task could not be encrypted anew; the next start tries again';
        logger.error({ err, task: stored.name }, text);
      },
    );
  }

  async list(isExtended: boolean): Promise<string> {
    const tasks = [...this.#tasks.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    await this.#options.pending.refresh(tasks, COUNT_LIMIT_MS);
    const views = tasks.filter((task) => !task.isRemoved).map((task) => this.#viewOf(task));
    return listJson(views, isExtended);
  }

  async detail(name: string, isExtended: boolean): Promise<string> {
    const task = this.#existing(name);
    const { pending, entryLags } = this.#options;
    const [, entries] = await Promise.all([
      pending.refresh([task], COUNT_LIMIT_MS),
      isExtended ? entryLags.of(task, COUNT_LIMIT_MS) : null,
    ]);
    return detailJson(this.#viewOf(task), isExtended, entries);
  }

  tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  /** Figures of all tasks as they are known now; `refreshFigures` makes the pending ones exact. */
  figures(): readonly TaskFigures[] {
    return [...this.#tasks.values()].map((task) => ({
      ...this.#viewOf(task),
      sentRecords:
        task.totals.sentRecords + task.line.get('sentRecords') + task.rangeLine.get('sentRecords'),
      sentBytes:
        task.totals.sentBytes + task.line.get('sentBytes') + task.rangeLine.get('sentBytes'),
    }));
  }

  /** @param limitMs after this time it resolves with what is known. */
  refreshFigures(limitMs: number): Promise<void> {
    return this.#options.pending.refresh([...this.#tasks.values()], limitMs);
  }

  async create(name: string, bodyText: string): Promise<void> {
    const { body, whenText } = parseBody(bodyText);
    const settings = parseSettings(body, 'create', whenText);
    const start = readTaskStart(readObject(body, 'struct ReplicationSettings'));
    await this.#exclusively(name, async () => {
      if (this.#tasks.has(name)) throw new ApiError(409, `Replication '${name}' already exists`);
      checkReplicationName(name);
      this.#check(name, settings);
      await this.#checkCertificates();
      const { store, scheduler } = this.#options;
      const stored = { id: store.allocateId(), name, settings };
      const cursor = this.#cursorAtHead(settings);
      const ranges = rangesBefore(start, cursor);
      await store.save(stored, cursor, ranges);
      const task = new Task(
        stored,
        cursor,
        Date.now,
        ranges.flatMap(({ range }) => range ?? []),
      );
      this.#stopIfUnusable(task);
      this.#tasks.set(name, task);
      scheduler.add(task);
    });
  }

  async update(name: string, bodyText: string): Promise<void> {
    const { body, whenText } = parseBody(bodyText);
    parseSettings(body, 'create', whenText);
    refuseStart(readObject(body, 'struct ReplicationSettings'));
    await this.#exclusively(name, async () => {
      const task = this.#existing(name);
      if (task.isProvisioned) {
        throw new ApiError(409, `Can't update provisioned replication '${name}'`);
      }
      const settings = parseSettings(body, 'update', whenText, task.settings);
      this.#check(name, settings);
      await this.#checkCertificates();
      if (!givesToken(body)) checkKeptToken(task.settings, settings.dstHost);
      const isMoved = settings.srcBucket !== task.settings.srcBucket;
      const { scheduler, store } = this.#options;
      // No progress under the old settings may be stored after the cursor of the new ones.
      await scheduler.hold(task);
      let cursor: TaskCursor;
      try {
        cursor = isMoved ? this.#cursorAtHead(settings) : this.#cursorUnder(task, settings);
        const ranges = isMoved
          ? task.ranges.abandonedRows(MOVED_TEXT, Date.now())
          : task.ranges.rows();
        await store.save({ id: task.id, name, settings }, cursor, ranges);
      } catch (error) {
        scheduler.changed(task);
        throw error;
      }
      task.changeSettings(settings, Date.now, cursor.pastFilters);
      this.#stopIfUnusable(task);
      if (isMoved) {
        task.moveTo(cursor);
        task.ranges.abandon(MOVED_TEXT, Date.now());
      } else task.gaps = cursor.gaps;
      scheduler.changed(task);
      await this.comparisons.interrupt(task);
    });
  }

  check(name: string, bodyText: string): Promise<string> {
    return this.#options.trials.check(name, bodyText, this.#tasks.get(name)?.settings);
  }

  preview(name: string, bodyText: string): Promise<string> {
    return this.#options.trials.preview(name, bodyText, this.#tasks.get(name)?.settings);
  }

  async setMode(name: string, bodyText: string): Promise<void> {
    const mode = parseModeBody(parseBody(bodyText).body);
    await this.#exclusively(name, async () => {
      const task = this.#existing(name);
      if (task.mode === mode) return;
      const settings = { ...task.settings, mode };
      const gaps = this.#gapsFor(task, mode);
      const cursor = { ...task.cursor, gaps };
      const { store } = this.#options;
      await store.save({ id: task.id, name, settings }, cursor, task.ranges.rows());
      task.settings = settings;
      task.gaps = gaps;
      this.#options.scheduler.changed(task);
    });
  }

  async remove(name: string): Promise<void> {
    await this.#exclusively(name, async () => {
      const task = this.#existing(name);
      if (task.isProvisioned) {
        throw new ApiError(409, `Can't remove provisioned replication '${name}'`);
      }
      const { scheduler, store } = this.#options;
      await this.comparisons.interrupt(task);
      await scheduler.remove(task);
      try {
        await store.remove(task.id);
      } catch (error) {
        task.isRemoved = false;
        scheduler.add(task);
        throw error;
      }
      this.#tasks.delete(name);
    });
  }

  async withRenamedSource(
    bucketName: string,
    newName: string,
    commit: (rows: readonly RowChange[]) => Promise<void>,
  ): Promise<void> {
    // A change that is not durable yet would bring the old name back.
    while (this.#changing.size > 0) await Promise.allSettled(this.#changing.values());
    const { scheduler, store } = this.#options;
    const moved = [...this.#tasks.values()]
      .filter(({ settings }) => settings.srcBucket === bucketName)
      .map((task) => ({ task, settings: { ...task.settings, srcBucket: newName } }));
    await commit(
      moved.flatMap(({ task: { id, name }, settings }) => store.rowsOf({ id, name, settings })),
    );
    for (const { task, settings } of moved) {
      task.settings = settings;
      scheduler.recheck(task);
    }
  }

  entriesRenamed(bucketName: string): void {
    const { scheduler, source } = this.#options;
    const bucket = source.bucket(bucketName);
    if (bucket !== undefined) scheduler.entriesRenamed(bucket.id);
  }

  /** Check 8 of replication §1.4. */
  async #checkCertificates(): Promise<void> {
    const problem = (await this.#options.certificateProblem?.()) ?? null;
    if (problem !== null) throw new ApiError(422, problem);
  }

  /** Checks 3 to 7 of replication §1.4, in this order. */
  #check(name: string, settings: ReplicationSettings): void {
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

  #existing(name: string): Task {
    const task = this.#tasks.get(name);
    if (task === undefined) throw new ApiError(404, `Replication '${name}' does not exist`);
    return task;
  }

  #cursorAtHead({ srcBucket, mode }: ReplicationSettings): TaskCursor {
    const { bucketId, position } = this.#options.scheduler.headOf(srcBucket);
    const gaps = mode === 'disabled' ? openGap([], position) : [];
    const counts = { removedAtSource: 0, droppedRecords: 0 };
    return { bucketId, position, gaps, pastFilters: [], filterState: null, ...counts };
  }

  /** The same place under new settings of the same bucket. @throws ApiError 409. */
  #cursorUnder(task: Task, settings: ReplicationSettings): TaskCursor {
    const { scheduler } = this.#options;
    task.settlePlace();
    const pastFilters = withPastFilters(task.pastFilters, task.settings, settings, {
      position: task.position.sequence,
      end: scheduler.bucketEnd(task).sequence,
      head: scheduler.headOf(task.settings.srcBucket).position.sequence,
    });
    const filterState = pastFilters.length === 0 ? null : task.filterState;
    const gaps = this.#gapsFor(task, settings.mode);
    return { ...task.cursor, gaps, pastFilters, filterState };
  }

  /** What is written while a task is disabled is not for it; what it had not sent before stays (replication §3). */
  #gapsFor(task: Task, mode: ReplicationSettings['mode']): readonly LogGap[] {
    const { position } = this.#options.scheduler.headOf(task.settings.srcBucket);
    return mode === 'disabled' ? openGap(task.gaps, position) : closeGap(task.gaps, position);
  }

  #viewOf(task: Task): TaskView {
    const { pending, scheduler, source, store } = this.#options;
    task.isSourceMissing = source.bucket(task.settings.srcBucket) === undefined;
    const nowMs = performance.now();
    task.pace.sample(nowMs, {
      epoch: task.epoch,
      passed: task.position.bucketOrdinal,
      written: scheduler.bucketEnd(task).bucketOrdinal,
    });
    const figures = pending.figures(task);
    return {
      task,
      rate: task.rate.rate(nowMs),
      catchUpS: catchUpS(task, figures, nowMs),
      pending: figures,
      lagMs: scheduler.lagMs(task),
      letters: store.letters.figures(task.id),
    };
  }

  async #exclusively<T>(name: string, change: () => Promise<T>): Promise<T> {
    const before = this.#changing.get(name) ?? Promise.resolve();
    const mine = before.then(change, change);
    this.#changing.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#changing.get(name) === mine) this.#changing.delete(name);
    }
  }
}

/** The records written before a task was created, if it is to send them. */
function rangesBefore(start: Start, { bucketId, position }: TaskCursor): readonly RangeChange[] {
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

/** What the cursor left behind is not foreseen. */
function catchUpS(task: Task, pending: PendingFigures, nowMs: number): number | null {
  if (pending.records === 0) return 0;
  return pending.behind.backlogSegments === 0 ? task.pace.catchUpS(nowMs) : null;
}
