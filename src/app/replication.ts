/** Puts the replication engine together with store, catalogue and commit path. */
import { hostname, networkInterfaces } from 'node:os';
import type { Catalog } from '../catalog/catalog.ts';
import type { Entry } from '../catalog/model.ts';
import type { GroupCommit } from '../commit/group-commit.ts';
import type { CommitListener } from '../commit/types.ts';
import { UpdateTrimmer } from '../commit/update-trimmer.ts';
import type { Config } from '../config/config.ts';
import type { ProvisionedReplication } from '../config/replication-variables.ts';
import { ConfigError } from '../errors/errors.ts';
import type { Logger } from '../logging/logger.ts';
import type { TaskMetricsSource } from '../metrics/task-metrics.ts';
import { ReplicationEngine } from '../replication/engine.ts';
import { DEFAULT_WORKER_OPTIONS } from '../replication/worker-options.ts';
import { RocksTaskStore } from '../replication/rocks-task-store.ts';
import { TlsChannel } from '../replication/tls-channel.ts';
import { TlsFiles } from '../replication/tls-files.ts';
import { proxySettings } from '../replication/transfer/proxy.ts';
import type { ReplicationService, ReplicationSource } from '../replication/types.ts';
import { newReplicationPool } from '../replication/worker-pool.ts';
import type { RingWriter } from '../ring/writer.ts';
import { SecretKeys } from '../secrets/secret-key.ts';
import { TokenVault } from '../secrets/token-vault.ts';
import type { RocksDatabase } from '../store/rocks.ts';
import { REPLICATE_WORKER_URL } from './worker-urls.ts';

/** How long the batch in flight may go on when the server stops; it stays pending and is sent again. */
const STOP_GRACE_MS = 2_000;
/** How soon the ring learns which buckets are read; until then their blocks come from the store, or are copied for nobody. */
const READERS_MS = 50;
/** Longest wait of /metrics for exact pending figures of tasks that do not send. */
const METRICS_REFRESH_MS = 1_000;

export interface ReplicationParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly db: RocksDatabase;
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly ring: RingWriter;
  readonly provisioned: readonly ProvisionedReplication[];
}

export interface RunningReplication extends CommitListener, TaskMetricsSource {
  readonly service: ReplicationService;
  /** Resolves when the store has the tasks of the environment. */
  readonly provisioned: Promise<void>;
  stop(): Promise<void>;
}

