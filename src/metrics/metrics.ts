/** All metrics of the instance. The table in docs/metrics.md is held to this module by a test. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Catalog } from '../catalog/catalog.ts';
import type { GroupCommit } from '../commit/group-commit.ts';
import type { FrontServer } from '../http/server.ts';
import type { MetricsPage } from '../http/deps.ts';
import { DURATION_BUCKETS_S, OUTCOMES } from '../http/request-metrics.ts';
import type { QueryPool } from '../query/pool.ts';
import type { QueryService } from '../query/query-service.ts';
import type { RingWriter } from '../ring/writer.ts';
import { addEventMetrics } from './event-metrics.ts';
import type { EventMetricsSource } from './event-metrics.ts';
import { addCounter, addDistribution, addGauge } from './instruments.ts';
import type { Sample } from './instruments.ts';
import { addTaskMetrics } from './task-metrics.ts';
import type { TaskMetricsSource } from './task-metrics.ts';

/** The parts that are asked when Prometheus asks. */
export interface MetricSources {
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly ring: RingWriter;
  readonly front: FrontServer;
  readonly queryPool: QueryPool;
  readonly queries: QueryService;
  readonly freeSpace: { freeBytes(): number | undefined };
  readonly replication: TaskMetricsSource;
  /** Undefined when they are switched off. */
  readonly events: EventMetricsSource | undefined;
}

type Sources = () => MetricSources;

const one = (value: number): Sample[] => [{ value }];

/** @param sources called at collection only, when the store is open. */
export function createMetricsPage(sources: Sources): MetricsPage {
  const registry = new Registry();
  addCommitMetrics(registry, sources);
  addFrontMetrics(registry, sources);
  addRingMetrics(registry, sources);
  addStoreMetrics(registry, sources);
  addTaskMetrics(registry, () => sources().replication);
  addEventMetrics(registry, () => sources().events);
  collectDefaultMetrics({ register: registry });
  return {
    contentType: registry.contentType,
    renderMetrics: async () => {
      await sources().replication.refreshMetrics();
      return registry.metrics();
    },
  };
}

function addCommitMetrics(registry: Registry, sources: Sources): void {
  const stats = (): GroupCommit['stats'] => sources().commits.stats;
  addCounter(registry, { name: 'millrace_ingest_records_total', help: 'Records stored.' }, () =>
    one(stats().recordsStored),
  );
  addCounter(registry, { name: 'millrace_ingest_bytes_total', help: 'Content bytes stored.' }, () =>
    one(stats().bytesStored),
  );
  addCounter(
    registry,
    {
      name: 'millrace_ingest_duplicates_total',
      help: 'Records refused because their timestamp exists.',
    },
    () => one(stats().recordsRefused),
  );
  addCounter(
    registry,
    { name: 'millrace_commit_failures_total', help: 'Commit groups the store could not write.' },
    () => one(stats().commitFailures),
  );
  addDistribution(
    registry,
    { name: 'millrace_commit_group_records', help: 'Records per commit group.' },
    () => [stats().groupRecords],
  );
  addDistribution(
    registry,
    {
      name: 'millrace_commit_duration_seconds',
      help: 'Time from the end of staging to the durable commit of a group.',
    },
    () => [stats().commitSeconds],
  );
}

function addFrontMetrics(registry: Registry, sources: Sources): void {
  addCounter(
    registry,
    {
      name: 'millrace_http_requests_total',
      help: 'Requests by group of routes and class of the answer; aborted: the connection was gone.',
      labelNames: ['route', 'outcome'],
    },
    () =>
      sources()
        .front.figures()
        .requests.flatMap(({ group, requests }) =>
          OUTCOMES.map((outcome) => ({
            labels: { route: group, outcome },
            value: requests[outcome],
          })),
        ),
  );
  addDistribution(
    registry,
    {
      name: 'millrace_http_request_duration_seconds',
      help: 'Time from the head of a request to its answer.',
      labelNames: ['route'],
    },
    () =>
      sources()
        .front.figures()
        .requests.map(({ group, durationCounts, durationSumS }) => ({
          labels: { route: group },
          bounds: DURATION_BUCKETS_S,
          counts: durationCounts,
          sum: durationSumS,
        })),
  );
  addGauge(
    registry,
    { name: 'millrace_http_requests_in_flight', help: 'Requests not answered yet.' },
    () => one(sources().front.figures().requestsInFlight),
  );
  addUploadMetrics(registry, sources);
  addReadMemoryMetrics(registry, sources);
}

