import { SignalReader } from '../signal/signal-reader.ts';
import { loadSignal, type Signal } from '../signal/signal.ts';
import { DeliveryProbe } from './delivery-probe.ts';
import { formatCount, formatDuration } from './figures.ts';
import type { InstanceClient } from './instance-client.ts';
import type { DemoOptions } from './options.ts';
import { abortable, pause } from './pause.ts';
import {
  BATCH_RECORDS,
  CLOUD_BUCKET,
  EDGE_BUCKET,
  EXCLUDE,
  INCLUDE,
  PAYLOAD_BYTES,
  REPLICATED_ENTRIES,
  SENSOR_ENTRIES,
  TASK_NAME,
} from './plan.ts';
import { ProgressPrinter, type ProgressStream } from './progress.ts';
import { metricSum } from './prometheus-text.ts';
import { SensorSource } from './sensor-source.ts';
import { SensorWriter, type WriteTotals } from './sensor-writer.ts';
import { formatSummary, type DemoFigures, type SenderFigures } from './summary.ts';
import { TaskMonitor } from './task-monitor.ts';
import { verify } from './verification.ts';
import { Workspace } from './workspace.ts';

export interface DemoContext {
  /** Script of the server. */
  readonly serverPath: string;
  readonly stdout: ProgressStream;
  /** Ends the demo early; its reason is thrown after everything is cleaned up. */
  readonly signal: AbortSignal;
}

/** When the cloud is killed and for how long, as shares of the writing time. */
const KILL_AT_SHARE = 0.4;
const OUTAGE_SHARE = 0.2;
const MAX_OUTAGE_MS = 3_000;
const DRAIN_TIMEOUT_MS = 60_000;
/** A backlog of less than this is not distinguishable from records under way. */
const CAUGHT_UP_MS = 100;
/** Store, write-ahead log and compaction at the edge, and a share of it in the cloud; plus what an empty store takes. */
const DISK_BYTES_PER_PAYLOAD_BYTE = 3;
const DISK_BASE_BYTES = 256 * 1024 * 1024;

/**
 * The demo from start to end: both instances, the sensors, the outage, the comparison. Returns whether the comparison
 * holds. Nothing is left behind, whichever way it ends, unless `keep` is asked for and the comparison was reached.
 *
 * @throws MillraceError when it cannot be carried through; the reason of `context.signal` when that was aborted
 */
export async function runDemo(options: DemoOptions, context: DemoContext): Promise<boolean> {
  const signal = loadSignal({ file: options.signalFile });
  const printer = new ProgressPrinter(context.stdout);
  printer.note(`Signal: ${signal.name}: ${signal.origin}`);
  const over = new AbortController();
  const workspace = await Workspace.create({
    serverPath: context.serverPath,
    neededBytes: neededBytes(options),
    onUnexpectedExit: (error) => {
      over.abort(error);
    },
  });
  let reachedTheEnd = false;
  try {
    const stop = AbortSignal.any([context.signal, over.signal]);
    const demo = new Demo({ options, signal, workspace, printer, stop });
    const figures = await abortable(demo.play(), stop);
    printer.note(formatSummary(figures));
    reachedTheEnd = true;
    return figures.verification.holds;
  } finally {
    over.abort();
    if (options.keep && reachedTheEnd) await leaveRunning(workspace, printer);
    else await cleanUp(workspace, printer);
  }
}

interface DemoParts {
  readonly options: DemoOptions;
  readonly signal: Signal;
  readonly workspace: Workspace;
  readonly printer: ProgressPrinter;
  readonly stop: AbortSignal;
}

/** The parts of one run, wired together. */
class Demo {
  readonly #parts: DemoParts;
  readonly #totals: WriteTotals = { records: 0, bytes: 0, batches: 0, singles: 0, repeats: 0 };
  readonly #probe: DeliveryProbe;
  readonly #writers: readonly SensorWriter[];
  readonly #monitor: TaskMonitor;

