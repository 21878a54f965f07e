/**
 * Copies records from one place to another: buckets of servers and folders. A library: no terminal, no arguments. Running
 * the same copy again copies what is missing.
 */
import type { EntryFigures } from '../client/instance-client.ts';
import type { TimeRange } from '../client/query-body.ts';
import { compileEntryPatterns } from '../replication/entry-pattern.ts';
import { describeError } from './attempts.ts';
import { BudgetLease, ByteBudget } from './byte-budget.ts';
import { EntryCopy } from './copy-entry.ts';
import { Failures } from './failures.ts';
import { CopyTally, expectedOf } from './progress.ts';
import { type BegunEntry, type CopyPositions, NO_POSITIONS } from './position.ts';
import {
  type CopyFilter,
  CopyInterruptedError,
  type CopySink,
  type CopySource,
  CopyStoppedError,
  type EntryReader,
  type FailedRecord,
  NO_FILTER,
} from './types.ts';

/** Contents in memory over all entries, bytes. */
export const DEFAULT_MEMORY_BYTES: number = 64 * 1024 * 1024;

/** Beyond every timestamp, µs. */
const END_OF_TIME: bigint = 2n ** 64n - 1n;

const META = '$meta';

export interface CopySettings {
  readonly source: CopySource;
  readonly sink: CopySink;
  readonly filter: CopyFilter;
  /** Patterns as in the settings of a replication task (replication §2.2); empty: all. */
  readonly entries: readonly string[];
  /** First timestamp, µs; `null`: the oldest. Attachments are copied whatever their time. */
  readonly startUs: bigint | null;
  /** Timestamp behind the last, µs. */
  readonly stopUs: bigint;
  /** Each entry goes on behind the latest record of the destination. */
  readonly fromLast: boolean;
  /** Where entries go on; attachments are compared anew. */
  readonly positions: CopyPositions;
  /** Compare both sides afterwards, labels included. */
  readonly verify: boolean;
  /** Find out what would be copied, and write nothing. */
  readonly dryRun: boolean;
  /** Entries copied at the same time. */
  readonly parallel: number;
  readonly memoryBytes: number;
  /** File of JSON lines for the records that were not copied; made only if there are any. */
  readonly failuresPath: string | null;
  /** Ends the copy in good order: what is being written is finished. */
  readonly signal: AbortSignal;
  /** Told at the beginning and after each entry; figures change in between. */
  readonly onProgress: (tally: CopyTally) => void;
}

/** An entry that was not copied to its end. */
export interface FailedEntry {
  readonly entry: string;
  readonly reason: string;
}

export interface CopyReport {
  readonly tally: CopyTally;
  readonly failures: Failures;
  readonly failedEntries: readonly FailedEntry[];
  /** Records that are equal on both sides; `null` without `verify`. */
  readonly verifiedRecords: number | null;
  readonly createdBucket: boolean;
  readonly isInterrupted: boolean;
  /** Why the whole copy ended early; `null`: it did not. */
  readonly stoppedBecause: string | null;
  readonly elapsedMs: number;
}

/** Never rejects for what happens to single records and entries: the report says so. Rejects when nothing can begin. */
export async function copyBucket(settings: CopySettings): Promise<CopyReport> {
  return new CopyRun(settings).run();
}

/** Records of an entry to be copied; attachments are an entry of their own. */
interface EntryPlan {
  readonly name: string;
  /** `null` for attachments, of which no listing tells. */
  readonly figures: EntryFigures | null;
}

class CopyRun {
  readonly #settings: CopySettings;
  readonly #tally: CopyTally = new CopyTally();
  readonly #failures: Failures;
  readonly #failedEntries: FailedEntry[] = [];
  readonly #budget: ByteBudget;
  #existing: ReadonlyMap<string, EntryFigures> = new Map();
  readonly #begun: Map<string, BegunEntry> = new Map();
  #verifiedRecords = 0;
  #isInterrupted = false;
  #stoppedBecause: string | null = null;

  constructor(settings: CopySettings) {
    this.#settings = settings;
    this.#failures = new Failures(settings.failuresPath);
    this.#budget = new ByteBudget(settings.memoryBytes);
  }

  async run(): Promise<CopyReport> {
    const { source, sink, dryRun, onProgress, verify } = this.#settings;
    const startMs = performance.now();
    const plans = await this.#plan();
    const createdBucket = dryRun ? false : await sink.prepare(() => source.settings());
    this.#existing = await this.#existingEntries();
    this.#beginEntries(plans);
    onProgress(this.#tally);
    try {
      await this.#forEach(plans, (plan) => this.#copyEntry(plan));
    } finally {
      this.#failures.close();
    }
    return {
      tally: this.#tally,
      failures: this.#failures,
      failedEntries: this.#failedEntries,
      verifiedRecords: verify ? this.#verifiedRecords : null,
      createdBucket,
      isInterrupted: this.#isInterrupted,
      stoppedBecause: this.#stoppedBecause,
      elapsedMs: performance.now() - startMs,
    };
  }

  async #plan(): Promise<EntryPlan[]> {
    const { source, entries } = this.#settings;
    const isWanted = compileEntryPatterns(entries);
    const found = (await source.entries()).filter(({ name }) => isWanted(name));
    this.#tally.entries = found.length;
    const plans = found.map((figures): EntryPlan => ({ name: figures.name, figures }));
    return plans.flatMap((plan) => [plan, { name: `${plan.name}/${META}`, figures: null }]);
  }