function addUploadMetrics(registry: Registry, sources: Sources): void {
  const uploads = (): ReturnType<FrontServer['figures']>['uploads'] =>
    sources().front.figures().uploads;
  addGauge(
    registry,
    { name: 'millrace_upload_memory_bytes', help: 'Memory held by bodies being received.' },
    () => one(uploads().heldBytes),
  );
  addGauge(
    registry,
    { name: 'millrace_upload_memory_limit_bytes', help: 'MILLRACE_UPLOAD_MEMORY.' },
    () => one(uploads().limitBytes),
  );
  addGauge(
    registry,
    { name: 'millrace_upload_waiting', help: 'Bodies that wait for memory, connection paused.' },
    () => one(uploads().waiting),
  );
  addCounter(
    registry,
    { name: 'millrace_upload_waits_total', help: 'Bodies that had to wait for memory.' },
    () => one(uploads().waitsTotal),
  );
  addCounter(
    registry,
    { name: 'millrace_upload_refusals_total', help: 'Bodies refused with 503 for lack of memory.' },
    () => one(uploads().refusalsTotal),
  );
}

function addReadMemoryMetrics(registry: Registry, sources: Sources): void {
  const reads = (): ReturnType<FrontServer['figures']>['readMemory'] =>
    sources().front.figures().readMemory;
  addGauge(
    registry,
    {
      name: 'millrace_read_memory_bytes',
      help: 'Memory held by answers that clients take slowly, and by batches found ahead of readers.',
    },
    () => one(reads().heldBytes),
  );
  addGauge(
    registry,
    { name: 'millrace_read_memory_limit_bytes', help: 'MILLRACE_READ_MEMORY.' },
    () => one(reads().limitBytes),
  );
  addGauge(
    registry,
    { name: 'millrace_read_waiting', help: 'Reads of queries that wait for memory.' },
    () => one(reads().waiting),
  );
  addCounter(
    registry,
    { name: 'millrace_read_waits_total', help: 'Reads that had to wait for memory.' },
    () => one(reads().waitsTotal),
  );
  addCounter(
    registry,
    { name: 'millrace_read_refusals_total', help: 'Reads refused with 503 for lack of memory.' },
    () => one(reads().refusalsTotal),
  );
  addCounter(
    registry,
    {
      name: 'millrace_read_drops_total',
      help: 'Answers cut off because their clients took nothing and others needed the memory.',
    },
    () => one(reads().dropsTotal),
  );
}

function addRingMetrics(registry: Registry, sources: Sources): void {
  addGauge(
    registry,
    { name: 'millrace_ring_head_sequence', help: 'Sequence the next block of the log will get.' },
    () => one(sources().ring.stats().headSequence),
  );
  addGauge(
    registry,
    { name: 'millrace_ring_tail_sequence', help: 'Lowest sequence that is still in the ring.' },
    () => one(sources().ring.stats().tailSequence),
  );
  addGauge(
    registry,
    {
      name: 'millrace_ring_lapped_readers',
      help: 'Enabled tasks that read from the store, because the ring has overtaken them.',
    },
    () => {
      const { headSequence, tailSequence } = sources().ring.stats();
      const lapped = sources()
        .replication.taskFigures()
        .filter(({ task: { mode, position } }) => {
          const { sequence } = position;
          return mode === 'enabled' && sequence < tailSequence && sequence < headSequence;
        });
      return one(lapped.length);
    },
  );
  addCounter(
    registry,
    { name: 'millrace_ring_reclaimed_total', help: 'Blocks overwritten by newer ones.' },
    () => one(sources().ring.stats().reclaimed),
  );
  addCounter(
    registry,
    {
      name: 'millrace_ring_left_to_store_total',
      help: 'Blocks not copied into the ring: too large for it, or of a bucket that no task reads.',
      labelNames: ['reason'],
    },
    () => {
      const { tooLarge, unread } = sources().ring.stats();
      return [
        { labels: { reason: 'too_large' }, value: tooLarge },
        { labels: { reason: 'unread' }, value: unread },
      ];
    },
  );
}

function addStoreMetrics(registry: Registry, sources: Sources): void {
  addGauge(registry, { name: 'millrace_buckets', help: 'Buckets.' }, () =>
    one([...sources().catalog.buckets()].length),
  );
  addGauge(
    registry,
    { name: 'millrace_store_bytes', help: 'Size of all buckets by the formula of the contract.' },
    () => {
      let total = 0;
      for (const { sizeBytes } of sources().catalog.buckets()) total += sizeBytes;
      return one(total);
    },
  );
  addGauge(
    registry,
    {
      name: 'millrace_disk_free_bytes',
      help: 'Bytes that may still be written; below the size of a record writers get 507.',
    },
    () => {
      const freeBytes = sources().freeSpace.freeBytes();
      return freeBytes === undefined ? [] : one(freeBytes);
    },
  );
  addGauge(registry, { name: 'millrace_queries_open', help: 'Queries not yet expired.' }, () =>
    one(sources().queries.openQueries),
  );
  addGauge(
    registry,
    { name: 'millrace_query_jobs_queued', help: 'Query jobs that wait for a thread.' },
    () => one(sources().queryPool.queuedJobs),
  );
}
