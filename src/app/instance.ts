/**
 * One running instance: its parts in the order in which they start, and in reverse when it stops. Main thread only.
 */
import type { Tokens } from '../auth/open-tokens.ts';
import type { TokenAdmin } from '../auth/types.ts';
import { SlicedRemover } from '../catalog/removal.ts';
import { Catalog } from '../catalog/catalog.ts';
import { loadCatalog } from '../catalog/load.ts';
import { GroupCommit } from '../commit/group-commit.ts';
import { SlicedRecordChanges } from '../commit/sliced-changes.ts';
import type { StorageLimit } from '../commit/types.ts';
import type { Config } from '../config/config.ts';
import { NO_PROVISIONING } from '../config/provisioning.ts';
import type { Provisioning } from '../config/provisioning.ts';
import { isReadOnlyRole } from '../config/rules.ts';
import { BugError } from '../errors/errors.ts';
import { storageReadOnly } from '../errors/read-only.ts';
import { SystemEvents } from '../events/system-events.ts';
import { defaultBucketSettings } from '../http/bucket-settings.ts';
import type { FrontDeps } from '../http/deps.ts';
import { extensionRefusal } from '../http/query-extensions.ts';
import { FrontServer } from '../http/server.ts';
import { RecordFinder } from '../links/find-record.ts';
import type { Lifecycles } from '../lifecycle/service.ts';
import { LinkService } from '../links/link-service.ts';
import type { Logger } from '../logging/logger.ts';
import { rateLimited } from '../logging/rate-limit.ts';
import { createMetricsPage } from '../metrics/metrics.ts';
import { QueryPool } from '../query/pool.ts';
import { QueryRemovals } from '../query/query-removals.ts';
import { QueryService } from '../query/query-service.ts';
import { ReadMemory } from '../query/read-memory.ts';
import { StoredRecordReader } from '../query/record-reader.ts';
import { RingWriter } from '../ring/writer.ts';
import type { RocksDatabase } from '../store/rocks.ts';
import { READ_ONLY_BACKGROUND, startBackground } from './background.ts';
import type { Background } from './background.ts';
import { FreeSpace } from './free-space.ts';
import { openStore } from './open-store.ts';
import { provisionBuckets } from './provisioning.ts';
import type { RunningReplication } from './replication.ts';
import { startTokenParts } from './tokens.ts';
import { QUERY_WORKER_URL } from './worker-urls.ts';

/** A full disk refuses thousands of groups a second; one line tells of them. */
const COMMIT_LOG_MS = 5_000;

/** Queries open at the same time; the oldest expired ones go first, then new ones get 503. */
const MAX_QUERIES = 10_000;
/** Plans and cursors of all open queries together. */
const MAX_QUERY_STATE_BYTES = 64 * 1024 * 1024;
/** Jobs that wait for a query thread. */
const MAX_QUERY_QUEUE = 4096;
/** Decoded blocks and plans kept per query thread. */
const QUERY_BLOCK_CACHE_BYTES = 16 * 1024 * 1024;
const QUERY_PLAN_CACHE_BYTES = 4 * 1024 * 1024;

/** Everything that exists once the store is open. */
interface OpenParts {
  readonly db: RocksDatabase;
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly remover: SlicedRemover;
  readonly freeSpace: FreeSpace;
  readonly tokens: Tokens;
  readonly tokenAdmin: TokenAdmin;
  readonly queryPool: QueryPool;
  readonly queries: QueryService;
  readonly changes: SlicedRecordChanges;
  readonly removals: QueryRemovals;
  readonly lifecycles: Lifecycles;
  readonly records: StoredRecordReader;
  readonly links: LinkService;
  readonly replication: RunningReplication;
  readonly ring: RingWriter;
}

/** Parts that both lifecycles and replication work with. */
type SharedParts = Pick<OpenParts, 'db' | 'catalog' | 'commits' | 'removals' | 'ring'> & {
  readonly executor: QueryPool;
  readonly reserveId: () => number;
};

export class Instance {
  readonly #config: Config;
  readonly #provisioning: Provisioning;
  readonly #isReadOnly: boolean;
  readonly #logger: Logger;
  /** Its lines never become events: for what the writing of events may cause. */
  readonly #plainLogger: Logger;
  readonly #events: SystemEvents | undefined;
  readonly #readMemory: ReadMemory;
  readonly #front: FrontServer;
  #parts: OpenParts | undefined;
  #isReady = false;
  #stopping: Promise<void> | undefined;
  /** Aborted when the stop begins. */
  readonly #stopSignal = new AbortController();

