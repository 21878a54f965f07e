/** The parts of one replication thread, and its one function: run a job. */
import { attachRocks, type RocksReader } from '../store/rocks.ts';
import { RingReader } from '../ring/reader.ts';
import { countPending } from './count.ts';
import { compareEntry } from './compare/compare-entry.ts';
import { inspectRecords } from './letters/inspect.ts';
import { resendLetters } from './letters/resend.ts';
import { planRange } from './ranges/plan.ts';
import type {
  CheckResult,
  CompareJob,
  CountJob,
  PreviewJob,
  ReplicationJob,
  ReplicationResult,
  ResendJob,
  SendJob,
  TryJob,
} from './messages.ts';
import type { WorkerOptions, WorkerSetup } from './worker-options.ts';
import { previewFilters } from './probe/preview.ts';
import { tryTarget } from './probe/try-target.ts';
import { RingWatcher } from './ring-watcher.ts';
import { MAX_BATCH_HEADER_BYTES } from './scan/batch.ts';
import { EntryDirectory } from './scan/entry-directory.ts';
import { LogReader } from './scan/log-reader.ts';
import { MetaCache } from './scan/meta-cache.ts';
import { WindowCache } from './scan/window-cache.ts';
import type { ScanContext } from './scan/window-source.ts';
import { Slice, type SliceContext } from './slice.ts';
import { TlsChannel } from './tls-channel.ts';
import { TaskSessions } from './task-sessions.ts';
import { BodyCompressor } from './transfer/compression.ts';
import { checkTarget } from './transfer/target-check.ts';
import { RequestGroup } from './transfer/exchange.ts';
import type { TargetClient } from './transfer/target-client.ts';
import type { TlsMaterial } from './transfer/tls-material.ts';
import { Targets } from './transfer/targets.ts';

/** Blocks of the ring that a slice of a range keeps decoded; it mostly reads from the store. */
const RANGE_CACHE_BYTES = 1024 * 1024;

export class WorkerRuntime {
  readonly #scan: ScanContext;
  readonly #slices: SliceContext;
  readonly #sessions: TaskSessions;
  readonly #targets: Targets;

  constructor(store: RocksReader, ring: RingReader, options: WorkerOptions) {
    const nowMs = (): number => performance.now();
    const log = new LogReader(store, ring, options.blockCacheBytes, nowMs);
    const metas = new MetaCache();
    const windows = new WindowCache(options.windowCacheBytes);
    this.#scan = { log, metas, entries: new EntryDirectory(), windows, nowMs };
    const watcher = new RingWatcher(ring, nowMs);
    const compressor = new BodyCompressor();
    this.#slices = { scan: this.#scan, watcher, compressor, options, nowMs };
    this.#sessions = new TaskSessions(log, metas, {
      maxRecords: options.batchMaxRecords,
      maxBytes: options.batchMaxBytes,
      maxHeaderBytes: MAX_BATCH_HEADER_BYTES,
    });
    this.#targets = new Targets(options, nowMs);
  }

  /** Rejects only on a bug of ours; jobs of different tasks may run at the same time. */
  run(job: ReplicationJob): Promise<ReplicationResult> {
    if (job.kind === 'send' || job.kind === 'count') {
      // Windows hold names, too.
      if (this.#scan.entries.renew(job.namesEpoch)) this.#scan.windows.clear();
      if (job.entries !== null) this.#scan.entries.learn(job.bucketId, job.entries);
    }
    switch (job.kind) {
      case 'send':
        return this.#send(job);
      case 'count':
        return this.#count(job);
      case 'check':
        return this.#check(this.#clientFor(job.task.settings), job.task.settings.dstBucket);
      case 'plan':
        return planRange(this.#scan.log.store, job);
      case 'try':
        return this.#try(job);
      case 'preview':
        return this.#preview(job);
      case 'resend':
        return this.#resend(job);
      case 'compare':
        return this.#compare(job);
      case 'inspect':
        return inspectRecords(this.#scan.log.store, job.places);
    }
  }

  /** For connections to targets from now on. */
  useCertificates(material: TlsMaterial): void {
    this.#targets.useCertificates(material);
  }

  /** Closes connections; for threads that go on living. */
  close(): Promise<void> {
    return this.#targets.close();
  }

  async #send(job: SendJob): Promise<ReplicationResult> {
    const session = this.#sessions.sessionOf(job.task);
    const client = this.#clientFor(job.task.settings);
    if (job.range === null) return new Slice(this.#slices, job, session, client).run();
    // What was read before live records were sent would bring back labels that they changed.
    const { store, ring } = this.#scan.log;
    const log = new LogReader(store, ring, RANGE_CACHE_BYTES, this.#scan.nowMs);
    try {
      const context = { ...this.#slices, scan: { ...this.#scan, log } };
      return await new Slice(context, job, session, client).run();
    } finally {
      log.close();
    }
  }

  async #compare(job: CompareJob): Promise<ReplicationResult> {
    const session = this.#sessions.sessionOf(job.task);
    const client = this.#clientFor(job.task.settings);
    return compareEntry(this.#slices, job, session, client);
  }

  async #resend(job: ResendJob): Promise<ReplicationResult> {
    const session = this.#sessions.sessionOf(job.task);
    const client = this.#clientFor(job.task.settings);
    return resendLetters(this.#slices, job, session, client);
  }

  async #count(job: CountJob): Promise<ReplicationResult> {
    const { limits } = this.#sessions.sessionOf(job.task);
    return countPending(this.#scan, job, this.#sessions.newFilter(job.task), limits);
  }

  async #check(client: TargetClient, bucketName: string): Promise<CheckResult> {
    const contact = await checkTarget(client, bucketName, false, new RequestGroup());
    return { kind: 'check', failure: contact.kind === 'failed' ? contact.failure : null };
  }

  async #try({ trial }: TryJob): Promise<ReplicationResult> {
    return { kind: 'try', findings: await tryTarget(trial, this.#targets.options) };
  }

  async #preview({ preview }: PreviewJob): Promise<ReplicationResult> {
    return { kind: 'preview', json: await previewFilters(this.#scan.log.store, preview) };
  }

  #clientFor(settings: {
    readonly dstHost: string;
    readonly dstToken: string | null;
  }): TargetClient {
    return this.#targets.clientFor(settings.dstHost, settings.dstToken);
  }
}

/** Opens store and ring in this thread. Neither is ever closed here: that would close it under every thread. */
export async function startWorkerRuntime(setup: WorkerSetup): Promise<WorkerRuntime> {
  const store = await attachRocks(setup.databaseHandle);
  const runtime = new WorkerRuntime(store, new RingReader(setup.ring), setup.options);
  if (setup.tlsChannel !== null) followCertificates(setup.tlsChannel, runtime);
  return runtime;
}

/** The thread may have started after a change: it asks for what is in use. */
function followCertificates(channelName: string, runtime: WorkerRuntime): void {
  const channel = new TlsChannel(channelName);
  channel.follow((material) => runtime.useCertificates(material));
}
