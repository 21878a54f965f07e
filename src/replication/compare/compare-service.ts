/** Runs comparisons, one a task at a time, entry by entry in worker threads. Main thread only. */
import { ApiError } from '../../errors/errors.ts';
import type { Logger } from '../../logging/logger.ts';
import { U64_MAX } from '../../store/format.ts';
import { backOff, type BackoffState, NO_BACKOFF } from '../backoff.ts';
import { compileEntryPatterns } from '../entry-pattern.ts';
import type { CompareJob, CompareResult, ReplicationPool, SliceFailure } from '../messages.ts';
import { readStart, readStop } from '../ranges/range-times.ts';
import { parseBody } from '../settings-body.ts';
import { readObject } from '../settings-json.ts';
import { STOPPED } from '../transfer/failure.ts';
import { countTraffic } from '../slice-report.ts';
import type { Task } from '../task.ts';
import { TaskLine } from '../task-line.ts';
import type { ReplicationSource } from '../types.ts';
import { comparisonJson } from './compare-json.ts';
import { Comparison, type CompareRequest } from './comparison.ts';
import { isExact } from './expectation.ts';
import { addCounts, newCounts } from './types.ts';

/** Time of one job in a worker, ms. */
const JOB_MS = 2_000;

/** Failures in a row, without getting on, after which a comparison gives up. */
const MAX_FAILURES = 6;

/** Management of comparisons as the front uses it. Answers are JSON texts. @throws ApiError 404 for an unknown task. */
export interface Comparisons {
  /** @throws ApiError 409 while one is running, 422 for a body that makes no sense. */
  start(taskName: string, bodyText: string): Promise<string>;
  /** The running or the last one. @throws ApiError 404 when there was none since the start. */
  detail(taskName: string): string;
  /** Ends the running one; what it found stays. @throws ApiError 404 when there was none, 409 when it has ended. */
  cancel(taskName: string): Promise<string>;
}

export interface CompareServiceOptions {
  readonly pool: ReplicationPool;
  readonly source: ReplicationSource;
  readonly logger: Logger;
  /** @throws ApiError 404. */
  readonly existing: (taskName: string) => Task;
  readonly pendingRecords: (task: Task) => number;
  /** After requests of a task with a link budget. */
  readonly onBudgetUsed: (task: Task) => void;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

interface Run {
  readonly comparison: Comparison;
  readonly line: TaskLine;
  readonly done: Promise<void>;
}

interface EntryName {
  readonly id: number;
  readonly name: string;
}

export class CompareService implements Comparisons {
  readonly #options: CompareServiceOptions;
  readonly #runs: WeakMap<Task, Run> = new WeakMap();
  readonly #running: Set<Run> = new Set();

  constructor(options: CompareServiceOptions) {
    this.#options = options;
  }

