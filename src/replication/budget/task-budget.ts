/** The budget of one task on the main thread: whether a slice may begin, and what was used. */
import { type BudgetPlan, type DayUse, planBudget } from './budget-plan.ts';
import type { LinkBudget } from './link-budget.ts';
import type { SliceBudget } from './pacer.ts';

/** The clock is looked at again after this time, whatever was planned: it may be set, and machines sleep. */
const MAX_WAIT_MS = 60_000;

export class TaskBudget {
  #use: DayUse;
  #busyUntilMs = 0;
  /** Bytes over the link since the start of the process. */
  totalBytes = 0;
  /** The store does not know the use yet. */
  isUnsaved = false;

  constructor(use: DayUse | null) {
    this.#use = use ?? { day: 0, bytes: 0 };
  }

  /** What the store has to know. */
  get use(): DayUse {
    return this.#use;
  }

  plan(budget: LinkBudget, nowMs: number): BudgetPlan {
    return planBudget(budget, nowMs, this.#use);
  }

  /** How long no slice may begin, ms; 0: one may. Long waits come in pieces. */
  waitMs(budget: LinkBudget, nowMs: number): number {
    const { state, changesAtMs } = this.plan(budget, nowMs);
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

  sliceBudget(budget: LinkBudget, nowMs: number): SliceBudget {
    const { leftBytes } = this.plan(budget, nowMs);
    const allowanceBytes = Number.isFinite(leftBytes) ? leftBytes : null;
    const { bytesPerSecond } = budget;
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
