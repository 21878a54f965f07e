/** Replication as a whole, as the application starts and stops it. Main thread only. */
import type { ProvisionedReplication } from '../config/replication-variables.ts';
import type { RemovedRows } from '../catalog/removal-causes.ts';
import type { Logger } from '../logging/logger.ts';
import type { ReplicationPool } from './messages.ts';
import { DEFAULT_FRESH_FIRST, type FreshFirstLimits } from './ranges/fresh-first.ts';
import { EntryLags } from './lag/entry-lag.ts';
import { PendingCounter } from './pending.ts';
import { PendingLimit } from './pending-limit.ts';
import { Scheduler } from './scheduler.ts';
import { type TaskFigures, TaskService } from './service.ts';
import type { ServerIdentity } from './settings-checks.ts';
import { TaskWriter } from './task-writer.ts';
import { Trials } from './trials.ts';
import type { ReplicationSource, TaskStore } from './types.ts';

/** That of `RS_REPLICATION_TIMEOUT`. */
const DEFAULT_MAX_UNREACHABLE_MS = 5_000;

export interface EngineOptions {
  readonly pool: ReplicationPool;
  readonly source: ReplicationSource;
  readonly store: TaskStore;
  readonly identity: ServerIdentity;
  readonly logger: Logger;
  /** Longest wait for a target that cannot be connected to; default 5 s. */
  readonly maxUnreachableMs?: number;
  /** Why the files with certificates for targets cannot be used as they are; `null`: they can. */
  readonly certificateProblem?: () => Promise<string | null>;
  /** Tasks of the environment. */
  readonly provisioned?: readonly ProvisionedReplication[];
  /** Matching records a task may have pending, the oldest of more are dropped; default and `null`: any number. */
  readonly maxPendingRecords?: number | null;
  /** When tasks with `order: "newest"` leave their backlog behind. Default: `DEFAULT_FRESH_FIRST`. */
  readonly freshFirst?: FreshFirstLimits;
}

export class ReplicationEngine {
  readonly service: TaskService;
  /** Resolves when the store has what the environment wants. */
  readonly provisioned: Promise<void>;
  readonly #scheduler: Scheduler;
  readonly #pool: ReplicationPool;

  /** Loads all tasks and starts those that are enabled. */
  constructor(options: EngineOptions) {
    const { pool, source, store, identity, logger, freshFirst = DEFAULT_FRESH_FIRST } = options;
    const nowMs = (): number => performance.now();
    const writer = new TaskWriter(store, logger);
    this.#pool = pool;
    this.#scheduler = new Scheduler({
      pool,
      source,
      store,
      writer,
      logger,
      nowMs,
      random: Math.random,
      maxUnreachableMs: options.maxUnreachableMs ?? DEFAULT_MAX_UNREACHABLE_MS,
      freshFirst,
      limit: new PendingLimit({
        maxRecords: options.maxPendingRecords ?? null,
        knownRecords: (task) => pending.knownRecords(task),
        logger,
      }),
    });
    const pending: PendingCounter = new PendingCounter(pool, source, this.#scheduler);
    const scheduler = this.#scheduler;
    const trials = new Trials({ pool, source, identity });
    const entryLags = new EntryLags(pool, source, scheduler);
    this.service = new TaskService({
      entryLags,
      pool,
      scheduler,
      pending,
      source,
      store,
      writer,
      logger,
      identity,
      trials,
      certificateProblem: options.certificateProblem,
    });
    this.provisioned = this.service.start(options.provisioned);
  }

  /**
   * After each commit, before its writers are told.
   * @param headSequence sequence that the next block will get.
   * @param buckets ids of the buckets whose log has grown.
   */
  onCommitted(headSequence: number, buckets: ReadonlySet<number>): void {
    this.#scheduler.onCommitted(headSequence, buckets);
  }

  /** After records were removed. */
  onRemoved(rows: readonly RemovedRows[]): void {
    this.#scheduler.onRemoved(rows);
  }

  /**
   * Names of the buckets whose log is read as it grows: those of enabled tasks, except tasks whose target does not answer,
   * which will read from the store what came meanwhile.
   */
  bucketsRead(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { mode, isAvailable, loadError, settings } of this.service.tasks()) {
      if (mode === 'enabled' && isAvailable && loadError === null) names.add(settings.srcBucket);
    }
    return names;
  }

  /** Sequence before which no task needs the log of this bucket any more; infinite when no task reads it. */
  neededFrom(bucketId: number): number {
    let needed = Number.POSITIVE_INFINITY;
    for (const task of this.service.tasks()) {
      if (task.bucketId === bucketId) {
        needed = Math.min(needed, task.position.sequence, task.savedSequence);
      }
      for (const { stored, isUnfinished } of task.ranges.all()) {
        if (isUnfinished && stored.bucketId === bucketId) {
          needed = Math.min(needed, stored.position.sequence);
        }
      }
    }
    return needed;
  }

  figures(): readonly TaskFigures[] {
    return this.service.figures();
  }

  /** Makes pending figures exact, or gives up after `limitMs`. */
  refreshFigures(limitMs: number): Promise<void> {
    return this.service.refreshFigures(limitMs);
  }

  /**
   * Lets running slices end, cuts off their requests after `graceMs`, hands the last cursors to the store, and ends the
   * threads. Afterwards nothing of replication reads the store. Idempotent.
   */
  async stop(graceMs: number): Promise<void> {
    await this.service.comparisons.stop();
    await this.#scheduler.stop(graceMs);
    await this.#pool.close();
  }
}