  async start(taskName: string, bodyText: string): Promise<string> {
    const request = readRequest(bodyText);
    const task = this.#options.existing(taskName);
    if (this.#runs.get(task)?.comparison.state === 'running') {
      throw new ApiError(
        409,
        `Replication '${taskName}' is being compared already; DELETE ends that`,
      );
    }
    const entries = this.#entriesOf(task);
    const comparison = new Comparison(request, {
      isExact: isExact(task.settings),
      pendingRecords: this.#options.pendingRecords(task),
      entriesTotal: entries.length,
      startedMs: Date.now(),
    });
    const line = new TaskLine();
    const run: Run = { comparison, line, done: this.#run(task, comparison, line, entries) };
    this.#runs.set(task, run);
    this.#running.add(run);
    void run.done.finally(() => this.#running.delete(run));
    return comparisonJson(comparison);
  }

  detail(taskName: string): string {
    return comparisonJson(this.#existing(taskName).comparison);
  }

  async cancel(taskName: string): Promise<string> {
    const { comparison, line, done } = this.#existing(taskName);
    if (comparison.state !== 'running') {
      throw new ApiError(409, `The comparison of replication '${taskName}' has ended`);
    }
    line.stop();
    await done;
    return comparisonJson(comparison);
  }

  /** Ends that of a task, if one is running; resolves when it sends nothing any more. */
  async interrupt(task: Task): Promise<void> {
    const run = this.#runs.get(task);
    if (run?.comparison.state !== 'running') return;
    run.line.stop();
    await run.done;
  }

  /** Ends what is running. */
  async stop(): Promise<void> {
    const running = [...this.#running];
    for (const { line } of running) line.stop();
    await Promise.all(running.map(({ done }) => done));
  }

  #existing(taskName: string): Run {
    const run = this.#runs.get(this.#options.existing(taskName));
    if (run === undefined) throw new ApiError(404, `Replication '${taskName}' was not compared`);
    return run;
  }

  /** By name. @throws ApiError 404 when the source bucket is missing. */
  #entriesOf({ settings, name }: Task): EntryName[] {
    const { source } = this.#options;
    const bucket = source.bucket(settings.srcBucket);
    if (bucket === undefined) {
      const text = `Source bucket '${settings.srcBucket}' for replication '${name}' does not exist`;
      throw new ApiError(404, text);
    }
    const isSelected = compileEntryPatterns(settings.entries);
    return source
      .entryNames(bucket.id, 0)
      .filter(([, entryName]) => isSelected(entryName))
      .map(([id, entryName]) => ({ id, name: entryName }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Never rejects. */
  async #run(
    task: Task,
    comparison: Comparison,
    line: TaskLine,
    entries: readonly EntryName[],
  ): Promise<void> {
    try {
      let failure: SliceFailure | null = null;
      for (const entry of entries) {
        failure = await this.#compareEntry(task, comparison, line, entry);
        if (failure !== null) break;
      }
      if (failure === null) comparison.end('done', null, Date.now());
      else if (failure === CHANGED) comparison.end('cancelled', failure.message, Date.now());
      else if (line.isStopped()) comparison.end('cancelled', null, Date.now());
      else comparison.end('failed', failure.message, Date.now());
    } catch (err) {
      this.#options.logger.error({ err, task: task.name }, 'a comparison ended');
      comparison.end('failed', err instanceof Error ? err.message : String(err), Date.now());
    }
  }

  /** @returns why it ended before the end of the entry. */
  async #compareEntry(
    task: Task,
    comparison: Comparison,
    line: TaskLine,
    { id, name }: EntryName,
  ): Promise<SliceFailure | null> {
    const { request } = comparison;
    const { version } = task;
    const counts = newCounts();
    comparison.current = name;
    let nextTs: bigint | null = request.startUs ?? 0n;
    let backoff = NO_BACKOFF;
    while (nextTs !== null) {
      // Removed meanwhile: there is nothing left to compare.
      const entry = this.#options.source.entry(id);
      if (entry === undefined) break;
      if (!(await budgetAllows(task, line))) return STOPPED;
      const job = newJob(task, comparison, line, entry, nextTs);
      const result = await this.#send(job);
      task.budget.used(task.settings.budget, result.traffic.wireBytes, null, Date.now());
      if (!task.isRemoved) this.#options.onBudgetUsed(task);
      if (task.isRemoved || version !== task.version) return CHANGED;
      countTraffic(task, result.traffic, Date.now());
      addCounts(counts, result.counts);
      comparison.add(result.counts, result.differences);
      const { failure } = result;
      if (failure !== null) {
        if (result.nextTs !== nextTs) backoff = NO_BACKOFF;
        const waited = await this.#mayRetry(failure, backoff, line);
        if (waited === undefined) return failure;
        backoff = waited;
      } else backoff = NO_BACKOFF;
      nextTs = result.nextTs;
    }
    comparison.endEntry({ name, counts });
    return null;
  }

  async #send(job: CompareJob): Promise<CompareResult> {
    const result = await this.#options.pool.run(job);
    if (result.kind !== 'compare') throw new Error(`job compare answered with ${result.kind}`);
    return result;
  }

  /** Waits as long as a slice would. @returns undefined when there is no use in it. */
  async #mayRetry(
    failure: SliceFailure,
    backoff: BackoffState,
    line: TaskLine,
  ): Promise<BackoffState | undefined> {
    const isFinal = failure.kind === 'stopped' || failure.kind === 'auth' || failure.kind === 'bug';
    if (isFinal || backoff.failures >= MAX_FAILURES) return undefined;
    const kind = failure.kind === 'lost' || failure.kind === 'unreachable' ? 'lost' : 'refused';
    const { retryAfterMs } = failure;
    const { state, waitMs } = backOff(backoff, { kind, retryAfterMs }, this.#options.random);
    await waitUnlessStopped(line, waitMs);
    return line.isStopped() ? undefined : state;
  }
}

const CHANGED: SliceFailure = {
  kind: 'stopped',
  key: -5,
  message: 'The settings of the replication changed meanwhile',
  retryAfterMs: null,
};

/** Waits until the link budget of the task lets something go out. @returns false when it was stopped meanwhile. */
async function budgetAllows({ settings, budget }: Task, line: TaskLine): Promise<boolean> {
  while (!line.isStopped() && settings.budget !== null) {
    const waitMs = budget.waitMs(settings.budget, Date.now());
    if (waitMs <= 0) break;
    await waitUnlessStopped(line, waitMs);
  }
  return !line.isStopped();
}

function newJob(
  { spec, bucketId, settings }: Task,
  { request, differencesLeft }: Comparison,
  line: TaskLine,
  { id, name }: EntryName,
  fromTs: bigint,
): CompareJob {
  return {
    kind: 'compare',
    task: spec,
    bucketId,
    line: line.buffer,
    entry: { id, name },
    fromTs,
    stopTs: request.stopUs ?? U64_MAX,
    hashes: request.hashes,
    repair: request.repair,
    // With a link budget one chunk after the other.
    budgetMs: settings.budget === null ? JOB_MS : 0,
    maxDifferences: differencesLeft,
  };
}

async function waitUnlessStopped(line: TaskLine, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const wait = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([wait, line.whenStopped()]);
  clearTimeout(timer);
  line.release();
}

/** @throws ApiError 422. */
function readRequest(bodyText: string): CompareRequest {
  const body: unknown = bodyText.trim() === '' ? {} : parseBody(bodyText).body;
  const members = readObject(body, 'struct Comparison');
  const startUs = readStart(members);
  const stopUs = readStop(members, Date.now());
  if (startUs !== null && stopUs !== null && startUs > stopUs) {
    throw new ApiError(422, '`start` must not be behind `stop`');
  }
  const repair = readFlag(members, 'repair');
  return { startUs, stopUs, repair, hashes: readFlag(members, 'hashes') };
}

function readFlag(members: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = members[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw new ApiError(422, `Invalid JSON: \`${name}\` must be true or false`);
}
