/** The budget of one task on the main thread: whether a slice may begin, and what was used. */
import { type BudgetPlan, type DayUse, planBudget } from './budget-plan.ts';
import type { LinkBudget } from './link-budget.ts';
import type { SliceBudget } from './pacer.ts';

/** The clock is looked at again after this time, whatever was planned: it may be set, and machines sleep. */
const MAX_WAIT_MS = 60_000;

/**
 * What one slice may use of a day is stored as used before it begins, so that no crash gives it back. A crash costs as much
 * at most: this share of a day within these bounds, bytes.
 */
const GRANT_SHARE = 1 / 16;
const MIN_GRANT_BYTES = 16 * 1024;
const MAX_GRANT_BYTES = 8 * 1024 * 1024;

export class TaskBudget {
  #use: DayUse;
  /** Set aside for the slice that runs. */
  #grantBytes = 0;
  #busyUntilMs = 0;
  /** Bytes over the link since the start of the process. */
  totalBytes = 0;
  /** The store does not know the use yet. */
  isUnsaved = false;

  constructor(use: DayUse | null) {
    this.#use = use ?? { day: 0, bytes: 0 };
  }

  /** What the store has to know: all that may have been used when the process ends now. */
  get use(): DayUse {
    const { day, bytes } = this.#use;
    return { day, bytes: bytes + this.#grantBytes };
  }

  plan(budget: LinkBudget, nowMs: number): BudgetPlan {
    return planBudget(budget, nowMs, this.#use);
  }

  /** How long nothing may begin, ms; 0: it may. Long waits come in pieces. What is set aside is not there for others. */
  waitMs(budget: LinkBudget, nowMs: number): number {
    const { state, changesAtMs } = planBudget(budget, nowMs, this.use);
    const closedMs = state === 'open' ? 0 : (changesAtMs ?? Number.POSITIVE_INFINITY) - nowMs;
    return Math.min(MAX_WAIT_MS, Math.max(closedMs, this.#busyUntilMs - nowMs, 0));
  }

  /** How long a slice that begins now may go on until the windows close, ms; `null`: they do not, or not soon. */
  closesInMs(budget: LinkBudget, nowMs: number): number | null {
    const { state, changesAtMs } = this.plan(budget, nowMs);
    if (state !== 'open' || changesAtMs === null) return null;
    const inMs = changesAtMs - nowMs;
    return inMs < 86_400_000 ? inMs : null;
  }

  /** Sets aside what the next slice may use of the day. @returns whether the store has to know before it begins. */
  grant(budget: LinkBudget, nowMs: number): boolean {
    const { use, leftBytes } = this.plan(budget, nowMs);
    if (budget.bytesPerDay === null) return false;
    const share = Math.ceil(budget.bytesPerDay * GRANT_SHARE);
    const most = Math.min(MAX_GRANT_BYTES, Math.max(MIN_GRANT_BYTES, share));
    this.#use = use;
    this.#grantBytes = Math.min(leftBytes, most);
    return true;
  }

  /** The slice has ended, and `used` knows what it used. */
  release(): void {
    if (this.#grantBytes === 0) return;
    this.#grantBytes = 0;
    this.isUnsaved = true;
  }

  /** After `grant`. */
  sliceBudget(budget: LinkBudget): SliceBudget {
    const { bytesPerSecond, bytesPerDay } = budget;
    const allowanceBytes = bytesPerDay === null ? null : this.#grantBytes;
    return { bytesPerSecond, busyUntilMs: this.#busyUntilMs, allowanceBytes };
  }

  /**
   * @param budget under which the bytes were sent; `null`: they do not count.
   * @param busyUntilMs as the slice left it; `null`: nobody kept to the rate.
   */
  used(budget: LinkBudget | null, bytes: number, busyUntilMs: number | null, nowMs: number): void {
    if (budget === null || bytes === 0) return;
    const { use } = this.plan(budget, nowMs);
    this.#use = { day: use.day, bytes: use.bytes + bytes };
    const tailMs = budget.bytesPerSecond === null ? 0 : (bytes / budget.bytesPerSecond) * 1000;
    this.#busyUntilMs = busyUntilMs ?? Math.max(this.#busyUntilMs, nowMs) + tailMs;
    this.totalBytes += bytes;
    this.isUnsaved = true;
  }
}