  constructor(parts: DemoParts) {
    const { options, workspace, printer, stop } = parts;
    const totals = this.#totals;
    this.#parts = parts;
    const probe = new DeliveryProbe(workspace.cloud.client, 'sensor-1', stop);
    this.#probe = probe;
    this.#writers = createSources(parts).map((source) => {
      const isReplicated = REPLICATED_ENTRIES.includes(source.entry);
      const onDeliverable = (timestampUs: bigint): void => {
        if (isReplicated) probe.offer(timestampUs);
      };
      return new SensorWriter({ source, client: workspace.edge.client, totals, onDeliverable });
    });
    const perSensor = options.recordsPerSecond / SENSOR_ENTRIES.length;
    this.#monitor = new TaskMonitor({
      client: workspace.edge.client,
      totals,
      printer,
      caughtUpRecords: Math.max(BATCH_RECORDS, (perSensor * CAUGHT_UP_MS) / 1000),
      onCaughtUp: () => {
        this.#monitor.remark = '';
        probe.resume();
      },
    });
  }

  async play(): Promise<DemoFigures> {
    const { workspace, signal, printer } = this.#parts;
    await this.#setUp();
    const { writeMs, outageMs, drainMs } = await this.#writeAndDrain();
    const sender = await senderFigures(workspace.edge.client);
    printer.note(`Comparing ${formatCount(this.#totals.records)} records …`);
    const sensors = this.#writers.map(({ source, ackedRecords }) => ({ source, ackedRecords }));
    const verification = await verify(sensors, workspace.edge, workspace.cloud);
    return {
      signal,
      totals: this.#totals,
      writeMs,
      outageMs,
      peakPendingRecords: this.#monitor.peakPendingRecords,
      catchUpMs: this.#monitor.catchUpMs,
      caughtUpMs: CAUGHT_UP_MS,
      drainMs,
      deliveryMs: this.#probe.samplesMs,
      sender,
      verification,
    };
  }

  async #setUp(): Promise<void> {
    const { workspace, printer, stop } = this.#parts;
    const { edge, cloud } = workspace;
    await Promise.all([edge.start(stop), cloud.start(stop)]);
    printer.note(`Edge ${edge.url}, cloud ${cloud.url}, data in ${workspace.folder}`);
    await edge.client.createBucket(EDGE_BUCKET);
    await cloud.client.createBucket(CLOUD_BUCKET);
    await edge.client.createReplication(TASK_NAME, {
      src_bucket: EDGE_BUCKET,
      dst_bucket: CLOUD_BUCKET,
      dst_host: cloud.url,
      dst_token: cloud.token,
      entries: REPLICATED_ENTRIES,
      include: INCLUDE,
      exclude: EXCLUDE,
    });
    printer.note(
      `Replicating ${REPLICATED_ENTRIES.join(', ')} of ${EDGE_BUCKET} to ${CLOUD_BUCKET}: ` +
        `include ${JSON.stringify(INCLUDE)}, exclude ${JSON.stringify(EXCLUDE)}`,
    );
  }

  /** Writes for the time asked for, with the outage in the middle, and waits until nothing is pending. */
  async #writeAndDrain(): Promise<{ writeMs: number; outageMs: number; drainMs: number }> {
    const { options, stop } = this.#parts;
    const monitorOver = new AbortController();
    const watching = this.#monitor.run(AbortSignal.any([stop, monitorOver.signal]));
    const work = async (): Promise<{ writeMs: number; outageMs: number; drainMs: number }> => {
      const startMs = performance.now();
      const durationMs = options.seconds * 1000;
      const writing = Promise.all(this.#writers.map((writer) => writer.run(durationMs, stop)));
      const writeTime = writing.then(() => performance.now() - startMs);
      const [outageMs, writeMs] = await Promise.all([this.#outage(), writeTime]);
      this.#monitor.remark = 'draining';
      const drainMs = await this.#monitor.untilDrained(DRAIN_TIMEOUT_MS, stop);
      monitorOver.abort();
      return { writeMs, outageMs, drainMs };
    };
    const [times] = await Promise.all([work(), watching]);
    return times;
  }

  /** Kills the cloud in the middle of writing and starts it again; returns how long it was away. */
  async #outage(): Promise<number> {
    const { options, workspace, printer, stop } = this.#parts;
    const durationMs = options.seconds * 1000;
    await pause(durationMs * KILL_AT_SHARE, stop);
    this.#probe.pause();
    this.#monitor.remark = 'cloud down';
    const killedMs = performance.now();
    await workspace.cloud.kill();
    printer.note('      the cloud was killed with SIGKILL');
    await pause(Math.min(MAX_OUTAGE_MS, durationMs * OUTAGE_SHARE), stop);
    await workspace.cloud.start(stop);
    const outageMs = performance.now() - killedMs;
    printer.note(`      the cloud is back after ${formatDuration(outageMs)}`);
    this.#monitor.remark = 'catching up';
    this.#monitor.cloudIsBack();
    return outageMs;
  }
}

function createSources({ options, signal }: DemoParts): SensorSource[] {
  const reader = new SignalReader(signal, {
    payloadBytes: PAYLOAD_BYTES,
    spanPayloads: BATCH_RECORDS,
  });
  const startUs = BigInt(Date.now()) * 1000n;
  const stepUs = Math.max(1, Math.round((1e6 * SENSOR_ENTRIES.length) / options.recordsPerSecond));
  return SENSOR_ENTRIES.map(
    (_, sensorIndex) => new SensorSource({ sensorIndex, startUs, stepUs, reader }),
  );
}

async function senderFigures(edge: InstanceClient): Promise<SenderFigures> {
  const text = await edge.metricsText();
  return {
    batches: metricSum(text, 'millrace_task_batches_total'),
    retries: metricSum(text, 'millrace_task_retries_total'),
    erroredRecords: (await edge.taskState(TASK_NAME)).erroredRecords,
  };
}

function neededBytes({ seconds, recordsPerSecond }: DemoOptions): number {
  const payloadBytes = seconds * recordsPerSecond * PAYLOAD_BYTES;
  return DISK_BASE_BYTES + payloadBytes * DISK_BYTES_PER_PAYLOAD_BYTE;
}

async function cleanUp(workspace: Workspace, printer: ProgressPrinter): Promise<void> {
  const killed = await workspace.dispose();
  for (const name of killed) printer.note(`The ${name} did not stop in time and was killed.`);
}

async function leaveRunning(workspace: Workspace, printer: ProgressPrinter): Promise<void> {
  await workspace.release();
  const instances = [workspace.edge, workspace.cloud];
  printer.note('Both instances go on running:');
  for (const { name, url, token, pid, dataFolder, logFile } of instances) {
    printer.note(`  ${name.padEnd(6)} ${url}  token ${token}  pid ${pid}`);
    printer.note(`         data ${dataFolder}  log ${logFile}`);
  }
  printer.note(`Stop them:    kill ${instances.map(({ pid }) => pid).join(' ')}`);
  printer.note(`and clean up: rm -r ${workspace.folder}`);
}