  /** With a dry run the destination may not exist. */
  async #existingEntries(): Promise<ReadonlyMap<string, EntryFigures>> {
    const { sink, dryRun } = this.#settings;
    try {
      return await sink.entries();
    } catch (error) {
      if (dryRun && describeError(error).status === 404) return new Map();
      throw error;
    }
  }

  #beginEntries(plans: readonly EntryPlan[]): void {
    const { positions, dryRun, stopUs } = this.#settings;
    const tally = this.#tally;
    for (const { name, figures } of plans) {
      if (figures === null) continue;
      const there = this.#existing.get(name);
      const latestUs = there === undefined || there.recordCount === 0 ? null : there.latestUs;
      const begun = positions.begin(name, this.#startOf(latestUs), latestUs);
      this.#begun.set(name, begun);
      const { records, bytes } = expectedOf(figures, { startUs: begun.position.nextUs, stopUs });
      tally.expectedRecords += records;
      tally.expectedBytes += bytes;
    }
    if (!dryRun) positions.save();
  }

  async #forEach(
    plans: readonly EntryPlan[],
    work: (plan: EntryPlan) => Promise<void>,
  ): Promise<void> {
    const queue = [...plans].values();
    const lane = async (): Promise<void> => {
      for (const plan of queue) {
        if (this.#isInterrupted || this.#stoppedBecause !== null) return;
        await work(plan);
        if (plan.figures !== null) this.#tally.finishedEntries++;
        this.#settings.onProgress(this.#tally);
      }
    };
    await Promise.all(Array.from({ length: this.#settings.parallel }, lane));
  }

  async #copyEntry(plan: EntryPlan): Promise<void> {
    const { source, sink, filter, signal, verify, dryRun } = this.#settings;
    const lease = new BudgetLease(this.#budget);
    const isMeta = plan.figures === null;
    const ownFilter = isMeta ? NO_FILTER : filter;
    const { startUs, position } =
      this.#begun.get(plan.name) ?? NO_POSITIONS.begin(plan.name, 0n, null);
    const stopUs = isMeta ? END_OF_TIME : this.#settings.stopUs;
    const onFailed = (failed: FailedRecord): void => {
      position.failed(failed.ts);
      this.#tally.failedRecords++;
      this.#failures.add(failed);
    };
    const newReader = (): EntryReader => source.reader(plan.name, ownFilter, { lease, onFailed });
    try {
      const copy = new EntryCopy({
        entry: plan.name,
        reader: newReader(),
        sink,
        range: rangeFrom(position.nextUs, stopUs),
        position,
        existing: this.#existingOf(plan),
        tally: this.#tally,
        release: (bytes) => lease.release(bytes),
        onFailed,
        signal,
      });
      if (dryRun) await copy.rehearse();
      else await copy.run();
      if (verify && !dryRun)
        this.#verifiedRecords += await copy.verify(newReader(), rangeFrom(startUs, stopUs));
    } catch (error) {
      this.#onEntryError(plan.name, error);
    } finally {
      lease.close();
    }
  }

  /** @param latestUs of the destination. */
  #startOf(latestUs: bigint | null): bigint {
    const { startUs, fromLast } = this.#settings;
    return fromLast && latestUs !== null ? latestUs + 1n : (startUs ?? 0n);
  }

  /** Of attachments it is only known that their parent is there. */
  #existingOf({
    name,
    figures,
  }: EntryPlan): ConstructorParameters<typeof EntryCopy>[0]['existing'] {
    if (figures !== null) return this.#existing.get(name) ?? null;
    const isThere = this.#existing.has(name.slice(0, -META.length - 1));
    return isThere ? { recordCount: 1, oldestUs: 0n, latestUs: END_OF_TIME } : null;
  }

  #onEntryError(entry: string, error: unknown): void {
    if (error instanceof CopyInterruptedError || this.#settings.signal.aborted) {
      this.#isInterrupted = true;
      return;
    }
    if (error instanceof CopyStoppedError) {
      this.#stoppedBecause ??= error.message;
      return;
    }
    const { reason } = describeError(error);
    this.#failedEntries.push({ entry, reason });
  }
}

/** Queries that begin far before the first record cost nothing, those of an empty range are refused. */
function rangeFrom(startUs: bigint, stopUs: bigint): TimeRange {
  return { startUs: startUs < stopUs ? startUs : stopUs, stopUs };
}
