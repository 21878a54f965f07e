/**
 * One policy at work: a run per interval, each through a bounded stretch of record time.
 *
 * Progress is where the next run begins. Without a condition that is the oldest record there is. A condition leaves
 * records behind, so progress is kept (in memory) and only newer records are looked at; records that were written later
 * with older timestamps are found by beginning anew once a day.
 */
import type { Bucket, Entry } from '../catalog/model.ts';
import { ApiError, toErrorData } from '../errors/errors.ts';
import { compileEntrySelection } from '../query/entry-selection.ts';
import { isMetaEntryName } from '../wire/names.ts';
import type { LifecycleClock } from './clock.ts';
import type { Turns } from './turns.ts';
import type { LifecycleMode, LifecyclePlan, LifecycleRun, LifecycleSettings } from './types.ts';
import type { Window, WindowWork } from './window-work.ts';

/** After a run that neither met a record nor reached the present (http-api-extras §5). */
const REPEAT_MS = 100;
const NEW_PASS_MS = 86_400_000;

const US_PER_MS = 1_000n;

export interface PolicyDeps {
  readonly clock: LifecycleClock;
  readonly work: Pick<WindowWork, 'remove' | 'count'>;
  readonly turns: Turns;
  /** @returns undefined when there is no such bucket, or it is being removed. */
  readonly bucket: (name: string) => Bucket | undefined;
  /** Told of every run that was not called off, also of those that failed. */
  readonly onRun: (run: LifecycleRun) => void;
}

type Outcome = Pick<
  LifecycleRun,
  'processedRecords' | 'processedBlocks' | 'isCaughtUp' | 'lastProcessedTs'
>;

const NOTHING_LEFT: Outcome = { processedRecords: 0, processedBlocks: 0, isCaughtUp: true };
const NOTHING_DONE: Outcome = { ...NOTHING_LEFT, isCaughtUp: false };

export class Policy {
  readonly name: string;
  readonly isProvisioned: boolean;
  readonly #deps: PolicyDeps;
  #plan: LifecyclePlan;
  #lastRunMs: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #isStopped = false;
  /** Last µs a run went through; undefined at the beginning of a pass. */
  #progressTs: bigint | undefined;
  #passStartedMs = 0;

  constructor(name: string, plan: LifecyclePlan, isProvisioned: boolean, deps: PolicyDeps) {
    this.name = name;
    this.isProvisioned = isProvisioned;
    this.#plan = plan;
    this.#deps = deps;
  }

  get settings(): LifecycleSettings {
    return this.#plan.settings;
  }

  /** Milliseconds since the epoch; of the latest run, also one that goes on. */
  get lastRunMs(): number | undefined {
    return this.#lastRunMs;
  }

  /** The first run comes after one interval. */
  start(): void {
    this.#arm(this.#plan.intervalMs);
  }

  /** Nothing begins any more; what goes on ends after the step it is at. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
  }

  /** The next run keeps its time. A run of another mode that goes on is called off. */
  setMode(mode: LifecycleMode): void {
    if (mode === this.settings.mode) return;
    this.#plan = { ...this.#plan, settings: { ...this.settings, mode } };
    this.#progressTs = undefined;
  }

  /** Goes on where it was, under another name. A run that goes on is called off; the next one keeps its time. */
  followBucket(bucketName: string): void {
    this.#plan = { ...this.#plan, settings: { ...this.settings, bucketName } };
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancelTimer = this.#deps.clock.after(delayMs, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    let delayMs = this.#plan.intervalMs;
    if (this.settings.mode !== 'disabled') {
      const outcome = await this.#deps.turns.run(() => this.#run());
      const isUnderWay = outcome?.isCaughtUp === false && outcome.processedRecords === 0;
      if (isUnderWay) delayMs = REPEAT_MS;
    }
    this.#arm(delayMs);
  }

  /** @returns undefined when it was called off or failed. */
  async #run(): Promise<Outcome | undefined> {
    const plan = this.#plan;
    const { settings } = plan;
    const isWanted = (): boolean => this.#plan === plan && !this.#isStopped;
    if (!isWanted() || settings.mode === 'disabled') return undefined;
    const startedAtMs = this.#deps.clock.nowMs();
    this.#lastRunMs = startedAtMs;
    try {
      const bucket = this.#deps.bucket(settings.bucketName);
      if (bucket === undefined) {
        throw new ApiError(404, `Bucket '${settings.bucketName}' is not found`);
      }
      const outcome = await this.#process(bucket, plan, startedAtMs, isWanted);
      if (!isWanted()) return undefined;
      this.#report(settings, startedAtMs, outcome, 200, '');
      return outcome;
    } catch (error) {
      const { status, message } = toErrorData(error);
      if (!this.#isStopped) this.#report(settings, startedAtMs, NOTHING_DONE, status, message);
      return undefined;
    }
  }

