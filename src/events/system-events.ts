/**
 * The events that the server writes about itself into the bucket `$system` (http-api-extras §3), from the first request
 * to the last commit. Main thread only.
 *
 * Made before the store is open, because requests and log lines begin there. Without `RS_SYSTEM_EVENTS_ENABLED` nothing
 * of this exists, and nothing of it costs anything.
 */
import type { Bucket, BucketSettings, Entry } from '../catalog/model.ts';
import type { CommitStats } from '../commit/commit-stats.ts';
import type { Ingest } from '../commit/types.ts';
import type { Config } from '../config/config.ts';
import { needsTokens } from '../config/rules.ts';
import type { LifecycleRun } from '../lifecycle/types.ts';
import type { Logger } from '../logging/logger.ts';
import type { RecordData } from '../query/types.ts';
import type { TaskFigures } from '../replication/service.ts';
import { AuditLog } from './audit-log.ts';
import type { AuditFigures } from './audit-log.ts';
import { SYSTEM_BUCKET } from './entry-name.ts';
import { EventClock } from './event-clock.ts';
import { EventStore } from './event-store.ts';
import type { LossReason, SystemCatalog } from './event-store.ts';
import { LastAccess } from './last-access.ts';
import { LogCapture } from './log-capture.ts';
import { ReadCounter } from './read-counts.ts';
import { ReplicationEvents } from './replication-events.ts';
import { secondsOf } from './seconds.ts';
import type {
  EventFamily,
  EventSink,
  LifecycleEvents,
  ReadMeter,
  RequestAudit,
  SystemEvent,
} from './types.ts';
import { UsageEvents } from './usage-events.ts';

/** How often everything is looked at. The contract leaves less than a second between quiet and written (§3). */
const TICK_MS = 250;

/** Turns of the event loop that a stop waits for records to be written. */
const MAX_STOP_TURNS = 100;

export interface OpenStore {
  readonly catalog: SystemCatalog & {
    findBucket(name: string): Bucket | undefined;
    buckets(): Iterable<Bucket>;
  };
  readonly commits: Pick<Ingest, 'stage'> & {
    readonly stats: Pick<CommitStats, 'byBucket'>;
    flush(): void;
  };
  readonly records: { read(entry: Entry, ts: undefined): RecordData };
  /** Settings of the bucket besides its quota. */
  readonly bucketDefaults: BucketSettings;
}

export interface EventFigures {
  readonly stored: ReadonlyMap<EventFamily, number>;
  readonly lost: ReadonlyMap<LossReason, number>;
  readonly droppedLogLines: number;
  readonly audit: AuditFigures;
}

/** What exists while the store is open. */
interface OpenEvents {
  readonly commits: OpenStore['commits'];
  readonly store: EventStore;
  readonly lastAccess: LastAccess;
  readonly usage: UsageEvents;
  readonly timer: NodeJS.Timeout;
}

type EventsConfig = Pick<
  Config,
  | 'instanceName'
  | 'systemEventsLogLevel'
  | 'systemEventsQuotaSizeBytes'
  | 'apiToken'
  | 'initApiToken'
>;

export class SystemEvents implements EventSink, LifecycleEvents {
  /** For everything whose lines are to become events. */
  readonly logger: Logger;
  readonly #config: EventsConfig;
  /** Its lines never become events. */
  readonly #plainLogger: Logger;
  readonly #clock = new EventClock();
  readonly #audit: AuditLog;
  readonly #reads = new ReadCounter();
  readonly #capture: LogCapture;
  #open: OpenEvents | undefined;
  #replications: ReplicationEvents | undefined;
  #taskFigures: () => readonly TaskFigures[] = () => [];