  /** @throws NativeModuleError when a native module does not load. */
  constructor(config: Config, logger: Logger, provisioning: Provisioning = NO_PROVISIONING) {
    this.#config = config;
    this.#provisioning = provisioning;
    this.#plainLogger = logger;
    this.#isReadOnly = isReadOnlyRole(config);
    const hasEvents = config.systemEventsEnabled && !this.#isReadOnly;
    this.#events = hasEvents ? new SystemEvents(config, logger) : undefined;
    this.#logger = this.#events?.logger ?? logger;
    this.#readMemory = new ReadMemory({
      limitBytes: config.readMemoryBytes,
      timeoutMs: config.operationTimeoutMs,
      nowMs: () => performance.now(),
    });
    this.#front = new FrontServer(this.#frontDeps());
  }

  /**
   * Listens at once (answering 503) and opens the store.
   * @returns the port listened on.
   * @throws StoreLockedError, StoreFormatError, or Error when the address is in use.
   */
  async start(): Promise<number> {
    const { host, port } = this.#config;
    const listeningPort = await this.#front.listen(host, port);
    this.#parts = await this.#open(listeningPort);
    this.#isReady = true;
    return listeningPort;
  }

  /**
   * Stops in order: accept nothing more, finish requests in flight, stop sending and keep the cursors, flush the commit
   * group, close the store. Takes at most about `MILLRACE_STOP_TIMEOUT`. Safe to call again.
   */
  stop(): Promise<void> {
    this.#stopSignal.abort();
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The stop has begun: a start that is under way may reject for it. */
  get isStopping(): boolean {
    return this.#stopSignal.signal.aborted;
  }

  async #open(listeningPort: number): Promise<OpenParts> {
    const config = this.#config;
    const db = await openStore(config, this.#logger, this.#stopSignal.signal);
    const loaded = loadCatalog(db, this.#isReadOnly);
    const freeSpace = new FreeSpace(config.dataPath, (err) => {
      this.#logger.warn({ err }, 'the free space of the data folder is unknown');
    });
    await freeSpace.start();
    const ring = new RingWriter(config.ringSizeBytes, loaded.nextSequence);
    const commits = new GroupCommit({
      db,
      publisher: ring,
      sync: config.durability === 'fsync',
      nextSequence: loaded.nextSequence,
      nextUploadId: loaded.nextUploadId,
      space: freeSpace,
      storageLimit: storageLimit(config, loaded.buckets),
      refusal: this.#isReadOnly ? storageReadOnly() : undefined,
      onFailure: (err) => {
        rateLimited(this.#plainLogger, 'commit', COMMIT_LOG_MS).error(
          { err },
          'records could not be stored',
        );
      },
    });
    const remover = new SlicedRemover(
      db,
      commits,
      (bucket, err) => {
        this.#logger.error({ err, bucket: bucket.name }, 'removing a bucket is interrupted');
      },
      (rows) => commits.tellRemoved(rows),
    );
    const catalog = new Catalog(loaded, commits, remover);
    commits.setAttach((entry) => catalog.attach(entry));
    const records = new StoredRecordReader(db);
    if (!this.#isReadOnly) {
      catalog.resumeRemovals();
      await this.#provisionBuckets(catalog);
      const bucketDefaults = defaultBucketSettings(config);
      await this.#events?.open({ catalog, commits, records, bucketDefaults });
    }
    const { tokens, tokenAdmin } = await startTokenParts({
      config,
      provisioning: this.#provisioning,
      logger: this.#logger,
      db,
      commits,
      catalog,
      records,
      events: this.#events,
    });
    const queryPool = this.#newQueryPool(db);
    const queries = this.#newQueries(queryPool);
    commits.addListener(queries);
    const changes = new SlicedRecordChanges(commits, () => performance.now());
    const reserveId = (): number => queries.reserveId();
    const removing = { executor: queryPool, changes, reserveId };
    const removals = new QueryRemovals(removing);
    const expiry = new QueryRemovals({ ...removing, cause: 'lifecycle' });
    const { lifecycles, replication } = await this.#startBackground(
      { db, catalog, commits, removals: expiry, ring, executor: queryPool, reserveId },
      listeningPort,
    );
    this.#events?.followTasks(() => replication.taskFigures());
    const links = this.#newLinks(queryPool, queries, records, tokens);
    return {
      db,
      catalog,
      commits,
      remover,
      freeSpace,
      tokens,
      tokenAdmin,
      queryPool,
      queries,
      changes,
      removals,
      lifecycles,
      records,
      links,
      replication,
      ring,
    };
  }

  #startBackground(shared: SharedParts, listeningPort: number): Promise<Background> {
    if (this.#isReadOnly) return Promise.resolve(READ_ONLY_BACKGROUND);
    const { lifecycles: provisionedLifecycles, replications: provisioned } = this.#provisioning;
    return startBackground({
      lifecycles: {
        ...shared,
        logger: this.#logger,
        onRun: (run) => this.#events?.lifecycleRan(run),
      },
      provisionedLifecycles,
      replication: {
        ...shared,
        config: this.#config,
        logger: this.#logger.child('replication'),
        provisioned,
      },
      listeningPort,
    });
  }

  #newLinks(
    executor: QueryPool,
    queries: QueryService,
    records: StoredRecordReader,
    tokens: Tokens,
  ): LinkService {
    const reserveId = (): number => queries.reserveId();
    const finder = new RecordFinder({ executor, reserveId, extensionRefusal });
    return new LinkService({ tokens, finder, records, nowMs: () => performance.now() });
  }

  #provisionBuckets(catalog: Catalog): Promise<void> {
    const { buckets } = this.#provisioning;
    const defaults = defaultBucketSettings(this.#config);
    return provisionBuckets(catalog, buckets, defaults, this.#logger);
  }

  #newQueryPool(db: RocksDatabase): QueryPool {
    return new QueryPool({
      handle: db.handle,
      blockCacheBytes: QUERY_BLOCK_CACHE_BYTES,
      planCacheBytes: QUERY_PLAN_CACHE_BYTES,
      workerUrl: QUERY_WORKER_URL,
      threads: this.#config.queryThreads,
      maxQueue: MAX_QUERY_QUEUE,
      onThreadError: (err) => this.#logger.error({ err }, 'a query thread died'),
    });
  }

  #newQueries(executor: QueryPool): QueryService {
    const config = this.#config;
    const queries = new QueryService({
      executor,
      memory: this.#readMemory,
      limits: {
        maxRecords: config.batchMaxRecords,
        maxBodyBytes: config.batchMaxSizeBytes,
        maxMetadataBytes: config.batchMaxMetadataBytes,
      },
      batchTimeoutMs: config.batchTimeoutMs,
      maxQueries: MAX_QUERIES,
      maxStateBytes: MAX_QUERY_STATE_BYTES,
      extensionRefusal,
      nowMs: () => performance.now(),
    });
    queries.start();
    return queries;
  }

  async #stop(): Promise<void> {
    const { stopTimeoutMs } = this.#config;
    await this.#front.close(stopTimeoutMs);
    this.#isReady = false;
    const parts = this.#parts;
    if (parts === undefined) return;
    parts.queries.stop();
    this.#readMemory.stop();
    parts.lifecycles.stop();
    await parts.replication.stop();
    await parts.queryPool.stop(stopTimeoutMs);
    await parts.remover.stop();
    await this.#events?.stop();
    parts.freeSpace.stop();
    parts.commits.close();
    // No thread reads any more: closing under a reader would end the process.
    await parts.db.close();
    this.#parts = undefined;
  }

  #openParts(): OpenParts {
    if (this.#parts === undefined) throw new BugError('the store is used before it is open');
    return this.#parts;
  }

  #frontDeps(): FrontDeps {
    const config = this.#config;
    const parts = (): OpenParts => this.#openParts();
    return {
      config,
      logger: this.#logger.child('http'),
      metrics: createMetricsPage(() => ({
        ...parts(),
        front: this.#front,
        events: this.#events,
      })),
      audit: this.#events?.audit,
      reads: this.#events?.reads,
      readMemory: this.#readMemory,
      isReady: () => this.#isReady,
      get auth() {
        return parts().tokens;
      },
      get tokens() {
        return parts().tokenAdmin;
      },
      get catalog() {
        return parts().catalog;
      },
      get ingest() {
        return parts().commits;
      },
      get changes() {
        return parts().changes;
      },
      get removals() {
        return parts().removals;
      },
      get queries() {
        return parts().queries;
      },
      get records() {
        return parts().records;
      },
      get lifecycles() {
        return parts().lifecycles;
      },
      get links() {
        return parts().links;
      },
      get replications() {
        return parts().replication.service;
      },
    };
  }
}

/** @param buckets all of them, as they come and go. */
function storageLimit(
  { maxStorageSizeBytes }: Config,
  buckets: ReadonlyMap<string, { readonly sizeBytes: number }>,
): StorageLimit | undefined {
  if (maxStorageSizeBytes === undefined) return undefined;
  return {
    limitBytes: maxStorageSizeBytes,
    usedBytes: () => {
      let sum = 0;
      for (const { sizeBytes } of buckets.values()) sum += sizeBytes;
      return sum;
    },
  };
}