  #report(
    { type, bucketName }: LifecycleSettings,
    startedAtMs: number,
    outcome: Outcome,
    status: number,
    message: string,
  ): void {
    const { clock, onRun } = this.#deps;
    const durationMs = clock.nowMs() - startedAtMs;
    const who = { policyName: this.name, actionType: type, bucketName };
    onRun({ ...who, startedAtMs, durationMs, ...outcome, status, message });
  }

  async #process(
    bucket: Bucket,
    plan: LifecyclePlan,
    nowMs: number,
    isWanted: () => boolean,
  ): Promise<Outcome> {
    const { type, mode, whenText } = plan.settings;
    // How records are stored is not for the policy to say.
    if (type === 'compress') return NOTHING_LEFT;
    const cutoffTs = BigInt(Math.floor(nowMs)) * US_PER_MS - plan.olderThanUs;
    const entries = selectedEntries(bucket, plan.settings);
    const window = this.#nextWindow(entries, plan, cutoffTs, nowMs);
    if (window === undefined) return NOTHING_LEFT;
    const { work } = this.#deps;
    let processedRecords = 0;
    let processedBlocks = 0;
    for (const entry of entries) {
      if (!isWanted()) break;
      if (!reaches(entry, window)) continue;
      const { extentCount } = entry.stats;
      processedRecords +=
        mode === 'dry_run'
          ? await work.count(entry, window, whenText, isWanted)
          : await work.remove(entry, window, whenText, isWanted);
      // Writers may have begun blocks meanwhile.
      processedBlocks += Math.max(0, extentCount - entry.stats.extentCount);
    }
    if (isWanted()) this.#progressTs = window.lastTs;
    const isCaughtUp = window.lastTs >= cutoffTs;
    return { processedRecords, processedBlocks, isCaughtUp, lastProcessedTs: window.lastTs };
  }

  /** @returns undefined when no record is old enough. */
  #nextWindow(
    entries: readonly Entry[],
    plan: LifecyclePlan,
    cutoffTs: bigint,
    nowMs: number,
  ): Window | undefined {
    const oldestTs = oldestOf(entries);
    if (oldestTs === undefined) return undefined;
    let firstTs = oldestTs;
    if (this.#leavesRecords(plan.settings)) {
      this.#beginPass(cutoffTs, nowMs);
      const nextTs = (this.#progressTs ?? -1n) + 1n;
      if (nextTs > firstTs) firstTs = nextTs;
    }
    if (firstTs > cutoffTs) return undefined;
    const lastTs = firstTs + plan.processingUs - 1n;
    return { firstTs, lastTs: lastTs < cutoffTs ? lastTs : cutoffTs };
  }

  #leavesRecords({ whenText, mode }: LifecycleSettings): boolean {
    return whenText !== undefined || mode === 'dry_run';
  }

  /** A pass that has caught up is followed by another one, a day after it began. */
  #beginPass(cutoffTs: bigint, nowMs: number): void {
    const progressTs = this.#progressTs;
    if (progressTs === undefined) {
      this.#passStartedMs = nowMs;
      return;
    }
    // Time passes while a run goes on, so that the cutoff is always a little ahead.
    const isBehind = progressTs < cutoffTs - BigInt(this.#plan.intervalMs) * US_PER_MS * 2n;
    if (isBehind || nowMs - this.#passStartedMs < NEW_PASS_MS) return;
    this.#passStartedMs = nowMs;
    this.#progressTs = undefined;
  }
}

function selectedEntries(bucket: Bucket, { entries }: LifecycleSettings): Entry[] {
  const isSelected = compileEntrySelection(entries);
  return [...bucket.entries.values()].filter(
    (entry) =>
      entry.isDurable &&
      entry.status === 'READY' &&
      entry.stats.recordCount > 0 &&
      !isMetaEntryName(entry.name) &&
      isSelected(entry.name),
  );
}

function oldestOf(entries: readonly Entry[]): bigint | undefined {
  let oldest: bigint | undefined;
  for (const { stats } of entries) {
    if (oldest === undefined || stats.oldestTs < oldest) oldest = stats.oldestTs;
  }
  return oldest;
}

function reaches({ stats }: Entry, { firstTs, lastTs }: Window): boolean {
  return stats.oldestTs <= lastTs && stats.latestTs >= firstTs;
}