/** Loads all tasks and starts the enabled ones. @throws ConfigError for unusable certificates. */
export async function startReplication(
  parts: ReplicationParts,
  listeningPort: number,
): Promise<RunningReplication> {
  const { config, logger, db, catalog, commits, ring, provisioned } = parts;
  const vault = openVault(config, logger);
  const store = new RocksTaskStore(db, commits, catalog, vault, config.deadLettersMax);
  const tlsChannel = `millrace-tls-${catalog.instanceId}`;
  const channel = new TlsChannel(tlsChannel);
  const tls = await openTlsFiles(config, logger, channel);
  const pool = newReplicationPool({
    databaseHandle: db.handle,
    ring: ring.buffer,
    workerUrl: REPLICATE_WORKER_URL,
    threads: config.replicationThreads,
    tlsChannel,
    worker: {
      ...DEFAULT_WORKER_OPTIONS,
      concurrency: config.replicationConcurrency,
      instanceId: catalog.instanceId,
      verifyTls: config.replicationVerifySsl,
      batchMaxRecords: config.batchMaxRecords,
      batchMaxBytes: config.batchMaxSizeBytes,
      ...tls.material,
      proxies: proxySettings(process.env),
    },
    onThreadError: (err) => logger.error({ err }, 'a replication thread died'),
  });
  const engine = new ReplicationEngine({
    pool,
    source: sourceOf(catalog, commits),
    store,
    identity: {
      instanceId: catalog.instanceId,
      port: listeningPort,
      addresses: ownAddresses(),
      hostNames: [hostname()],
    },
    logger,
    provisioned,
    maxUnreachableMs: config.replicationTimeoutMs,
    certificateProblem: () => tls.refresh(),
    maxPendingRecords: config.replicationLogSize ?? null,
  });
  const readers = setInterval(() => ring.setReadBuckets(readBuckets(engine, catalog)), READERS_MS);
  readers.unref();
  const trimmer = new UpdateTrimmer({
    db,
    commits,
    neededFrom: (bucketId) => {
      // A task that waits for another bucket of the name keeps its place in the one that is gone.
      const isGone = catalog.bucketById(bucketId) === undefined;
      return Math.min(commits.headSequence, isGone ? Infinity : engine.neededFrom(bucketId));
    },
    onFailure: (err) => logger.warn({ err }, 'label updates in the log could not be trimmed'),
  });
  trimmer.start();
  return {
    service: engine.service,
    provisioned: engine.provisioned,
    onCommitted: (headSequence, buckets) => engine.onCommitted(headSequence, buckets),
    onRemoved: (rows) => engine.onRemoved(rows),
    neededFrom: (bucketId) => engine.neededFrom(bucketId),
    taskFigures: () => engine.figures(),
    refreshMetrics: () => engine.refreshFigures(METRICS_REFRESH_MS),
    stop: async () => {
      clearInterval(readers);
      tls.stop();
      channel.close();
      await trimmer.stop();
      await engine.stop(STOP_GRACE_MS);
    },
  };
}

/** Ids of the buckets whose blocks are worth copying into the ring. */
function readBuckets(engine: ReplicationEngine, catalog: Catalog): ReadonlySet<number> {
  const ids = new Set<number>();
  for (const name of engine.bucketsRead()) {
    const bucket = catalog.findBucket(name);
    if (bucket !== undefined) ids.add(bucket.id);
  }
  return ids;
}

function sourceOf(catalog: Catalog, commits: GroupCommit): ReplicationSource {
  return {
    bucket: (name) => catalog.findBucket(name),
    entryNames: (bucketId, afterId) => {
      const names: [number, string][] = [];
      for (const { id, name, isDurable } of catalog.bucketById(bucketId)?.entries.values() ?? []) {
        if (isDurable && id > afterId) names.push([id, name]);
      }
      return names;
    },
    entry: (entryId) => durable(catalog.entryById(entryId)),
    findEntry: (bucketName, entryName) =>
      durable(catalog.findBucket(bucketName)?.entries.get(entryName)),
    highestEntryId: () => catalog.highestEntryId(),
    headSequence: () => commits.headSequence,
  };
}

function durable(entry: Entry | undefined): Entry | undefined {
  return entry?.isDurable === true ? entry : undefined;
}

/** A key that cannot be used stops tasks with tokens, and nothing else. */
function openVault(config: Config, logger: Logger): TokenVault {
  const { secretKey, oldSecretKey, secretKeyPath } = config;
  const keys = new SecretKeys({
    keyText: secretKey,
    oldKeyText: oldSecretKey,
    keyPath: secretKeyPath,
  });
  for (const warning of keys.warnings()) logger.warn(warning);
  return new TokenVault(keys);
}

/** @throws ConfigError when the files cannot be used: rather no start than tasks that cannot connect. */
async function openTlsFiles(
  config: Config,
  logger: Logger,
  channel: TlsChannel,
): Promise<TlsFiles> {
  const files = new TlsFiles({
    paths: {
      ca: config.replicationCaPath,
      cert: config.replicationCertPath,
      key: config.replicationKeyPath,
    },
    logger,
    onChange: (material) => channel.tell(material),
  });
  const problem = await files.start();
  if (problem !== null) {
    files.stop();
    channel.close();
    throw new ConfigError(problem);
  }
  channel.serve(() => files.material);
  return files;
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map(({ address }) => address),
  );
}