  /** @param logger what `logger` of this object writes through. */
  constructor(config: EventsConfig, logger: Logger) {
    this.#config = config;
    this.#plainLogger = logger;
    const clock = this.#clock;
    this.#capture = new LogCapture({ level: config.systemEventsLogLevel, clock });
    this.logger = this.#capture.attach(logger);
    this.#audit = new AuditLog({
      clock,
      sink: this,
      onStored: (tokenName, timestampUs) => this.#open?.lastAccess.note(tokenName, timestampUs),
    });
  }

  /** Undefined where requests need no token: those of nobody are not recorded (http-api-extras §3). */
  get audit(): RequestAudit | undefined {
    return needsTokens(this.#config) ? this.#audit : undefined;
  }

  get reads(): ReadMeter {
    return this.#reads;
  }

  get figures(): EventFigures {
    return {
      stored: this.#open?.store.stored ?? new Map(),
      lost: this.#open?.store.lost ?? new Map(),
      droppedLogLines: this.#capture.droppedLines,
      audit: this.#audit.figures,
    };
  }

  /** Begins to write. A bucket that is there gets the settings of now. */
  async open(parts: OpenStore): Promise<void> {
    const { catalog, commits, records, bucketDefaults } = parts;
    const { instanceName, systemEventsQuotaSizeBytes } = this.#config;
    const store = new EventStore({
      catalog,
      ingest: commits,
      instanceName,
      settings: {
        ...bucketDefaults,
        quota_type: 'FIFO',
        quota_size: systemEventsQuotaSizeBytes,
      },
      logger: this.#plainLogger.child('events'),
    });
    await store.adopt();
    const { stats } = commits;
    const usage = new UsageEvents(
      { catalog, stats, reads: this.#reads, clock: this.#clock, sink: this },
      performance.now(),
    );
    const lastAccess = new LastAccess({ catalog, records, instanceName });
    const timer = setInterval(() => this.#tick(), TICK_MS);
    timer.unref();
    this.#open = { commits, store, lastAccess, usage, timer };
  }

  /** @param figures of all replication tasks, as they are when it is called. */
  followTasks(figures: () => readonly TaskFigures[]): void {
    this.#taskFigures = figures;
    this.#replications = new ReplicationEvents({ figures, clock: this.#clock, sink: this });
  }

  emit(event: SystemEvent): void {
    this.#open?.store.emit(event);
  }

  lifecycleRan(run: LifecycleRun): void {
    const lastTs = run.lastProcessedTs;
    this.emit({
      family: 'lifecycle',
      name: run.policyName,
      timestampUs: run.startedAtMs * 1000,
      status: run.status,
      message: run.message,
      fields: {
        policy_name: run.policyName,
        action_type: run.actionType,
        bucket: run.bucketName,
        duration: secondsOf(run.durationMs),
        processed_records: run.processedRecords,
        processed_blocks: run.processedBlocks,
        caught_up: run.isCaughtUp,
        ...(lastTs === undefined ? {} : { last_processed_ts: Number(lastTs) }),
      },
    });
  }

  /** Time of the token's newest audit record, ms since the epoch. */
  lastAccessMs(tokenName: string): number | undefined {
    return this.#open?.lastAccess.of(tokenName);
  }

  /** Like `lastAccessMs`, with the requests that no record tells of yet. */
  lastUseMs(tokenName: string): number | undefined {
    const recordedMs = this.lastAccessMs(tokenName);
    const unrecordedMs = this.#audit.lastUseMs(tokenName);
    if (recordedMs === undefined) return unrecordedMs;
    return Math.max(recordedMs, unrecordedMs ?? 0);
  }

  /**
   * Writes what is left. To be called when nothing sends or requests any more, before the last commit. Idempotent.
   */
  async stop(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    clearInterval(open.timer);
    this.#audit.flushAll();
    this.#replications?.flushAll(performance.now());
    this.#flushLogs();
    for (let turn = 0; turn < MAX_STOP_TURNS && !open.store.isSettled; turn++) {
      open.commits.flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
    open.store.close();
    this.#open = undefined;
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#audit.flushDue(nowMs);
    this.#replications?.tick(nowMs);
    this.#open?.usage.tick(nowMs);
    this.#flushLogs();
  }

  #flushLogs(): void {
    const systemTasks = new Set<string>();
    for (const { task } of this.#taskFigures()) {
      if (task.settings.srcBucket === SYSTEM_BUCKET) systemTasks.add(task.name);
    }
    this.#capture.flush(this, systemTasks);
  }
}
